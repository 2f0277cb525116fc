//! Messages of AWS's event stream: lengths, headers, payload, and a check of each.

use bytes::{BufMut as _, Bytes, BytesMut};
use serde_json::Value;

use super::message;
use crate::sandbox::failure::Failure;

/// The type of such a stream.
pub(super) const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// The type of a header whose value is text.
const TEXT: u8 = 7;

/// Two lengths and the check of both.
const PRELUDE_BYTES: usize = 12;
const CHECK_BYTES: usize = 4;

const JSON: &str = "application/json";

/// An event of that name.
pub(super) fn event(name: &str, payload: &Value) -> Bytes {
    frame(":event-type", name, "event", payload.to_string().as_bytes())
}

/// The error that ends a stream.
pub(super) fn exception() -> Bytes {
    let (name, failure) = ("internalServerException", Failure::broken());
    frame(":exception-type", name, "exception", message(&failure).as_bytes())
}

fn frame(named_by: &str, name: &str, kind: &str, payload: &[u8]) -> Bytes {
    let pairs = [(named_by, name), (":content-type", JSON), (":message-type", kind)];
    let mut headers = BytesMut::new();
    // Names and values are the sandbox's own, and short.
    for (name, value) in pairs {
        headers.put_u8(name.len() as u8);
        headers.put_slice(name.as_bytes());
        headers.put_u8(TEXT);
        headers.put_u16(value.len() as u16);
        headers.put_slice(value.as_bytes());
    }
    let length = PRELUDE_BYTES + headers.len() + payload.len() + CHECK_BYTES;
    let mut frame = BytesMut::with_capacity(length);
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    frame.put_u32(headers.len() as u32);
    frame.put_u32(crc32fast::hash(&frame));
    frame.put_slice(&headers);
    frame.put_slice(payload);
    frame.put_u32(crc32fast::hash(&frame));
    frame.freeze()
}
