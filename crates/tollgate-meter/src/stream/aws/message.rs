//! One message of AWS's: its headers, and what they say it is.

use bytes::{BufMut, Bytes, BytesMut};

use super::{CRC_BYTES, PRELUDE_BYTES};
use crate::sse::Event;

/// The type of a header whose value is text.
const TEXT: u8 = 7;

/// What headers say.
#[derive(Default)]
struct Said {
    is_error: bool,
    name: Bytes,
}

/// The event that a message makes; nothing where its headers cannot be read.
pub(super) fn event(headers: &[u8], data: Bytes) -> Option<Event> {
    let Said { is_error, name } = said(headers)?;
    Some(Event { name, data, is_error })
}

/// A message that reports an exception.
pub(crate) fn exception(kind: &str, payload: &[u8]) -> Bytes {
    message(
        &[
            (":message-type", "exception"),
            (":exception-type", kind),
            (":content-type", "application/json"),
        ],
        payload,
    )
}

/// A message in its frame.
pub(super) fn message(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let mut written = BytesMut::new();
    for (name, value) in headers {
        // Our own are short; what is too long is cut, so that lengths stay true.
        let (name, value) = (&name.as_bytes()[..name.len().min(255)], value.as_bytes());
        let value = &value[..value.len().min(usize::from(u16::MAX))];
        written.put_u8(name.len() as u8);
        written.put_slice(name);
        written.put_u8(TEXT);
        written.put_u16(value.len() as u16);
        written.put_slice(value);
    }
    let length = PRELUDE_BYTES + written.len() + payload.len() + CRC_BYTES;
    let mut frame = BytesMut::with_capacity(length);
    frame.put_u32(length as u32);
    frame.put_u32(written.len() as u32);
    frame.put_u32(crc32fast::hash(&frame));
    frame.put_slice(&written);
    frame.put_slice(payload);
    frame.put_u32(crc32fast::hash(&frame));
    frame.freeze()
}

fn said(mut headers: &[u8]) -> Option<Said> {
    let mut said = Said::default();
    while !headers.is_empty() {
        let (name, rest) = counted(headers, 1)?;
        let (kind, rest) = rest.split_first()?;
        let (value, rest) = match kind {
            // True and false.
            0 | 1 => (&[][..], rest),
            2 => rest.split_at_checked(1)?,
            3 => rest.split_at_checked(2)?,
            4 => rest.split_at_checked(4)?,
            // A long number, and an instant.
            5 | 8 => rest.split_at_checked(8)?,
            6 | 7 => counted(rest, 2)?,
            // A UUID.
            9 => rest.split_at_checked(16)?,
            _ => return None,
        };
        headers = rest;
        match (name, *kind) {
            (b":message-type", TEXT) => said.is_error = value != b"event",
            (b":event-type" | b":exception-type" | b":error-code", TEXT) => {
                said.name = Bytes::copy_from_slice(value);
            }
            _ => {}
        }
    }
    Some(said)
}

/// Bytes with their number before them, in so many bytes; and what follows.
fn counted(bytes: &[u8], width: usize) -> Option<(&[u8], &[u8])> {
    let (number, rest) = bytes.split_at_checked(width)?;
    let number = number.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    rest.split_at_checked(number)
}
