//! Whatever a caller asks is understood or refused, and whatever Deepgram answers is metered
//! alike at every split.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use tollgate_fuzz::splits_do_not_matter;
use tollgate_meter::deepgram::{Target, scan};

fuzz_target!(|data: &[u8]| -> Corpus {
    let [chunk, bytes @ ..] = data else { return Corpus::Reject };
    let query = format!("model=m&{}", String::from_utf8_lossy(bytes));
    if let Ok(Some(target)) = Target::of("/v1/listen", Some(&query)) {
        let request = scan(&target, None, bytes).expect("a request");
        splits_do_not_matter(&request, bytes, usize::from(*chunk) + 1);
    }
    Corpus::Keep
});
