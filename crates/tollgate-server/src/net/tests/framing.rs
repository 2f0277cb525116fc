//! Ambiguous heads are refused, plain ones are not.

use http::{Method, Request, Uri, Version, request::Parts};

use crate::net::framing::{BadFraming, check, is_last_of_connection, origin_form};

fn head(target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::get(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request").into_parts().0
}

const HOST: (&str, &str) = ("host", "gate:8787");

#[test]
fn plain_heads_pass() {
    for (target, headers) in [
        ("/", vec![HOST]),
        ("/openai/v1/chat/completions?a=b&c=%2F", vec![HOST, ("content-length", "0")]),
        ("/a", vec![HOST, ("transfer-encoding", "chunked")]),
        ("/a", vec![HOST, ("transfer-encoding", "CHUNKED")]),
        ("/a", vec![("host", "[::1]:8787")]),
        ("/a", vec![("host", "gate:")]),
        ("http://gate:8787/a", vec![HOST]),
        ("http://GATE/a", vec![("host", "gate:80")]),
        ("https://gate/a", vec![("host", "gate:443")]),
    ] {
        assert_eq!(check(&head(target, &headers)), Ok(()), "{target} {headers:?}");
    }
}

#[test]
fn ambiguous_heads_are_refused_for_their_reason() {
    for (target, headers, why) in [
        ("*", vec![HOST], BadFraming::Target),
        ("/", vec![], BadFraming::HostMissing),
        ("http://gate/", vec![], BadFraming::HostMissing),
        ("/", vec![HOST, HOST], BadFraming::HostDoubled),
        ("/", vec![HOST, ("host", "other")], BadFraming::HostDoubled),
        ("/", vec![("host", "")], BadFraming::HostInvalid),
        ("/", vec![("host", "a, b")], BadFraming::HostInvalid),
        ("/", vec![("host", "a/b")], BadFraming::HostInvalid),
        ("/", vec![("host", "user@gate")], BadFraming::HostInvalid),
        ("/", vec![("host", "a:80@a:80")], BadFraming::HostInvalid),
        ("/", vec![("host", ":80")], BadFraming::HostInvalid),
        ("/", vec![("host", "gate:http")], BadFraming::HostInvalid),
        ("/", vec![("host", "gate:99999")], BadFraming::HostInvalid),
        ("http://other/", vec![HOST], BadFraming::HostDiffers),
        ("http://gate:1/", vec![HOST], BadFraming::HostDiffers),
        ("http://user@gate:8787/", vec![HOST], BadFraming::HostDiffers),
        (
            "/",
            vec![HOST, ("content-length", "1"), ("content-length", "1")],
            BadFraming::LengthDoubled,
        ),
        (
            "/",
            vec![HOST, ("content-length", "1"), ("transfer-encoding", "chunked")],
            BadFraming::LengthAndCoding,
        ),
        ("/", vec![HOST, ("transfer-encoding", "gzip, chunked")], BadFraming::Coding),
        ("/", vec![HOST, ("transfer-encoding", "chunked, chunked")], BadFraming::Coding),
        ("/", vec![HOST, ("transfer-encoding", "identity")], BadFraming::Coding),
        (
            "/",
            vec![HOST, ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
            BadFraming::Coding,
        ),
        (
            "/",
            vec![HOST, ("x_user", "1")],
            BadFraming::Underscore("x_user".parse().expect("a name")),
        ),
    ] {
        assert_eq!(check(&head(target, &headers)), Err(why), "{target} {headers:?}");
    }
}

#[test]
fn tunnels_are_refused_and_old_health_checks_are_not() {
    let mut connect = head("/", &[HOST]);
    connect.method = Method::CONNECT;
    assert_eq!(check(&connect), Err(BadFraming::Connect));
    let mut old = head("/livez", &[]);
    old.version = Version::HTTP_10;
    assert_eq!(check(&old), Ok(()));
    old.uri = Uri::from_static("http://gate/livez");
    assert_eq!(check(&old), Err(BadFraming::HostMissing));
}

#[test]
fn a_target_is_cut_down_to_its_path() {
    for (target, path) in [
        ("http://gate/a%2Fb?c=d", "/a%2Fb?c=d"),
        ("http://gate", "/"),
        ("/a//b", "/a//b"),
        ("/?", "/?"),
    ] {
        assert_eq!(origin_form(&target.parse().expect("a target")), path);
    }
}

#[test]
fn a_chunked_request_is_the_last_of_its_connection() {
    assert!(is_last_of_connection(&head("/", &[("transfer-encoding", "chunked")]).headers));
    assert!(!is_last_of_connection(&head("/", &[("content-length", "3")]).headers));
}
