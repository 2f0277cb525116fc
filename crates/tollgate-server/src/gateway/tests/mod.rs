//! The gateway on real sockets: a client, a running server and a provider that does as it
//! is told.

mod admission;
mod alerts;
mod application;
mod assistant;
mod assistant_cache;
mod budgets;
mod bursts;
mod cached;
mod dialects;
mod dials;
mod emergency;
mod endings;
mod endpoint;
mod fallback;
mod fallback_cache;
mod fee_rows;
mod fee_tools;
mod fees;
mod headers;
mod holds;
mod identity;
mod input;
mod known_failures;
mod lines;
mod live;
mod managed;
mod metering;
mod named;
mod open;
mod pipeline;
mod provider;
mod reload;
mod running;
mod tasks;
mod translated;
mod weighted;
mod workshop;

pub(crate) use provider::read_request;
use provider::{Provider, Step};
use running::{Running, post};

/// A chat that may make at most 100 tokens.
const CHAT: &str = r#"{"model":"m","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}"#;

/// The same, as a stream.
const STREAM: &str =
    r#"{"model":"m","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

/// The most that [`CHAT`] and [`STREAM`] are taken to send.
const CHAT_INPUT_BOUND: u64 = 18;

/// A plain answer that used 7 and 5 tokens.
const COMPLETION: &str = r#"{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}}"#;
