//! Audio is as long as its file says.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use super::{super::SandboxSettings, ask, post, sandbox};

/// A second and a half of silence: 8,000 samples a second of one byte.
fn wav() -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    file.extend_from_slice(&8_000_u32.to_le_bytes());
    file.extend_from_slice(&8_000_u32.to_le_bytes());
    file.resize(12_000, 0);
    file
}

fn form(fields: &[(&str, &str)], file: &[u8]) -> Request<Full<Bytes>> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let head = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend_from_slice(format!("{head}{value}\r\n").as_bytes());
    }
    let head = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n";
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--b--\r\n");
    Request::post("/v1/audio/transcriptions")
        .header("content-type", "multipart/form-data; boundary=b")
        .header("x-sandbox-output-tokens", "2")
        .body(Full::new(body.into()))
        .unwrap()
}

#[tokio::test]
async fn transcriptions_tell_seconds_or_tokens() {
    let sandbox = sandbox(SandboxSettings::default());
    let whisper = ask(&sandbox, form(&[("model", "whisper-1")], &wav())).await.json();
    assert_eq!(whisper["text"], " the sun");
    assert_eq!(whisper["usage"], json!({"type": "duration", "seconds": 1.5}));
    let newer = ask(&sandbox, form(&[("model", "gpt-4o-transcribe")], &wav())).await.json();
    assert_eq!(newer["usage"]["type"], "tokens");
    assert_eq!([&newer["usage"]["input_tokens"], &newer["usage"]["output_tokens"]], [15, 2]);
    let mp3 = ask(&sandbox, form(&[("model", "whisper-1")], &[0; 16_000])).await.json();
    assert_eq!(mp3["usage"]["seconds"], 1.0, "128 kilobits a second");
    let verbose = [("model", "whisper-1"), ("response_format", "verbose_json")];
    let verbose = ask(&sandbox, form(&verbose, &wav())).await.json();
    assert_eq!(verbose["duration"], 1.5);
}

#[tokio::test]
async fn transcriptions_are_streamed() {
    let sandbox = sandbox(SandboxSettings::default());
    let fields = [("model", "gpt-4o-transcribe"), ("stream", "true")];
    let answered = ask(&sandbox, form(&fields, &wav())).await;
    let events: Vec<Value> = answered.chunks();
    let kinds: Vec<&Value> = events.iter().map(|event| &event["type"]).collect();
    let delta = "transcript.text.delta";
    assert_eq!(kinds, [delta, delta, "transcript.text.done"]);
    assert_eq!(events[2]["usage"]["total_tokens"], 17);
}

#[tokio::test]
async fn a_form_that_lacks_something_is_refused() {
    let sandbox = sandbox(SandboxSettings::default());
    for (request, says) in [
        (post("/v1/audio/transcriptions", &[], String::new()), "boundary"),
        (form(&[], &wav()), "provide a model"),
        (form(&[("model", "m"), ("response_format", "srt")], &wav()), "response_format"),
    ] {
        let answered = ask(&sandbox, request).await;
        assert_eq!(answered.status.as_u16(), 400, "{says}");
        assert!(answered.text().contains(says), "{says}: {}", answered.text());
    }
}
