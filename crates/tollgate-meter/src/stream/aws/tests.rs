use proptest::prelude::*;

use super::{message::message, *};
use crate::sse::Event;

fn read(bytes: &[u8], chunk_bytes: usize) -> (Vec<u8>, Vec<Event>) {
    let mut reader = Reader::default();
    let (mut raw, mut events) = (Vec::new(), Vec::new());
    let mut keep = |block: Block| {
        raw.extend_from_slice(&block.raw);
        events.extend(block.event);
    };
    for chunk in bytes.chunks(chunk_bytes.max(1)) {
        let mut chunk = Bytes::copy_from_slice(chunk);
        while let Some(block) = reader.next(&mut chunk) {
            keep(block);
        }
        assert!(chunk.is_empty());
    }
    reader.finish().into_iter().for_each(keep);
    (raw, events)
}

fn event(name: &'static str, data: &'static str, is_error: bool) -> Event {
    Event { name: name.into(), data: data.into(), is_error }
}

fn chunk(payload: &str) -> Bytes {
    let headers = [(":message-type", "event"), (":event-type", "chunk")];
    message(&headers, payload.as_bytes())
}

#[test]
fn messages_are_told_at_every_split() {
    let stream = [chunk("{}"), exception("throttlingException", b"{\"a\":1}"), chunk("")].concat();
    let events = [
        event("chunk", "{}", false),
        event("throttlingException", "{\"a\":1}", true),
        event("chunk", "", false),
    ];
    for chunk_bytes in 1..=stream.len() {
        assert_eq!(read(&stream, chunk_bytes), (stream.clone(), events.to_vec()));
    }
}

#[test]
fn a_frame_is_what_aws_says_it_is() {
    // The empty message and the one with a payload of AWS's published test vectors.
    let empty = b"\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2\x48\xeb\x7d\x98\xc8\xff";
    assert_eq!(message(&[], b""), &empty[..]);
    let payload = b"\x00\x00\x00\x1d\x00\x00\x00\x00\xfd\x52\x8c\x5a{'foo':'bar'}\xc3\x65\x39\x36";
    assert_eq!(message(&[], b"{'foo':'bar'}"), &payload[..]);
    assert_eq!(read(payload, 5).1, [event("", "{'foo':'bar'}", false)]);
}

#[test]
fn headers_of_every_type_are_passed_over() {
    let values: [(u8, &[u8]); 10] = [
        (0, b""),
        (1, b""),
        (2, b"1"),
        (3, b"12"),
        (4, b"1234"),
        (5, b"12345678"),
        (6, b"\x00\x021a"),
        (7, b"\x00\x01x"),
        (8, b"12345678"),
        (9, b"1234567812345678"),
    ];
    let mut headers = Vec::new();
    for (kind, value) in values {
        headers.extend_from_slice(&[1, b'n', kind]);
        headers.extend_from_slice(value);
    }
    headers.extend_from_slice(b"\x0b:event-type\x07\x00\x01e");
    assert_eq!(super::message::event(&headers, Bytes::new()), Some(event("e", "", false)));
    for wrong in [&b"\x05ab"[..], b"\x01n\x0a", b"\x01n\x07\x00\x09a", b"\x01n"] {
        assert_eq!(super::message::event(wrong, Bytes::new()), None);
    }
}

#[test]
fn after_what_is_no_frame_everything_passes_at_once() {
    for at in 0..chunk("{}").len() {
        let mut broken = chunk("{}").to_vec();
        broken[at] ^= 1;
        let stream = [broken, chunk("{}").to_vec()].concat();
        for chunk_bytes in [1, 7, stream.len()] {
            assert_eq!(read(&stream, chunk_bytes), (stream.clone(), vec![]), "byte {at}");
        }
    }
    let mut reader = Reader::default();
    let mut text = Bytes::from_static(b"data: no frame at all");
    assert_eq!(reader.next(&mut text).expect("a block").raw, "data: no frame at all");
    let mut more = Bytes::from_static(b"x");
    assert_eq!(reader.next(&mut more).expect("a block").raw, "x");
}

#[test]
fn a_frame_longer_than_clients_take_is_none() {
    let mut prelude = BytesMut::new();
    for length in [u32::MAX, (MAX_PAYLOAD_BYTES + 17) as u32, 15] {
        prelude.clear();
        prelude.extend_from_slice(&length.to_be_bytes());
        prelude.extend_from_slice(&[0; 4]);
        let crc = crc32fast::hash(&prelude);
        prelude.extend_from_slice(&crc.to_be_bytes());
        assert_eq!(frame_bytes(&prelude), None);
    }
}

proptest! {
    #[test]
    fn splits_do_not_matter(
        payloads in prop::collection::vec("[ -~]{0,20}", 0..4),
        noise in prop::collection::vec(any::<u8>(), 0..40),
        chunk_bytes in 1_usize..30,
    ) {
        let mut stream: Vec<u8> = payloads.iter().flat_map(|payload| chunk(payload)).collect();
        stream.extend_from_slice(&noise);
        let whole = read(&stream, stream.len());
        prop_assert_eq!(&whole.0, &stream);
        prop_assert_eq!(read(&stream, chunk_bytes), whole);
    }
}
