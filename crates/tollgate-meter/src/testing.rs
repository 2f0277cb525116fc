//! What the tests of all dialects share: streams and answers in chunks of every size.

use bytes::Bytes;

use crate::{AnyRequest, Gauge, Metered, PlainMeter, StreamMeter};

/// Passes a stream in chunks of one size: what the client got, and what was metered.
pub(crate) fn run(mut meter: StreamMeter, stream: &[u8], chunk_bytes: usize) -> (Bytes, Metered) {
    let mut passed = Vec::new();
    for chunk in stream.chunks(chunk_bytes.max(1)) {
        meter.push(&Bytes::copy_from_slice(chunk));
        passed.extend(std::iter::from_fn(|| meter.pop()).flatten());
    }
    let metered = meter.finish();
    passed.extend(std::iter::from_fn(|| meter.pop()).flatten());
    (passed.into(), metered)
}

/// Passes a stream event by event.
fn run_events(mut meter: StreamMeter, stream: &[u8]) -> (Bytes, Metered) {
    let mut rest = Bytes::copy_from_slice(stream);
    let mut passed = Vec::new();
    while meter.push_event(&mut rest) {
        passed.extend(std::iter::from_fn(|| meter.pop()).flatten());
    }
    assert!(rest.is_empty(), "all is taken");
    let metered = meter.finish();
    passed.extend(std::iter::from_fn(|| meter.pop()).flatten());
    (passed.into(), metered)
}

/// Passes an answer in chunks of one size.
pub(crate) fn run_plain(mut meter: PlainMeter, answer: &[u8], chunk_bytes: usize) -> Metered {
    answer.chunks(chunk_bytes.max(1)).for_each(|chunk| meter.push(chunk));
    meter.metered()
}

/// Passes a stream at every split: it must come out as it went in, and be metered alike.
pub(crate) fn every_split(request: &dyn AnyRequest, stream: &[u8]) -> Metered {
    let (passed, whole) = run(request.stream_meter(Gauge::Bytes), stream, stream.len());
    assert_eq!(passed, stream);
    for chunk_bytes in 1..stream.len() {
        let (passed, metered) = run(request.stream_meter(Gauge::Bytes), stream, chunk_bytes);
        assert_eq!((passed.as_ref(), metered), (stream, whole), "chunks of {chunk_bytes}");
    }
    whole
}

/// Passes an answer at every split: it must be metered alike.
pub(crate) fn every_plain_split(request: &dyn AnyRequest, answer: &[u8]) -> Metered {
    let whole = run_plain(request.plain_meter(), answer, answer.len());
    for chunk_bytes in 1..answer.len() {
        assert_eq!(run_plain(request.plain_meter(), answer, chunk_bytes), whole);
    }
    whole
}

/// What is the same at a split of any size, for streams that a generator made.
pub(crate) fn split_alike(request: &dyn AnyRequest, stream: &[u8], chunk_bytes: usize) -> bool {
    let whole = run(request.stream_meter(Gauge::Bytes), stream, stream.len());
    let split = run(request.stream_meter(Gauge::Bytes), stream, chunk_bytes);
    let by_events = run_events(request.stream_meter(Gauge::Bytes), stream);
    whole == split && whole == by_events && whole.0 == stream
}
