//! What holds for the meters of every dialect, whatever a provider sends.

use bytes::Bytes;
use tollgate_meter::{AnyRequest, Gauge, Metered};

/// Passes a stream in chunks of one size: what the client got, and what was metered.
fn run(request: &dyn AnyRequest, stream: &[u8], chunk_bytes: usize) -> (Vec<u8>, Metered) {
    let mut meter = request.stream_meter(Gauge::Bytes);
    let mut passed = Vec::new();
    for chunk in stream.chunks(chunk_bytes) {
        meter.push(&Bytes::copy_from_slice(chunk));
        passed.extend(std::iter::from_fn(|| meter.pop()).flatten());
    }
    let metered = meter.finish();
    passed.extend(std::iter::from_fn(|| meter.pop()).flatten());
    (passed, metered)
}

/// A stream comes out as it went in, and is metered alike at every split; so is an answer in
/// one piece.
pub fn splits_do_not_matter(request: &dyn AnyRequest, bytes: &[u8], chunk_bytes: usize) {
    let whole = run(request, bytes, bytes.len().max(1));
    assert_eq!(whole.0, bytes);
    assert_eq!(run(request, bytes, chunk_bytes), whole);

    let (mut at_once, mut in_chunks) = (request.plain_meter(), request.plain_meter());
    at_once.push(bytes);
    bytes.chunks(chunk_bytes).for_each(|chunk| in_chunks.push(chunk));
    assert_eq!(in_chunks.metered(), at_once.metered());
}
