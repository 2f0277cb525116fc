//! Anthropic's messages, read and written.

mod answer;
mod blocks;
mod compose;
mod ids;
mod request;
mod stream_reader;
mod stream_writer;

pub(super) use answer::{read as read_answer, write as write_answer};
pub(super) use compose::write as write_request;
pub(super) use request::read as read_request;
pub(super) use stream_reader::Reader;
pub(super) use stream_writer::Writer;

use super::answer::Stop;

/// What a `stop_reason` means. A turn that pauses has no more room either.
fn stop(reason: &str) -> Stop {
    match reason {
        "max_tokens" | "model_context_window_exceeded" | "pause_turn" => Stop::Length,
        "tool_use" => Stop::Calls,
        "refusal" => Stop::Refused,
        _ => Stop::Ended,
    }
}

const fn stop_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::Ended => "end_turn",
        Stop::Length => "max_tokens",
        Stop::Calls => "tool_use",
        Stop::Refused => "refusal",
    }
}

/// What Anthropic calls the answer that others know by this name.
fn id(stamp: &str) -> String {
    format!("msg_{stamp}")
}
