//! The sandbox called in memory, on a clock that stands and in tokio's paused time.

mod audio;
mod bad_input;
mod dialects;
mod faults;
mod limits;
mod plain;
mod socket;
mod strain;
mod stream;

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tokio::time::Instant;
use tollgate::Clock;
use tollgate_core::Time;

use super::{Sandbox, SandboxSettings, body::Cut};

/// An answer, with its body as far as it came.
struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    /// The frames, each with the time that it came after the request.
    frames: Vec<(Duration, Bytes)>,
    /// Whether the connection broke.
    cut: bool,
}

fn sandbox(settings: SandboxSettings) -> Sandbox {
    seeded(settings, 0)
}

fn seeded(settings: SandboxSettings, seed: u64) -> Sandbox {
    Sandbox::new(settings, seed, Clock::set_at(Time::from_millis(1_700_000_000_000)))
}

fn chat(extra: &[(&str, Value)]) -> Value {
    let mut body = json!({
        "model": "sandbox-small",
        "messages": [{"role": "user", "content": "Hello there, what is up?"}],
    });
    for (name, value) in extra {
        body[name] = value.clone();
    }
    body
}

fn post(path: &str, headers: &[(&str, &str)], body: String) -> Request<Full<Bytes>> {
    let mut request = Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body.into())).unwrap()
}

async fn ask(sandbox: &Sandbox, request: Request<Full<Bytes>>) -> Answered {
    let began = now().await;
    let (head, mut body) = sandbox.handle(request).await.into_parts();
    let mut answered =
        Answered { status: head.status, headers: head.headers, frames: Vec::new(), cut: false };
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                let data = frame.into_data().unwrap();
                answered.frames.push((now().await - began, data));
            }
            Err(Cut) => {
                answered.cut = true;
                break;
            }
        }
    }
    answered
}

async fn chat_with(sandbox: &Sandbox, headers: &[(&str, &str)], body: Value) -> Answered {
    ask(sandbox, post("/v1/chat/completions", headers, body.to_string())).await
}

/// The present in tokio's time, paused or not.
async fn now() -> Instant {
    tokio::time::interval(Duration::from_secs(1)).tick().await
}

impl Answered {
    /// All that a stream says, whatever its framing; chunks in base64 are decoded.
    fn said(&self) -> String {
        let bytes: Vec<u8> = self.frames.iter().flat_map(|(_, data)| data.to_vec()).collect();
        let mut said = String::from_utf8_lossy(&bytes).into_owned();
        let chunks: Vec<String> = said
            .split("{\"bytes\":\"")
            .skip(1)
            .filter_map(|rest| STANDARD.decode(rest.split('"').next()?).ok())
            .filter_map(|chunk| String::from_utf8(chunk).ok())
            .collect();
        if !chunks.is_empty() {
            let errors = said.split("exception").skip(1).collect::<String>();
            said = chunks.concat() + &errors;
        }
        said
    }

    fn text(&self) -> String {
        let bytes: Vec<u8> = self.frames.iter().flat_map(|(_, data)| data.to_vec()).collect();
        String::from_utf8(bytes).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text()).unwrap()
    }

    /// The data of the events, the terminator's too.
    fn events(&self) -> Vec<String> {
        let text = self.text();
        let events = text.split_terminator("\n\n");
        events.map(|event| event.strip_prefix("data: ").unwrap().to_owned()).collect()
    }

    fn chunks(&self) -> Vec<Value> {
        let events = self.events();
        let chunks = events.iter().filter(|event| *event != "[DONE]");
        chunks.map(|event| serde_json::from_str(event).unwrap()).collect()
    }
}
