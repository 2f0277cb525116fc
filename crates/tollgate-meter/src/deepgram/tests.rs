use bytes::Bytes;
use proptest::prelude::*;

use super::{Request, Target, refusal, scan};
use crate::{
    AnyRequest, Audio, Basis, Counts, Ending, Price, ScanError,
    refusal::{Reason, Refusal},
    testing::{every_plain_split, run_plain},
};

const ANSWER: &str = r#"{"metadata":{"transaction_key":"deprecated","request_id":"r","sha256":"s","created":"2026-11-25T12:00:00.000Z",
  "duration":25.93,"channels":2,"models":["m"],"model_info":{"m":{"name":"general-nova-3","version":"1","arch":"nova-3"}}},
  "results":{"channels":[{"alternatives":[{"transcript":"\"metadata\": {}","confidence":0.99,"words":[]}]}]}}"#;

fn target(query: &str) -> Result<Target, ScanError> {
    Ok(Target::of("/deepgram/v1/listen", Some(query))?.expect("a path that is metered"))
}

fn request(query: &str, body: &[u8]) -> Request {
    scan(&target(query).expect("a target"), None, body).expect("a request")
}

#[test]
fn the_query_tells_what_is_asked_for() {
    let one = target("model=nova-3&multichannel=true&language=en").expect("a target");
    assert_eq!((one.model.as_str(), one.by_channel), ("nova-3", true));
    assert_eq!(target("model=nova%2D3").expect("a target").model, "nova-3");
    assert_eq!(Target::of("/v1/speak", Some("model=a")), Ok(None));
    for (query, sentence) in [
        ("", "The query names no model; add `model=` and its name."),
        ("model=", "The query names no model; add `model=` and its name."),
        (
            "model=a&model=b",
            "The query has `model` more than once or in another spelling; send it exactly once.",
        ),
        (
            "model=a&Mod%65l=b",
            "The query has `model` more than once or in another spelling; send it exactly once.",
        ),
        (
            "model=a&callback=https%3A%2F%2Fa",
            "What `callback` asks for cannot be metered; leave it out.",
        ),
    ] {
        assert_eq!(target(query).expect_err(query).to_string(), sentence);
    }
    let long = target(&format!("model={}", "x".repeat(300))).expect("a target");
    assert_eq!(scan(&long, None, b""), Err(ScanError::BadModel));
}

#[test]
fn the_audio_is_as_long_as_its_bytes_say() {
    let audio = |query: &str, body: &[u8]| request(query, body).scan.audio.expect("audio");
    assert_eq!(audio("model=m", &[0; 16_000]).likely_millis, 1_000);
    let exact = |millis| Audio { likely_millis: millis, bound_millis: Some(millis) };
    let raw = "model=m&encoding=linear16&sample_rate=16000&channels=2";
    assert_eq!(audio(raw, &[0; 64_000]), exact(1_000));
    assert_eq!(audio(&format!("{raw}&multichannel=true"), &[0; 64_000]), exact(2_000));
    let link = br#"{"url":"https://example.com/a.mp3"}"#;
    assert_eq!(audio("model=m", link), Audio { likely_millis: 300_000, bound_millis: None });
    let asked = request("model=m", b"").scan;
    assert_eq!((asked.stream, asked.output_bound(), asked.input.bound), (false, Some(0), 0));
}

#[test]
fn the_caller_does_not_say_how_long_its_audio_is() {
    let audio = |query: &str, body: &[u8]| request(query, body).scan.audio.expect("audio");
    let bound = |query: &str, body: &[u8]| audio(query, body).bound_millis;
    let fast = "model=m&encoding=linear32&sample_rate=4000000000&channels=20";
    let mp3 = [&b"ID3\x04"[..], &[0; 74_996]].concat();
    assert_eq!(bound(fast, &mp3), Some(100_000), "a container says itself what is in it");
    let most = 384_000 * 4 * 20;
    assert_eq!(bound(fast, &vec![0; most]), Some(1_000), "no rate is higher");
    let brace = [&b"{"[..], &[0; 749_999]].concat();
    let either = Audio { likely_millis: 1_000_000, bound_millis: None };
    assert_eq!(audio("model=m", &brace), either, "it need not be a link");
    let json = scan(&target("model=m").expect("one"), Some("application/json"), &brace);
    assert_eq!(json.expect("a link").scan.audio, Some(Audio::unseen()));
}

#[test]
fn every_channel_counts_that_may_be_transcribed() {
    let millis = |query: &str, body: &[u8]| {
        let each = request(query, body).scan.audio.expect("audio");
        let whole = request("model=m", body).scan.audio.expect("audio");
        each.likely_millis / whole.likely_millis
    };
    let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x04\0".to_vec();
    wav.resize(16_000, 0);
    for flag in ["true", "True", "1", ""] {
        assert_eq!(millis(&format!("model=m&multichannel={flag}"), &wav), 4, "{flag}");
    }
    assert_eq!(millis("model=m&multichannel=false", &wav), 1);
    assert_eq!(millis("model=m&multichannel=true&channels=1", &wav), 4);
    assert_eq!(millis("model=m&multichannel=true&channels=6", &wav), 6);
    let ogg = [&b"OggS"[..], &[0; 15_996]].concat();
    assert_eq!(millis("model=m&multichannel=true&channels=1", &ogg), 2, "nobody knows");
    assert_eq!(millis("model=m&multichannel=true&channels=1", &[0; 16_000]), 1);
}

#[test]
fn an_answer_is_metered_in_milliseconds() {
    for (query, millis) in [("model=m", 25_930), ("model=m&multichannel=true", 51_860)] {
        let metered = every_plain_split(&request(query, b"audio"), ANSWER.as_bytes());
        let counts = Counts { millis, ..Counts::default() };
        assert_eq!(
            (metered.counts, metered.basis, metered.ending),
            (counts, Basis::Told, Ending::Complete)
        );
    }
    let counts = Counts { millis: 25_930, ..Counts::default() };
    // $0.00007167 for a second of nova-3.
    let price = Price { seconds: Some(71_670_000_000), ..Price::default() };
    assert_eq!(counts.usage(Some(&price)).cost.0, 1_858_404, "to the nano-dollar, rounded up");
}

#[test]
fn an_answer_that_says_nothing_is_estimated_by_what_was_sent() {
    let sent = request("model=m", &[0; 16_000]);
    for (answer, basis) in [
        (r#"{"request_id":"r"}"#, Basis::Missing),
        (r#"{"metadata":{}}"#, Basis::Missing),
        (r#"{"metadata":{"duration":-1}}"#, Basis::Implausible),
        (r#"{"metadata":{"duration":"9"}}"#, Basis::Implausible),
        (r#"{"metadata":{"duration":1e99}}"#, Basis::Implausible),
        (r#"{"metadata":7}"#, Basis::Implausible),
    ] {
        let metered = every_plain_split(&sent, answer.as_bytes());
        assert_eq!((metered.counts.millis, metered.basis), (1_000, basis), "{answer}");
        assert_eq!(metered.counts.output_tokens, 0);
    }
}

#[test]
fn refusals_have_the_code_and_the_status_that_clients_know() {
    let native =
        refusal(&Refusal { request_id: Some("r"), ..Refusal::new(Reason::Requests, "No.") });
    assert_eq!(native.status, 429);
    assert_eq!(native.body, r#"{"err_code":"TOO_MANY_REQUESTS","err_msg":"No.","request_id":"r"}"#);
    assert_eq!(refusal(&Refusal::new(Reason::Spent, "No.")).status, 402);
}

proptest! {
    #[test]
    fn nothing_that_comes_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..100), query in "[a-z_=&%0-9]{0,40}",
        answer in prop_oneof![Just(ANSWER.as_bytes().to_vec()), prop::collection::vec(any::<u8>(), 0..80)],
        chunk_bytes in 1_usize..20,
    ) {
        let query = format!("model=m&{query}");
        if let Ok(target) = target(&query) {
            let request = scan(&target, None, &bytes).expect("a request");
            let whole = run_plain(request.plain_meter(), &answer, answer.len());
            prop_assert_eq!(run_plain(request.plain_meter(), &answer, chunk_bytes), whole);
            prop_assert_eq!(request.clamped_body(&Bytes::from(bytes.clone()), 5), bytes);
        }
    }
}
