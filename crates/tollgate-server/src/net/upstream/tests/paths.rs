//! A request stays below the address that the policy gives.

use http::Uri;
use proptest::prelude::*;

use super::super::target::{BadPath, join};

fn uri(text: &str) -> Uri {
    text.parse().expect("an address")
}

#[test]
fn paths_are_put_behind_the_base_as_they_are() {
    for (base, rest, target) in [
        ("https://api.test/v1", "/chat/completions", "https://api.test/v1/chat/completions"),
        ("https://api.test/v1/", "/models?limit=2", "https://api.test/v1/models?limit=2"),
        ("https://api.test", "/a", "https://api.test/a"),
        ("http://127.0.0.1:3000", "", "http://127.0.0.1:3000/"),
        ("http://127.0.0.1:3000", "?a=b", "http://127.0.0.1:3000/?a=b"),
        ("https://api.test/v1", "", "https://api.test/v1"),
        ("https://api.test/v1", "/", "https://api.test/v1/"),
        ("https://api.test/v1", "/a%2Fb%20c/%e2%82%ac", "https://api.test/v1/a%2Fb%20c/%e2%82%ac"),
        ("https://api.test/v1", "/a//b", "https://api.test/v1/a//b"),
        ("https://api.test/v1", "/a?b=../..&c=//d", "https://api.test/v1/a?b=../..&c=//d"),
        ("https://api.test/v1", "/...", "https://api.test/v1/..."),
        ("https://api.test/v1", "/.well-known/a..b", "https://api.test/v1/.well-known/a..b"),
        ("https://api.test/v1", "/a@b:80", "https://api.test/v1/a@b:80"),
    ] {
        assert_eq!(join(&uri(base), rest).expect(rest).to_string(), target);
    }
}

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    let base = uri("https://api.test/v1");
    for (rest, why) in [
        ("//evil.test/a", BadPath::TwoSlashes),
        ("///a", BadPath::TwoSlashes),
        ("a", BadPath::Invalid),
        ("@evil.test/", BadPath::Invalid),
        (":80/", BadPath::Invalid),
        (".evil.test/", BadPath::Invalid),
        ("/a b", BadPath::Invalid),
        ("/..", BadPath::Dots),
        ("/../admin", BadPath::Dots),
        ("/a/../../admin", BadPath::Dots),
        ("/./a", BadPath::Dots),
        ("/a/.", BadPath::Dots),
        ("/%2e%2e/admin", BadPath::Dots),
        ("/%2E./admin", BadPath::Dots),
        ("/.%2e?a", BadPath::Dots),
        ("/..%2fadmin", BadPath::Dots),
        ("/a%2f..%2Fadmin", BadPath::Dots),
        ("/..%5cadmin", BadPath::Dots),
        ("/a\\..\\admin", BadPath::Dots),
    ] {
        assert_eq!(join(&base, rest), Err(why), "{rest}");
    }
}

proptest! {
    #[test]
    fn whatever_is_asked_for_the_place_is_the_policys(rest in "[/.a%2eE5cfF@:?#\\\\]{0,16}") {
        let base = uri("https://api.test:8443/v1");
        if let Ok(target) = join(&base, &rest) {
            prop_assert_eq!(target.scheme(), base.scheme());
            prop_assert_eq!(target.authority(), base.authority());
            prop_assert!(target.path().starts_with("/v1"));
            prop_assert!(target.path() == "/v1" || target.path().starts_with("/v1/"));
        }
    }
}
