//! Whatever a caller asks is understood or refused, and whatever Deepgram answers is metered
//! alike at every split. Of a live session enough is reserved for whatever is sent.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use tollgate_fuzz::splits_do_not_matter;
use tollgate_meter::{
    Ending,
    deepgram::{Live, Target, scan},
};

fuzz_target!(|data: &[u8]| -> Corpus {
    let [chunk, bytes @ ..] = data else { return Corpus::Reject };
    let query = format!("model=m&{}", String::from_utf8_lossy(bytes));
    if let Ok(Some(target)) = Target::of("/v1/listen", Some(&query)) {
        let request = scan(&target, None, bytes).expect("a request");
        splits_do_not_matter(&request, bytes, usize::from(*chunk) + 1);
        enough_is_reserved(Live::new(&target), bytes, usize::from(*chunk) + 1);
    }
    Corpus::Keep
});

fn enough_is_reserved(mut live: Live, bytes: &[u8], piece_bytes: usize) {
    let mut reserved = 0;
    for piece in bytes.chunks(piece_bytes) {
        reserved = live.needs(piece).max(reserved);
        live.send(piece);
    }
    assert!(live.metered(Ending::Cut).counts.millis <= reserved);
    let message = String::from_utf8_lossy(bytes);
    live.say(&message);
    live.hear(&message);
    live.metered(Ending::Cut);
}
