//! What the operator gives: addresses, headers, bodies, times.

use std::time::Duration;

use http::{Method, header};
use http_body_util::BodyExt as _;

use super::super::{think::Dice, *};

fn target(method: Option<Method>, headers: &[&str], body: &str) -> Target {
    let headers: Vec<Header> = headers.iter().map(|text| text.parse().unwrap()).collect();
    let user = parse_name("X-Tollgate-User").unwrap();
    let url = "http://localhost:1/a/b?key=secret".parse().unwrap();
    Target::new(url, method, &headers, body.parse().unwrap(), Some(user))
}

#[tokio::test]
async fn every_user_sends_what_was_given_under_its_own_name() {
    let target = target(None, &["x-a: 1", "X-A: 2", "accept:text/plain"], r#"{"a": 1}"#);
    for (user, name) in [(1, "user-0001"), (10_000, "user-10000")] {
        let request = target.request(user);
        assert_eq!(request.method(), Method::POST, "there is a body");
        assert_eq!(request.uri(), "http://localhost:1/a/b?key=secret");
        let headers = request.headers();
        assert_eq!(headers["x-tollgate-user"], name);
        assert_eq!(headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(headers[header::ACCEPT], "text/plain");
        assert_eq!(headers[header::CONTENT_TYPE], "application/json");
        let body = request.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, r#"{"a": 1}"#);
    }
}

#[test]
fn methods_and_content_types_that_were_given_stay() {
    assert_eq!(target(None, &[], "").request(1).method(), Method::GET);
    let put = target(Some(parse_method("put").unwrap()), &["content-type: text/x"], "{}");
    assert_eq!(put.request(1).method(), Method::PUT);
    assert_eq!(put.request(1).headers()[header::CONTENT_TYPE], "text/x");
    let plain = target(None, &[], "no JSON").request(1);
    assert!(!plain.headers().contains_key(header::CONTENT_TYPE));
    assert!(parse_method("CONNECT").is_err() && parse_method("G T").is_err());
}

#[test]
fn only_places_to_send_requests_to_are_taken() {
    for good in ["http://127.0.0.1:8787/livez", "https://h", "http://[::1]:80/x?y=1"] {
        assert!(good.parse::<Address>().is_ok(), "{good}");
    }
    for bad in ["", "127.0.0.1:8787", "ftp://h/", "/v1", "http:///v1", "h t", "http://a:b@h/"] {
        assert!(bad.parse::<Address>().is_err(), "{bad}");
    }
}

#[test]
fn what_may_be_secret_is_not_shown() {
    let target = target(None, &["authorization: Bearer canary"], "");
    assert_eq!(target.address().to_string(), "http://localhost:1/a/b");
    assert!(!format!("{:?}", target.request(1).headers()).contains("canary"));
    let header: Header = "authorization: Bearer canary".parse().unwrap();
    assert!(!format!("{header:?}").contains("canary"));
}

#[test]
fn headers_of_the_connection_are_the_client_s_own() {
    for bad in
        ["host: a", "Content-Length: 5", "connection: close", "no colon", "a b: c", "a: b\nc"]
    {
        assert!(bad.parse::<Header>().is_err(), "{bad}");
    }
    assert!(parse_name("host").is_err() && parse_name("").is_err());
}

#[test]
fn a_body_comes_from_a_file_of_bounded_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("small"), "{}").unwrap();
    assert_eq!(Payload::read(&path("small")), Ok("{}".parse().unwrap()));
    std::fs::File::create(path("large")).unwrap().set_len((32 << 20) + 1).unwrap();
    assert_eq!(Payload::read(&path("large")), Err("it is larger than 32 MiB".to_owned()));
    assert!(Payload::read(&path("none")).is_err_and(|error| error.contains("cannot be read")));
}

#[test]
fn times_are_read_as_people_write_them() {
    for (text, millis) in [("500ms", 500), ("30s", 30_000), ("2m", 120_000), ("0s", 0)] {
        assert_eq!(parse_span(text), Ok(Duration::from_millis(millis)), "{text}");
    }
    for bad in ["", "5", "-1s", "soon", "25h"] {
        assert!(parse_span(bad).is_err(), "{bad}");
    }
    for around in ["30s±10s", "30s +- 10s"] {
        assert_eq!(around.parse::<Think>(), "20s..40s".parse(), "{around}");
    }
    for bad in ["5s..1s", "1s..", "..", "1s...2s", "1s±2s", "1s±", "23h±2h"] {
        assert!(bad.parse::<Think>().is_err(), "{bad}");
    }
}

#[test]
fn dice_stay_between_both_times_and_fall_again_by_seed() {
    let think: Think = "1s..3s".parse().unwrap();
    let times = |seed, user| {
        let mut dice = Dice::new(seed, user);
        (0..100).map(|_| think.next(&mut dice)).collect::<Vec<_>>()
    };
    let range = Duration::from_secs(1)..=Duration::from_secs(3);
    assert!(times(0, 1).iter().all(|time| range.contains(time)));
    assert_eq!(times(7, 1), times(7, 1));
    assert_ne!(times(7, 1), times(7, 2), "users differ");
    assert_ne!(times(7, 1), times(8, 1));
    let fixed: Think = "2s".parse().unwrap();
    assert_eq!(fixed.next(&mut Dice::new(0, 1)), Duration::from_secs(2));
}
