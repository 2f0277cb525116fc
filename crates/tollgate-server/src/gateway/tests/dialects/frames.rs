//! AWS's binary messages, written and read.

/// A message of an event.
pub(super) fn event(kind: &str, payload: &str) -> Vec<u8> {
    let headers =
        [(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")];
    let mut written = Vec::new();
    for (name, value) in headers {
        written.push(name.len() as u8);
        written.extend(name.as_bytes());
        written.push(7);
        written.extend((value.len() as u16).to_be_bytes());
        written.extend(value.as_bytes());
    }
    let length = 16 + written.len() + payload.len();
    let mut frame = [(length as u32).to_be_bytes(), (written.len() as u32).to_be_bytes()].concat();
    frame.extend(crc32(&frame).to_be_bytes());
    frame.extend(written);
    frame.extend(payload.as_bytes());
    frame.extend(crc32(&frame).to_be_bytes());
    frame
}

/// The messages of a stream: their headers, as they are written, and their payloads.
pub(super) fn messages(mut stream: &[u8]) -> Vec<(String, String)> {
    let mut messages = Vec::new();
    while let Some((prelude, _)) = stream.split_first_chunk::<12>() {
        let number = |at: usize| {
            u32::from_be_bytes(prelude[at..at + 4].try_into().expect("four bytes")) as usize
        };
        let (length, headers) = (number(0), number(4));
        let (frame, rest) = stream.split_at(length);
        let (checked, crc) = frame.split_at(length - 4);
        assert_eq!(crc, crc32(checked).to_be_bytes(), "a whole message");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        messages.push((text(&checked[12..12 + headers]), text(&checked[12 + headers..])));
        stream = rest;
    }
    assert!(stream.is_empty(), "nothing is left over");
    messages
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}
