use bytes::Bytes;
use proptest::prelude::*;

use super::{Request, is_path, scan, scan_of};
use crate::{
    AnyRequest, Basis, Counts, Ending, ScanError,
    testing::{every_plain_split, every_split, run_plain, split_alike},
};

const TYPE: &str = "multipart/form-data; boundary=XyZ";

const STREAM: &str = "data: {\"type\":\"transcript.text.delta\",\"delta\":\"Hello \"}\n\ndata: {\"type\":\"transcript.text.delta\",\"delta\":\"w\u{f6}rld\"}\n\ndata: {\"type\":\"transcript.text.done\",\"text\":\"Hello w\u{f6}rld\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":14,\"input_token_details\":{\"text_tokens\":4,\"audio_tokens\":10},\"output_tokens\":5,\"total_tokens\":19}}\n\n";

fn tokens() -> Counts {
    Counts { input_audio_tokens: 10, ..Counts::tokens(14, 5) }
}

/// A form of these fields and a file of so many bytes.
fn form(fields: &[(&str, &str)], file_bytes: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend_from_slice(
            format!("--XyZ\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                .as_bytes(),
        );
    }
    body.extend_from_slice(b"--XyZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n");
    body.resize(body.len() + file_bytes, b'-');
    body.extend_from_slice(b"\r\n--XyZ--\r\n");
    body
}

fn request(model: &str) -> Request {
    scan(TYPE, &form(&[("model", model)], 16_000)).expect("a request")
}

#[test]
fn a_form_tells_what_it_asks_for() {
    let whisper = request("whisper-1").scan;
    assert_eq!((whisper.model.as_str(), whisper.output_bound()), ("whisper-1", Some(0)));
    assert_eq!(whisper.audio.expect("audio").likely_millis, 1_000);
    assert_eq!(whisper.input.bound, 0, "no tokens are charged");
    let body = form(
        &[
            ("model", "gpt-4o-transcribe"),
            ("stream", "true"),
            ("prompt", "abc"),
            ("temperature", "0"),
        ],
        16_000,
    );
    let scan = scan(TYPE, &body).expect("a request").scan;
    assert_eq!((scan.stream, scan.output_bound()), (true, None));
    assert_eq!(scan.input.likely, 10 + 1);
    assert!(is_path("/openai/v1/audio/transcriptions") && is_path("/v1/audio/translations/"));
    assert!(!is_path("/v1/audio/speech"));
}

#[test]
fn a_path_may_name_the_model_and_the_form_need_not() {
    for fields in [&[][..], &[("model", "another")]] {
        let request = scan_of("whisper-1", TYPE, &form(fields, 16_000)).expect("a request");
        assert_eq!((request.scan.model.as_str(), request.scan.choices), ("whisper-1", 0));
        assert!(!request.is_clampable(), "a form has no maximum");
    }
}

#[test]
fn what_is_wrong_is_said_in_one_sentence() {
    let file = |fields: &[(&str, &str)]| form(fields, 3);
    for (kind, body, sentence) in [
        (TYPE, file(&[]), "The request body names no model; set `model` to a non-empty string."),
        (
            TYPE,
            file(&[("model", "")]),
            "The request body names no model; set `model` to a non-empty string.",
        ),
        (
            TYPE,
            file(&[("model", "a"), ("model", "b")]),
            "The request body has the member `model` more than once or in another spelling; send it exactly once.",
        ),
        (
            TYPE,
            file(&[("model", "a"), ("Model", "b")]),
            "The request body has the member `model` more than once or in another spelling; send it exactly once.",
        ),
        (TYPE, file(&[("model", "a"), ("stream", "secret")]), "`stream` must be true or false."),
        (
            TYPE,
            b"--XyZ\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--XyZ--".to_vec(),
            "The request body lacks `file`.",
        ),
        (
            TYPE,
            b"{}".to_vec(),
            "The request body is not a form that can be read: it does not begin with its boundary.",
        ),
        (
            TYPE,
            b"--XyZ\r\nsecret".to_vec(),
            "The request body is not a form that can be read: its last part has no end.",
        ),
        (
            TYPE,
            b"--XyZsecret".to_vec(),
            "The request body is not a form that can be read: a boundary ends no line.",
        ),
        (
            TYPE,
            b"--XyZ\r\nsecret\r\n--XyZ--".to_vec(),
            "The request body is not a form that can be read: a part has no head.",
        ),
        (
            "application/json",
            b"{}".to_vec(),
            "The request body is not a form that can be read: its type names no boundary.",
        ),
    ] {
        assert_eq!(scan(kind, &body).expect_err(sentence).to_string(), sentence);
    }
    let many = form(&[("a", ""); 70], 1);
    assert!(matches!(scan(TYPE, &many), Err(ScanError::NoForm(_))), "parts have a maximum");
}

#[test]
fn an_answer_tells_seconds_or_tokens() {
    let whisper = r#"{"text":"hi \"usage\"","usage":{"type":"duration","seconds":27}}"#;
    let metered = every_plain_split(&request("whisper-1"), whisper.as_bytes());
    let counts = Counts { millis: 27_000, ..Counts::default() };
    assert_eq!(
        (metered.counts, metered.basis, metered.ending),
        (counts, Basis::Told, Ending::Complete)
    );
    let answer = r#"{"text":"hi","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":4,"audio_tokens":10},"output_tokens":5,"total_tokens":19}}"#;
    let metered = every_plain_split(&request("gpt-4o-transcribe"), answer.as_bytes());
    assert_eq!((metered.counts, metered.basis), (tokens(), Basis::Told));
    let bare = every_plain_split(&request("whisper-1"), b"hi");
    assert_eq!((bare.counts.millis, bare.basis), (1_000, Basis::Missing));
    let wrong = r#"{"usage":{"type":"duration","seconds":-27}}"#;
    assert_eq!(
        every_plain_split(&request("whisper-1"), wrong.as_bytes()).basis,
        Basis::Implausible
    );
}

#[test]
fn a_whole_answer_in_plain_text_is_charged_more_than_is_likely_and_less_than_could_be() {
    let ends = |model, format, is_whole| {
        let body = form(&[("model", model), ("response_format", format)], 16_000);
        let mut meter = scan(TYPE, &body).expect("a request").plain_meter();
        meter.push(b"hello {\"usage\":");
        if is_whole {
            meter.finish();
        }
        let metered = meter.metered();
        assert_eq!(metered.basis, Basis::Missing);
        (metered.ending, metered.counts.millis)
    };
    for format in ["text", "srt", "vtt"] {
        // 1 s at 128 kbit/s, 21 s at 6 kbit/s.
        assert_eq!(ends("whisper-1", format, true), (Ending::Complete, 4_618));
        assert_eq!(ends("whisper-1", format, false), (Ending::Cut, 1_000));
        assert_eq!(ends("gpt-4o-transcribe", format, true), (Ending::Cut, 1_000));
    }
    assert_eq!(ends("whisper-1", "json", true), (Ending::Cut, 1_000));
    let twice =
        form(&[("response_format", "json"), ("response_format", "text"), ("model", "m")], 3);
    assert_eq!(scan(TYPE, &twice), Err(ScanError::Ambiguous("response_format")));
}

#[test]
fn a_stream_is_metered() {
    let request = request("gpt-4o-transcribe");
    let metered = every_split(&request, STREAM.as_bytes());
    assert_eq!(
        (metered.counts, metered.basis, metered.ending),
        (tokens(), Basis::Told, Ending::Complete)
    );
    assert_eq!(metered.text_bytes, 12);
    let cut = every_split(
        &request,
        &STREAM.as_bytes()
            [..STREAM.find("data: {\"type\":\"transcript.text.done").expect("an end")],
    );
    assert_eq!(
        (cut.counts, cut.ending),
        (Counts { millis: 1_000, ..Counts::tokens(10, 4) }, Ending::Cut)
    );
    let error = every_split(&request, b"data: {\"error\":{\"message\":\"m\"}}\n\n");
    assert_eq!(error.ending, Ending::Failed);
}

proptest! {
    #[test]
    fn splits_do_not_matter(cut in any::<prop::sample::Index>(), noise in prop::collection::vec(any::<u8>(), 0..20), chunk_bytes in 1_usize..40) {
        let mut stream = STREAM.as_bytes().to_vec();
        stream.truncate(cut.index(stream.len()));
        stream.extend_from_slice(&noise);
        prop_assert!(split_alike(&request("gpt-4o-transcribe"), &stream, chunk_bytes));
        let plain = request("gpt-4o-transcribe");
        let whole = run_plain(plain.plain_meter(), &stream, stream.len());
        prop_assert_eq!(run_plain(plain.plain_meter(), &stream, chunk_bytes), whole);
    }

    #[test]
    fn nothing_that_comes_panics(
        kind in "multipart/form-data; ?[a-z=\";\\\\]{0,12}boundary=\"?[a-zX-Z]{0,4}\"?",
        at in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut body = form(&[("model", "m"), ("stream", "true")], 5);
        let place = at.index(body.len());
        body.splice(place..place, bytes);
        let _ = scan(&kind, &body);
        if let Ok(request) = scan(TYPE, &body) {
            prop_assert_eq!(request.clamped_body(&Bytes::from(body.clone()), 5), body);
        }
    }
}
