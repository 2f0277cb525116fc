//! OpenAI's chat completions, read and written.

mod answer;
mod compose;
mod messages;
mod request;
mod stream_reader;
mod stream_writer;

pub(super) use answer::{read as read_answer, write as write_answer};
pub(super) use compose::write as write_request;
pub(super) use request::read as read_request;
pub(super) use stream_reader::Reader;
pub(super) use stream_writer::Writer;

use super::answer::Stop;

/// What a `finish_reason` means. Providers say `stop` of calls that they were told to make.
fn stop(reason: &str, calls: bool, refused: bool) -> Stop {
    match reason {
        "length" => Stop::Length,
        "content_filter" => Stop::Refused,
        _ if refused => Stop::Refused,
        "tool_calls" => Stop::Calls,
        _ if calls => Stop::Calls,
        _ => Stop::Ended,
    }
}

const fn finish_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::Ended => "stop",
        Stop::Length => "length",
        Stop::Calls => "tool_calls",
        Stop::Refused => "content_filter",
    }
}

/// What OpenAI calls the answer that others know by this name.
fn id(stamp: &str) -> String {
    format!("chatcmpl-{stamp}")
}
