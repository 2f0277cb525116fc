//! Whatever a caller sends is understood or refused, and whatever Google answers, as events or
//! as an array, is metered alike at every split and passes as it is.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use tollgate_fuzz::splits_do_not_matter;
use tollgate_meter::{
    AnyRequest,
    gemini::{Method, Target, scan},
};

fuzz_target!(|data: &[u8]| -> Corpus {
    let [chunk, bytes @ ..] = data else { return Corpus::Reject };
    let target = Target { model: "m".into(), method: Method::Stream { sse: false } };
    let request = scan(&target, br#"{"contents":[]}"#).expect("a request");
    splits_do_not_matter(&request, bytes, usize::from(*chunk) + 1);
    if let Ok(request) = scan(&target, bytes) {
        let clamped = request.clamped_body(&bytes.to_vec().into(), 5);
        let again = scan(&target, &clamped).expect("a clamped body is understood");
        assert!(again.scan.max_output_tokens.is_some_and(|most| most <= 5));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Target::of(text, Some(text));
    }
    Corpus::Keep
});
