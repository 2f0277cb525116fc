//! Whatever a provider streams, in chunks of whatever size: the raw bytes come out as they
//! went in, the events do not depend on the chunks, and a meter that drops nothing changes
//! nothing.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use tollgate_fuzz::splits_do_not_matter;
use tollgate_meter::{
    openai::{self, Endpoint},
    sse::{Event, Reader},
};

const ASKING: &[u8] =
    br#"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#;

fn read(stream: &[u8], chunk_bytes: usize, max_event_bytes: usize) -> (Vec<u8>, Vec<Event>) {
    let mut reader = Reader::new(max_event_bytes);
    let (mut raw, mut events) = (Vec::new(), Vec::new());
    let mut keep = |block: tollgate_meter::sse::Block| {
        raw.extend_from_slice(&block.raw);
        events.extend(block.event);
    };
    for chunk in stream.chunks(chunk_bytes) {
        let mut chunk = chunk.to_vec().into();
        while let Some(block) = reader.next(&mut chunk) {
            keep(block);
        }
    }
    reader.finish().into_iter().for_each(keep);
    (raw, events)
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let [chunk, max, stream @ ..] = data else { return Corpus::Reject };
    let (chunk_bytes, max_event_bytes) = (usize::from(*chunk) + 1, usize::from(*max) * 4);
    let (raw, events) = read(stream, chunk_bytes, max_event_bytes);
    assert_eq!(raw, stream);
    assert_eq!(events, read(stream, stream.len().max(1), max_event_bytes).1);

    let request = openai::scan(Endpoint::ChatCompletions, ASKING).expect("a request");
    splits_do_not_matter(&request, stream, chunk_bytes);
    Corpus::Keep
});
