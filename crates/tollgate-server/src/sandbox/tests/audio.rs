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

#[tokio::test]
async fn deepgram_tells_the_duration_and_refuses_in_its_own_words() {
    let sandbox = sandbox(SandboxSettings::default());
    let listen = |query: &str, headers: &[(&str, &str)], body: Vec<u8>| {
        let mut request = Request::post(format!("/v1/listen?{query}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Full::new(Bytes::from(body))).unwrap()
    };
    let answer = ask(&sandbox, listen("model=nova-3&language=en", &[], wav())).await.json();
    assert_eq!(answer["metadata"]["duration"], 1.5);
    assert_eq!(answer["metadata"]["channels"], 1);
    let model = answer["metadata"]["models"][0].as_str().unwrap();
    assert_eq!(answer["metadata"]["model_info"][model]["name"], "nova-3");
    let transcript = answer.pointer("/results/channels/0/alternatives/0/transcript").unwrap();
    assert!(transcript.as_str().unwrap().starts_with("the sun"));
    let both = "model=nova-3&multichannel=true&channels=3";
    let both = ask(&sandbox, listen(both, &[], wav())).await.json();
    assert_eq!(both["metadata"]["channels"], 3);
    let link = br#"{"url": "https://audio.example/a.wav"}"#.to_vec();
    let linked = ask(&sandbox, listen("model=nova-3", &[], link)).await.json();
    assert_eq!(linked["metadata"]["duration"], 60.0);
    let fault = [("x-sandbox-fault", "rate-limit")];
    let refused = ask(&sandbox, listen("model=nova-3", &fault, wav())).await;
    assert_eq!(refused.status.as_u16(), 429);
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(refused.json()["err_code"], "TOO_MANY_REQUESTS");
    for (query, body) in [("model=", wav()), ("model=nova-3", Vec::new())] {
        assert_eq!(ask(&sandbox, listen(query, &[], body)).await.status.as_u16(), 400, "{query}");
    }
}
