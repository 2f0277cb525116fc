use proptest::prelude::*;

use super::*;

const ITEMS: &str = "[{\"a\": \"}]\\\"\"}\n,\r\n{\"b\":[{},{\"c\":1}]}\n]\n";

fn read(bytes: &[u8], chunk_bytes: usize, max_item_bytes: usize) -> (Vec<u8>, Vec<Bytes>) {
    let mut reader = Reader::new(max_item_bytes);
    let (mut raw, mut items) = (Vec::new(), Vec::new());
    let mut keep = |block: Block| {
        raw.extend_from_slice(&block.raw);
        items.extend(block.event.map(|event| event.data));
    };
    for chunk in bytes.chunks(chunk_bytes.max(1)) {
        let mut chunk = Bytes::copy_from_slice(chunk);
        while let Some(block) = reader.next(&mut chunk) {
            keep(block);
        }
        assert!(chunk.is_empty());
    }
    reader.finish().into_iter().for_each(keep);
    (raw, items)
}

#[test]
fn items_are_told_at_every_split() {
    for chunk_bytes in 1..=ITEMS.len() {
        let (raw, items) = read(ITEMS.as_bytes(), chunk_bytes, 100);
        assert_eq!(raw, ITEMS.as_bytes());
        assert_eq!(items, ["{\"a\": \"}]\\\"\"}", "{\"b\":[{},{\"c\":1}]}"]);
    }
    assert_eq!(read(b" {\"error\":{}} ", 3, 100).1, ["{\"error\":{}}"], "no array at all");
    assert_eq!(read(b"[{\"a\":1}] {\"b\":2}", 3, 100).1, ["{\"a\":1}"], "nothing comes after it");
    assert_eq!(read(b"[[{\"a\":1}],\"{\",7,{}]", 3, 100).1, ["{}"], "items are objects");
}

#[test]
fn what_is_too_large_passes_uninterpreted_and_at_once() {
    let long = format!("[{{\"a\":\"{}\"}},{{\"b\":1}}]", "x".repeat(50));
    for chunk_bytes in 1..long.len() {
        let (raw, items) = read(long.as_bytes(), chunk_bytes, 20);
        assert_eq!((raw.as_slice(), items), (long.as_bytes(), vec![Bytes::from("{\"b\":1}")]));
    }
    let mut reader = Reader::new(20);
    let mut chunk = Bytes::from(long[..40].to_owned());
    let passed: Vec<_> = std::iter::from_fn(|| reader.next(&mut chunk)).collect();
    assert_eq!(passed.iter().map(|block| block.raw.len()).sum::<usize>(), 40);
}

#[test]
fn a_cut_makes_a_whole_array_of_what_has_passed() {
    for end in 0..ITEMS.len() - 2 {
        let mut reader = Reader::new(100);
        let mut chunk = Bytes::from(ITEMS[..end].to_owned());
        let mut passed = Vec::new();
        while let Some(block) = reader.next(&mut chunk) {
            passed.extend_from_slice(&block.raw);
        }
        let last = passed.iter().rfind(|byte| !byte.is_ascii_whitespace()).copied();
        passed.extend_from_slice(&reader.cut(b"{\"error\":1}", last));
        let items: Vec<serde_json::Value> = serde_json::from_slice(&passed).expect("an array");
        assert_eq!(items.last().expect("an item")["error"], 1);
    }
}

proptest! {
    #[test]
    fn splits_do_not_matter(
        bytes in prop_oneof!["[\\[\\]{},\"\\\\a1 \n]{0,60}", Just(ITEMS.to_owned())],
        chunk_bytes in 1_usize..20, max in 0_usize..40,
    ) {
        let (raw, items) = read(bytes.as_bytes(), bytes.len(), max);
        prop_assert_eq!(&raw, bytes.as_bytes());
        prop_assert_eq!(read(bytes.as_bytes(), chunk_bytes, max), (raw, items));
    }
}
