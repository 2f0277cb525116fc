//! Signatures as others make them, and keys where each dialect has them.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use tollgate_core::{Time, policy::settings::Dialect};

use super::{Key, Payload, Signer};

/// What the published examples are signed with, and when.
const ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const SECONDS: u64 = 1_440_938_160;

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs = pairs
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    pairs.collect()
}

/// A request signed, by its headers and the signature that it is to have.
struct Case {
    service: &'static str,
    method: Method,
    url: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    token: Option<&'static str>,
    signed: &'static str,
    signature: &'static str,
}

const POST: Case = Case {
    service: "bedrock",
    method: Method::POST,
    url: "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse",
    headers: &[("content-type", "application/json"), ("x-amzn-bedrock-trace", "ENABLED")],
    body: r#"{"messages":[]}"#,
    token: Some("TOKEN+EXAMPLE"),
    signed: "content-type;host;x-amz-date;x-amz-security-token;x-amzn-bedrock-trace",
    signature: "b9ed69bd001d8885950fc9d7d5b4d1a59ac0a8027831e60435dba7cc8c6cd43f",
};

fn sign(case: &Case, mut headers: HeaderMap) -> HeaderMap {
    let signer = Signer::new(ID, SECRET, case.token, "us-east-1").expect("credentials");
    let uri: Uri = case.url.parse().expect("an address");
    let host = HeaderValue::from_str(uri.host().expect("a host")).expect("a value");
    let (payload, wall) = (Payload::of(case.body.as_bytes()), Time::from_millis(SECONDS * 1_000));
    signer.sign_for(case.service, (&case.method, &uri), &mut headers, &host, payload, wall);
    headers
}

#[test]
fn signatures_are_those_of_the_published_examples_and_of_the_official_client() {
    let get = Case { method: Method::GET, headers: &[], body: "", token: None, ..POST };
    let cases = [
        Case {
            service: "service",
            url: "https://example.amazonaws.com/",
            signed: "host;x-amz-date",
            signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ..get
        },
        Case {
            service: "iam",
            method: Method::GET,
            url: "https://iam.amazonaws.com/?Version=2010-05-08&Action=ListUsers",
            headers: &[("content-type", "application/x-www-form-urlencoded;  charset=utf-8")],
            body: "",
            token: None,
            signed: "content-type;host;x-amz-date",
            signature: "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        },
        Case {
            url: "https://bedrock-runtime.us-east-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fa.b-v1%3A0/invoke?x=b&a=%20c",
            headers: &[("content-type", "application/json")],
            token: None,
            signed: "content-type;host;x-amz-date",
            signature: "d842228289b45af87e718e486c5116282430aaafc84dae7ff674e5b23aa44842",
            ..POST
        },
        POST,
    ];
    for case in cases {
        let made = sign(&case, headers(case.headers));
        let expected = format!(
            "AWS4-HMAC-SHA256 Credential={ID}/20150830/us-east-1/{}/aws4_request, SignedHeaders={}, Signature={}",
            case.service, case.signed, case.signature
        );
        assert_eq!(made["authorization"], expected);
        assert_eq!(made["x-amz-date"], "20150830T123600Z");
        assert!(made["authorization"].is_sensitive());
    }
}

#[test]
fn what_proxies_change_is_not_signed() {
    let mut traced = headers(POST.headers);
    traced.insert("x-amzn-trace-id", HeaderValue::from_static("Root=1-67891233-abcdef012345"));
    let made = sign(&POST, traced);
    assert_eq!(made["authorization"], sign(&POST, headers(POST.headers))["authorization"]);
    assert!(made.contains_key("x-amzn-trace-id"), "it passes all the same");
}

#[test]
fn a_callers_own_signature_is_dropped() {
    let own = [
        ("authorization", "AWS4-HMAC-SHA256 Credential=AKIDMINE/x"),
        ("x-amz-date", "20200101T000000Z"),
        ("x-amz-security-token", "mine"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    ];
    let with_own = POST.headers.iter().chain(&own).copied().collect::<Vec<_>>();
    assert_eq!(sign(&POST, headers(&with_own)), sign(&POST, headers(POST.headers)));
}

#[test]
fn a_key_stands_where_clients_of_its_dialect_have_it() {
    for (dialect, name, value) in [
        (Dialect::Openai, "authorization", "Bearer k"),
        (Dialect::Http, "authorization", "Bearer k"),
        (Dialect::Bedrock, "authorization", "Bearer k"),
        (Dialect::Deepgram, "authorization", "Token k"),
        (Dialect::Azure, "api-key", "k"),
        (Dialect::Anthropic, "x-api-key", "k"),
        (Dialect::Gemini, "x-goog-api-key", "k"),
    ] {
        let mut sent = headers(&[
            ("authorization", "Bearer mine"),
            ("x-api-key", "mine"),
            ("api-key", "mine"),
            ("x-goog-api-key", "mine"),
        ]);
        Key::of(dialect, b"k").expect("a key").put(&mut sent, false);
        assert_eq!(sent.len(), 1, "{dialect:?}: {sent:?}");
        assert_eq!(sent[name], value);
        assert!(sent[name].is_sensitive(), "nothing shows it");
    }
    let mut newer = HeaderMap::new();
    Key::of(Dialect::Anthropic, b"k").expect("a key").put(&mut newer, true);
    assert_eq!(newer["authorization"], "Bearer k");
    assert!(Key::of(Dialect::Gemini, b"a\nb").is_err());
}
