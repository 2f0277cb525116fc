//! Whatever a caller sends is understood or refused, and whatever OpenAI responds is metered
//! alike at every split and passes as it is.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use tollgate_fuzz::splits_do_not_matter;
use tollgate_meter::{AnyRequest, openai::responses::scan};

fuzz_target!(|data: &[u8]| -> Corpus {
    let [chunk, bytes @ ..] = data else { return Corpus::Reject };
    let request = scan(br#"{"model":"m","input":"a","stream":true}"#).expect("a request");
    splits_do_not_matter(&request, bytes, usize::from(*chunk) + 1);
    if let Ok(request) = scan(bytes) {
        let clamped = request.clamped_body(&bytes.to_vec().into(), 5);
        let again = scan(&clamped).expect("a clamped body is understood");
        assert!(again.scan.max_output_tokens.is_some_and(|most| most <= 5));
    }
    Corpus::Keep
});
