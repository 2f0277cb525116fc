use bytes::Bytes;
use proptest::prelude::*;

use super::{Block, Reader};

/// Reads the input in chunks that end at these places.
fn blocks(reader: &mut Reader, input: &[u8], cuts: &[usize]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut rest = Bytes::copy_from_slice(input);
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    cuts.sort_unstable();
    let mut at = 0;
    for cut in cuts.into_iter().chain([input.len()]) {
        let mut chunk = rest.split_to(cut - at);
        at = cut;
        while let Some(block) = reader.next(&mut chunk) {
            blocks.push(block);
        }
        assert!(chunk.is_empty(), "a chunk is taken whole");
    }
    blocks.extend(reader.finish());
    blocks
}

fn raw(blocks: &[Block]) -> Vec<u8> {
    blocks.iter().flat_map(|block| block.raw.to_vec()).collect()
}

fn events(blocks: &[Block]) -> Vec<(String, String)> {
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let events = blocks.iter().filter_map(|block| block.event.as_ref());
    events.map(|event| (text(&event.name), text(&event.data))).collect()
}

fn read(input: &str) -> Vec<(String, String)> {
    events(&blocks(&mut Reader::default(), input.as_bytes(), &[]))
}

fn data(values: &[&str]) -> Vec<(String, String)> {
    values.iter().map(|value| (String::new(), (*value).to_owned())).collect()
}

#[test]
fn the_examples_of_the_standard() {
    assert_eq!(
        read("data: YHOO\ndata: +2\ndata: 10\n\n"),
        data(&["YHOO\n+2\n10"]),
        "lines of data are joined"
    );
    assert_eq!(
        read(
            ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"
        ),
        data(&["first event", "second event", " third event"]),
    );
    assert_eq!(read("data\n\ndata\ndata\n\ndata:\n\n"), data(&["", "\n", ""]));
    assert_eq!(read("data:test\n\ndata: test\n\n"), data(&["test", "test"]));
    assert_eq!(
        read("event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\nevent: nothing\n\n"),
        [("add".into(), "73857293".into()), ("remove".into(), "2153".into())],
    );
}

#[test]
fn every_line_end_ends_a_line() {
    for end in ["\n", "\r", "\r\n"] {
        let input = ["data: a", "data: b", "", "data: c", "", ""].join(end);
        assert_eq!(read(&input), data(&["a\nb", "c"]), "{end:?}");
    }
    assert_eq!(read("data: a\r\ndata: b\r\r\ndata: c\n\r"), data(&["a\nb", "c"]));
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_line_and_of_no_other() {
    assert_eq!(read("\u{feff}data: a\n\n\u{feff}data: b\n\n"), data(&["a"]));
}

#[test]
fn an_event_is_told_with_its_last_byte() {
    for (input, last) in [("data: a\n\n", 9), ("data: a\r\n\r\n", 10), ("data: a\r\r", 9)] {
        let mut reader = Reader::default();
        for (place, byte) in input.bytes().enumerate() {
            let told = reader.next(&mut Bytes::from(vec![byte])).is_some_and(|b| b.event.is_some());
            assert_eq!(told, place + 1 == last, "{input:?} at {place}");
        }
    }
}

#[test]
fn the_end_of_a_split_line_end_continues_its_block() {
    let mut reader = Reader::default();
    let mut first = Bytes::from_static(b"data: a\r\n\r");
    assert!(reader.next(&mut first).is_some_and(|block| block.event.is_some()));
    let mut second = Bytes::from_static(b"\ndata: b\r\n\r\n");
    let rest = reader.next(&mut second).expect("the LF");
    assert_eq!((&rest.raw[..], rest.continues), (&b"\n"[..], true));
    assert_eq!(reader.next(&mut second).expect("b").raw, "data: b\r\n\r\n");
}

#[test]
fn an_event_in_one_chunk_is_not_copied() {
    let chunk = Bytes::from_static(b"data: a\n\n");
    let block = Reader::default().next(&mut chunk.clone()).expect("an event");
    assert_eq!(block.raw.as_ptr(), chunk.as_ptr());
    assert_eq!(block.event.expect("data").data.as_ptr(), chunk[6..].as_ptr());
}

#[test]
fn the_last_event_is_told_without_its_blank_line() {
    assert_eq!(read("data: a\n\ndata: b"), data(&["a", "b"]));
    assert_eq!(read("data: a\n\ndata: b\n"), data(&["a", "b"]));
    assert_eq!(read(""), data(&[]));
}

#[test]
fn what_is_too_large_passes_uninterpreted_and_the_next_event_is_read() {
    let large = "x".repeat(100);
    let input = format!("data: a\n\ndata: {large}\ndata: y\n\ndata: b\n\n");
    for step in [1, 7, 64, 1000] {
        let cuts: Vec<usize> = (0..input.len()).step_by(step).collect();
        let mut reader = Reader::new(64);
        let blocks = blocks(&mut reader, input.as_bytes(), &cuts);
        assert_eq!(raw(&blocks), input.as_bytes());
        assert_eq!(events(&blocks), data(&["a", "b"]), "chunks of {step}");
    }
}

#[test]
fn what_is_too_large_does_not_depend_on_where_the_last_line_end_is_split() {
    let input = b"data\r\n\r\n";
    for max in 6..10 {
        let whole = blocks(&mut Reader::new(max), input, &[]);
        let split = blocks(&mut Reader::new(max), input, &[7]);
        assert_eq!(events(&whole), events(&split), "at most {max}");
    }
}

#[test]
fn memory_is_bounded_however_long_an_event_is() {
    let mut reader = Reader::new(1 << 10);
    let mut passed = 0;
    for _ in 0..100_000 {
        let mut chunk = Bytes::from_static(b"data: and on and on and on\n");
        while let Some(block) = reader.next(&mut chunk) {
            passed += block.raw.len();
        }
        assert!(reader.held.len() <= 1 << 10 && reader.held.capacity() <= 4 << 10);
    }
    assert!(reader.is_within_told_block() && passed + reader.held.len() == 2_700_000);
}

#[test]
fn work_is_linear_in_the_input_however_small_its_chunks() {
    // Were a held event scanned again with each chunk, this would look at 34 GB.
    let event = Bytes::from(format!("data: {}\n\n", "x".repeat((1 << 20) - 100)));
    let mut reader = Reader::default();
    let mut told = 0;
    for _ in 0..4 {
        let mut rest = event.clone();
        while !rest.is_empty() {
            let mut chunk = rest.split_to(rest.len().min(64));
            told += usize::from(reader.next(&mut chunk).is_some_and(|block| block.event.is_some()));
        }
    }
    assert_eq!(told, 4);
}

/// Text that is rich in what an event stream is made of.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"\n".to_vec()),
        2 => Just(b"\r".to_vec()),
        2 => Just(b"\r\n".to_vec()),
        4 => Just(b"data: {\"a\":1}".to_vec()),
        1 => Just(b"data".to_vec()),
        1 => Just(b"data:".to_vec()),
        1 => Just(b"event: e".to_vec()),
        1 => Just(b": comment".to_vec()),
        1 => Just(b"\xef\xbb\xbf".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn splits_do_not_matter(input in stream(), cuts in prop::collection::vec(any::<usize>(), 0..20)) {
        let whole = blocks(&mut Reader::default(), &input, &[]);
        let split = blocks(&mut Reader::default(), &input, &cuts);
        prop_assert_eq!(raw(&whole), &input[..]);
        prop_assert_eq!(raw(&split), &input[..]);
        prop_assert_eq!(events(&split), events(&whole));
    }

    #[test]
    fn raw_bytes_are_the_input_whatever_the_maximum(
        input in stream(),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
        max in 0_usize..40,
    ) {
        let mut reader = Reader::new(max);
        let split = blocks(&mut reader, &input, &cuts);
        prop_assert_eq!(raw(&split), &input[..]);
        let whole = blocks(&mut Reader::new(max), &input, &[]);
        prop_assert_eq!(events(&split), events(&whole));
    }
}
