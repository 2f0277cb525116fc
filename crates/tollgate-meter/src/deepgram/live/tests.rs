use proptest::prelude::*;

use super::{CLOSE_STREAM, Live};
use crate::{
    Basis, Counts, Ending, Metered, Price,
    deepgram::{Target, refusal, scan_live},
    refusal::{Reason, Refusal},
};

/// 16,000 samples a second of two bytes.
const RAW: &str = "model=m&encoding=linear16&sample_rate=16000&channels=1";

fn target(query: &str) -> Target {
    Target::of("/v1/listen", Some(query)).expect("a query").expect("a path that is metered")
}

fn live(query: &str) -> Live {
    Live::new(&target(query))
}

/// A session that sent this.
fn sent(query: &str, audio: &[u8]) -> Live {
    let mut live = live(query);
    live.send(audio);
    live
}

fn metadata(duration: &str, channels: u64) -> String {
    format!(
        r#"{{"type":"Metadata","transaction_key":"deprecated","request_id":"r","sha256":"s","created":"c","duration":{duration},"channels":{channels}}}"#
    )
}

fn results(start: &str, duration: &str) -> String {
    format!(
        r#"{{"type":"Results","channel_index":[0,1],"duration":{duration},"start":{start},"is_final":true,"channel":{{"alternatives":[{{"transcript":"{{\"type\":\"Metadata\"}}","confidence":0.9,"words":[]}}]}}}}"#
    )
}

fn of(live: &Live) -> (u64, Basis, Ending) {
    let Metered { counts, basis, ending, .. } = live.metered(Ending::Cut);
    assert_eq!(counts, Counts { millis: counts.millis, ..Counts::default() });
    (counts.millis, basis, ending)
}

#[test]
fn what_the_provider_tells_at_the_end_is_what_is_charged() {
    for (query, channels, millis) in
        [(RAW, 1, 2_501), (&format!("{RAW}&multichannel=true"), 2, 5_002)]
    {
        let mut live = sent(query, &[0; 64_000]);
        live.say(r#"{"type":"KeepAlive"}"#);
        assert!(!live.is_closing());
        live.say(CLOSE_STREAM);
        assert!(live.is_closing() && !live.is_whole());
        live.hear(&metadata("2.5001", channels));
        assert!(live.is_whole());
        assert_eq!(of(&live), (millis, Basis::Told, Ending::Complete));
    }
}

#[test]
fn what_was_told_before_more_was_sent_is_not_the_whole() {
    let mut live = sent(RAW, &[0; 64_000]);
    live.hear(&metadata("2.5", 1));
    live.send(&[0; 32_000]);
    assert_eq!(of(&live), (3_000, Basis::Missing, Ending::Cut));
    live.hear(&metadata("3.1", 1));
    assert_eq!(of(&live), (3_100, Basis::Told, Ending::Complete));
    assert!(!live.is_whole(), "nobody asked for the end");
    live.send(b"");
    assert!(live.is_whole(), "an empty piece does");
}

#[test]
fn without_it_the_later_of_what_was_heard_and_sent_is_charged() {
    let mut live = sent(RAW, &[0; 64_000]);
    assert_eq!(of(&live), (2_000, Basis::Missing, Ending::Cut));
    live.hear(&results("0.5", "1.1"));
    assert_eq!(of(&live).0, 2_000);
    live.hear(&results("1.6", "1.1"));
    live.hear(&results("0.5", "1.1"));
    assert_eq!(of(&live).0, 2_700);
    live.hear(r#"{"type":"TurnInfo","audio_window_start":0,"audio_window_end":2.75}"#);
    assert_eq!(of(&live).0, 2_750);
    for lie in ["-1", "1e99", "\"9\"", "null", "99999999"] {
        live.hear(&results(lie, lie));
        live.hear(&metadata(lie, 1));
        let basis = if lie == "null" { Basis::Missing } else { Basis::Implausible };
        assert_eq!(of(&live), (2_750, basis, Ending::Cut), "{lie}");
    }
    let coded = sent("model=m", &[0; 48_000]);
    assert_eq!(of(&coded).0, 13_856, "between 3 s and 64 s");
    let mut coded = coded;
    coded.hear(&results("0", "1"));
    assert_eq!(of(&coded).0, 3_000, "as most is");
    coded.hear(&results("0", "9"));
    assert_eq!(of(&coded).0, 9_000);
}

#[test]
fn what_is_reserved_is_the_most_that_it_is_heard_as() {
    let mut raw = live(RAW);
    assert_eq!(raw.needs(&[0; 32_000]), 1_000);
    assert_eq!(raw.needs(&[0; 32_000]), 1_000, "to look changes nothing");
    raw.send(&[0; 32_000]);
    assert_eq!(raw.needs(&[0; 1]), 1_001);
    assert_eq!(live("model=m").needs(&[0; 750]), 1_000);
    assert_eq!(live("model=m&encoding=opus&sample_rate=48000").needs(&[0; 750]), 1_000);
    let by_channel = format!("{RAW}&multichannel=true");
    let six = by_channel.replace("channels=1", "channels=6");
    assert_eq!(live(&six).needs(&[0; 192_000]), 6_000);
    assert_eq!(live("model=m&multichannel=true").needs(&[0; 750]), 2_000, "nobody says");
}

#[test]
fn codes_of_speech_are_taken_for_as_long_as_they_may_be() {
    for (encoding, bytes) in [("amr-nb", 593), ("speex", 268), ("amr-wb", 750), ("opus", 750)] {
        let query = format!("model=m&encoding={encoding}&sample_rate=8000");
        assert_eq!(live(&query).needs(&vec![0; bytes]), 1_000, "{encoding}");
    }
}

#[test]
fn what_was_transcribed_is_reserved_however_few_bytes_it_was() {
    for (query, channels) in [("model=m&encoding=opus", 1), ("model=m&multichannel=true", 2)] {
        let mut silence = sent(query, &[0; 75]);
        assert_eq!(silence.needs(b""), 100 * channels);
        silence.hear(&results("30", "10"));
        assert_eq!(silence.needs(&[0; 75]), 40_000 * channels);
        assert!(of(&silence).0 <= silence.needs(b""), "as much as is charged");
    }
}

#[test]
fn a_container_is_known_in_whatever_pieces_it_comes() {
    let mut ogg = b"OggS\0\x02".to_vec();
    ogg.resize(300, 0);
    let fast = "model=m&encoding=linear32&sample_rate=384000&channels=20";
    for piece_bytes in [1, 3, 255, 256, 300] {
        let mut live = live(fast);
        for piece in ogg.chunks(piece_bytes) {
            live.needs(b"\0\0\0 what does not pass");
            live.send(piece);
        }
        assert_eq!(live.needs(&[0; 450]), 1_000, "{piece_bytes}");
    }
    let mut wav = crate::audio::tests::wav_head(1, 2, 16, 64_000);
    wav.resize(64_000, 0);
    assert_eq!(live("model=m").needs(&wav), 1_000);
    assert_eq!(live("model=m&multichannel=true").needs(&wav), 2_000);
}

#[test]
fn a_session_begins_with_a_first_slice_for_every_channel() {
    for (query, millis) in [
        ("model=m", 10_000),
        ("model=m&multichannel=true", 20_000),
        ("model=m&multichannel=true&channels=3", 30_000),
        ("model=m&channels=3", 10_000),
    ] {
        let scan = scan_live(&target(query), 10_000).expect("a request").scan;
        assert_eq!(scan.audio.and_then(|audio| audio.bound_millis), Some(millis), "{query}");
        assert_eq!((scan.output_bound(), scan.is_open()), (Some(0), false));
    }
}

#[test]
fn what_a_session_asks_for_is_priced_under_names_of_its_own() {
    for (query, names) in [
        ("model=m&language=en&diarize=false", vec!["streaming/m"]),
        ("model=m&language=m%75lti", vec!["streaming/m-multilingual"]),
        (
            "model=m&keyterm=a&keyterm=b&Diarize_model=x&redact=pci&detect_entities=true",
            vec![
                "streaming/m",
                "streaming/detect_entities",
                "streaming/diarize",
                "streaming/keyterm",
                "streaming/redact",
            ],
        ),
    ] {
        assert_eq!(target(query).live_names("m"), names, "{query}");
    }
}

#[test]
fn an_error_in_a_session_has_the_names_of_both_its_forms() {
    let told = refusal(&Refusal::new(Reason::Spent, "No."));
    assert_eq!(
        told.event.body,
        r#"{"type":"Error","variant":"ASR_PAYMENT_REQUIRED","description":"No.","code":"ASR_PAYMENT_REQUIRED","message":"No."}"#
    );
}

#[test]
fn a_session_is_charged_to_the_nano_dollar() {
    let mut live = sent(RAW, &[0; 64_000]);
    live.hear(&metadata("25.93", 1));
    let price = Price { seconds: Some(71_670_000_000), ..Price::default() };
    assert_eq!(live.metered(Ending::Cut).counts.usage(Some(&price)).cost.0, 1_858_404);
}

proptest! {
    #[test]
    fn what_was_reserved_is_no_less_than_what_is_charged_of_what_was_sent(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 0..12),
        query in prop_oneof![Just(RAW), Just("model=m"), Just("model=m&multichannel=true&channels=3")],
    ) {
        let (mut live, mut reserved) = (live(query), 0);
        for piece in &pieces {
            reserved = live.needs(piece).max(reserved);
            live.send(piece);
        }
        prop_assert!(of(&live).0 <= reserved);
    }

    #[test]
    fn no_message_panics_and_what_is_no_metadata_tells_no_whole(
        message in ".{0,60}", kind in "[A-Za-z]{0,9}", value in ".{0,9}",
    ) {
        let mut live = live(RAW);
        live.hear(&message);
        live.say(&message);
        live.hear(&format!(r#"{{"type":"{kind}","start":{value},"duration":{value},"channels":{value}}}"#));
        prop_assert!(kind == "Metadata" || of(&live).1 == Basis::Missing);
    }
}
