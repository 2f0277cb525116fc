//! Whatever a caller sends is translated or refused, and whatever a provider answers: what comes
//! out is understood by its dialect's own meters, and a stream comes out alike at every split.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::{Corpus, fuzz_target};
use tollgate_meter::{
    Ending, anthropic, openai,
    sse::Reader,
    translate::{Answers, Dialect, Stamp, Target, request},
};

const TARGET: Target<'static> = Target { model: "m", max_tokens: 9 };

fn stamp() -> Stamp {
    Stamp { id: "7".into(), created: 1 }
}

fn streamed(answers: &Answers, stream: &[u8], chunk_bytes: usize) -> (Vec<u8>, Option<Ending>) {
    let mut translator = answers.stream(stamp());
    let mut out = Vec::new();
    for chunk in stream.chunks(chunk_bytes) {
        out.extend_from_slice(&translator.push(&Bytes::copy_from_slice(chunk)));
    }
    out.extend_from_slice(&translator.finish());
    (out, translator.ending())
}

/// What is written for a provider is a request in its dialect.
fn is_understood(caller: Dialect, body: &[u8]) -> bool {
    match caller {
        Dialect::ChatCompletions => anthropic::scan(anthropic::Endpoint::Messages, body).is_ok(),
        Dialect::Messages => openai::scan(openai::Endpoint::ChatCompletions, body).is_ok(),
    }
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let [which, bytes @ ..] = data else { return Corpus::Reject };
    let caller = if which % 2 == 0 { Dialect::ChatCompletions } else { Dialect::Messages };
    if let Ok(translated) = request(caller, bytes, &TARGET) {
        // A maximum that is out of range is for the provider to refuse.
        assert!(is_understood(caller, &translated.body) || bytes.windows(4).any(|b| b == b"max_"));
    }
    let asking = br#"{"messages":[],"stream":true,"stream_options":null}"#;
    let asking = if which % 2 == 0 { &asking[..] } else { br#"{"messages":[]}"# };
    let answers = request(caller, asking, &TARGET).expect("a request").answers;
    let _ = answers.whole(bytes, &stamp());
    let _ = answers.error(u16::from(*which) * 4, bytes);

    let whole = streamed(&answers, bytes, bytes.len().max(1));
    assert_eq!(streamed(&answers, bytes, usize::from(*which) + 1), whole);
    let mut out = Bytes::from(whole.0);
    let mut reader = Reader::default();
    while let Some(block) = reader.next(&mut out) {
        assert!(block.event.is_some(), "only events come out");
    }
    assert!(reader.finish().is_none(), "only whole events come out");
    Corpus::Keep
});
