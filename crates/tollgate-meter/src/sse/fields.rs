//! The lines of one block, read as fields.

use bytes::{Bytes, BytesMut};

use super::Event;

/// The event that a block makes, if it has data.
pub(super) fn event(block: &Bytes) -> Option<Event> {
    let mut name = Bytes::new();
    let mut data = Data::Nothing;
    for line in lines(block) {
        let (field, value) = match memchr::memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &line[line.len()..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => data = data.and(block.slice_ref(value)),
            b"event" => name = block.slice_ref(value),
            _ => {}
        }
    }
    data.joined().map(|data| Event { name, data, is_error: false })
}

/// The values of the data fields so far; one alone is never copied.
enum Data {
    Nothing,
    One(Bytes),
    Many(BytesMut),
}

impl Data {
    fn and(self, value: Bytes) -> Self {
        match self {
            Self::Nothing => Self::One(value),
            Self::One(first) => Self::Many(BytesMut::from(&first[..])).and(value),
            Self::Many(mut all) => {
                all.extend_from_slice(b"\n");
                all.extend_from_slice(&value);
                Self::Many(all)
            }
        }
    }

    fn joined(self) -> Option<Bytes> {
        match self {
            Self::Nothing => None,
            Self::One(value) => Some(value),
            Self::Many(all) => Some(all.freeze()),
        }
    }
}

fn lines(mut block: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if block.is_empty() {
            return None;
        }
        let end = memchr::memchr2(b'\n', b'\r', block).unwrap_or(block.len());
        let (line, rest) = block.split_at(end);
        let ending = if rest.starts_with(b"\r\n") { 2 } else { rest.len().min(1) };
        block = &rest[ending..];
        Some(line)
    })
}
