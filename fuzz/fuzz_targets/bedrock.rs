//! Whatever a caller sends is understood or refused, and whatever Bedrock answers, in frames or
//! not, is metered alike at every split and passes as it is.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use tollgate_fuzz::splits_do_not_matter;
use tollgate_meter::{
    AnyRequest,
    bedrock::{Operation, Target, scan},
};

const ASKING: &[u8] = br#"{"max_tokens":9,"messages":[]}"#;

const MODELS: [&str; 4] =
    ["anthropic.claude-v1:0", "amazon.nova-lite-v1:0", "meta.llama3-v1:0", "cohere.embed-v4"];

const OPERATIONS: [Operation; 4] = [
    Operation::Converse,
    Operation::ConverseStream,
    Operation::Invoke,
    Operation::InvokeStream,
];

fuzz_target!(|data: &[u8]| -> Corpus {
    let [chunk, which, bytes @ ..] = data else { return Corpus::Reject };
    let model = MODELS[usize::from(which % 4)];
    let operation = OPERATIONS[usize::from(which / 4 % 4)];
    let target = Target { model: model.into(), operation };
    let request = scan(&target, ASKING).expect("a request");
    splits_do_not_matter(&request, bytes, usize::from(*chunk) + 1);
    if let Ok(request) = scan(&target, bytes) {
        let clamped = request.clamped_body(&bytes.to_vec().into(), 5);
        scan(&target, &clamped).expect("a clamped body is understood");
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Target::of(text);
    }
    Corpus::Keep
});
