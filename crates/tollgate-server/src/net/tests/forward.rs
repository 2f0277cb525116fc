//! What a message sheds on its way through.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::net::{identity_encoding, strip_request, strip_response};

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let line = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    lines.iter().map(line).collect()
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_request_keeps_what_is_the_callers_own_business() {
    let mut sent = headers(&[
        ("accept", "text/event-stream"),
        ("authorization", "Bearer key"),
        ("content-type", "application/json"),
        ("cookie", "a=b"),
        ("idempotency-key", "7"),
        ("user-agent", "test"),
        ("x-request-id", "1"),
        ("x-stainless-retry-count", "0"),
        ("x-tollgates", "not ours"),
    ]);
    let before = sent.clone();
    strip_request(&mut sent);
    assert_eq!(sent, before);
}

#[test]
fn a_request_sheds_what_is_of_the_connection_or_claimed_about_the_origin() {
    let mut sent = headers(&[
        ("accept", "*/*"),
        ("cf-connecting-ip", "1.2.3.4"),
        ("connection", "keep-alive, X-Secret ,, close"),
        ("connection", "x-other"),
        ("content-length", "3"),
        ("expect", "100-continue"),
        ("forwarded", "for=1.2.3.4"),
        ("host", "gate"),
        ("http2-settings", "AAMAAABkAAQAAP__"),
        ("keep-alive", "timeout=5"),
        ("proxy-authenticate", "Basic"),
        ("proxy-authorization", "Basic Zm9v"),
        ("proxy-connection", "keep-alive"),
        ("te", "trailers"),
        ("trailer", "x-sum"),
        ("transfer-encoding", "chunked"),
        ("true-client-ip", "1.2.3.4"),
        ("upgrade", "websocket"),
        ("x-client-ip", "1.2.3.4"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-for", "5.6.7.8"),
        ("x-forwarded-host", "else"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-prefix", "/"),
        ("x-other", "1"),
        ("x-real-ip", "1.2.3.4"),
        ("x-secret", "1"),
        ("x-tollgate-user", "mallory"),
        ("x-tollgate-anything", "1"),
    ]);
    strip_request(&mut sent);
    assert_eq!(names(&sent), ["accept"]);
}

#[test]
fn an_answer_keeps_its_length_and_sheds_what_is_of_the_connection() {
    let mut answer = headers(&[
        ("connection", "close, x-hop"),
        ("content-length", "3"),
        ("content-type", "text/plain"),
        ("keep-alive", "timeout=5"),
        ("retry-after", "3"),
        ("transfer-encoding", "chunked"),
        ("x-hop", "1"),
        ("x-request-id", "1"),
        ("x-tollgate-cost-usd", "0.1"),
    ]);
    strip_response(&mut answer);
    assert_eq!(
        names(&answer),
        ["content-length", "content-type", "retry-after", "x-request-id", "x-tollgate-cost-usd"]
    );
}

#[test]
fn only_plain_answers_are_asked_for_where_they_are_read() {
    let mut sent = headers(&[("accept-encoding", "gzip"), ("accept-encoding", "br")]);
    identity_encoding(&mut sent);
    assert_eq!(sent, headers(&[("accept-encoding", "identity")]));
}
