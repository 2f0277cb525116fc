//! Whatever a caller sends is understood or refused, and whatever Anthropic answers is metered
//! alike at every split and passes as it is.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use tollgate_fuzz::splits_do_not_matter;
use tollgate_meter::{
    AnyRequest,
    anthropic::{Endpoint, scan},
};

const ASKING: &[u8] = br#"{"model":"m","max_tokens":9,"messages":[],"stream":true}"#;

fuzz_target!(|data: &[u8]| -> Corpus {
    let [chunk, bytes @ ..] = data else { return Corpus::Reject };
    let request = scan(Endpoint::Messages, ASKING).expect("a request");
    splits_do_not_matter(&request, bytes, usize::from(*chunk) + 1);
    if let Ok(request) = scan(Endpoint::Messages, bytes) {
        let clamped = request.clamped_body(&bytes.to_vec().into(), 5);
        let again = scan(Endpoint::Messages, &clamped).expect("a clamped body is understood");
        assert!(again.scan.max_output_tokens <= Some(5));
    }
    Corpus::Keep
});
