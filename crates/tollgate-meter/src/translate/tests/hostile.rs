//! What nobody should send: nothing panics, and work and memory stay linear.

use bytes::Bytes;

use super::{Dialect, answers, request, stamp, streamed, streams};
use crate::Ending;

const BOTH: [Dialect; 2] = [Dialect::ChatCompletions, Dialect::Messages];

fn bodies() -> Vec<Vec<u8>> {
    let deep = |open: &str, close: &str| open.repeat(20_000) + &close.repeat(20_000);
    let bomb = deep("[", "]");
    let members =
        ["messages", "system", "tools", "tool_choice", "stop", "choices", "content", "usage"];
    let mut all: Vec<Vec<u8>> = members
        .iter()
        .flat_map(|member| {
            let nested = format!(r#"[{{"role":"user","content":{bomb}}}]"#);
            [bomb.clone(), nested, format!(r#"[{{"message":{bomb}}}]"#)]
                .map(|value| format!(r#"{{"{member}":{value}}}"#).into_bytes())
        })
        .collect();
    all.push(bomb.into_bytes());
    all.push(deep(r#"{"error":"#, "}").into_bytes());
    all.push(
        format!("{{{}}}", (0..20_000).map(|n| format!("\"{n}\":1")).collect::<Vec<_>>().join(","))
            .into_bytes(),
    );
    all.push(br#"{"messages":[{"role":"user","content":"\ud800"}]}"#.to_vec());
    all.push(vec![0; 100_000]);
    all.push(vec![0xff; 100_000]);
    all.push(b" \r\n".repeat(10_000));
    all
}

#[test]
fn no_body_and_no_answer_panics() {
    for caller in BOTH {
        let answers = answers(caller);
        for body in bodies() {
            let _ = request(caller, &body, &caller.target());
            let _ = answers.whole(&body, &stamp());
            let native = answers.error(500, &body);
            assert!(serde_json::from_slice::<serde_json::Value>(&native.body).is_ok());
            let whole = streamed(&answers, &body, body.len());
            assert_eq!(streamed(&answers, &body, 1000), whole);
            let line = [b"data: ", &body[..], b"\n\n"].concat();
            assert_ne!(streamed(&answers, &line, 1000).1, Some(Ending::Complete));
        }
    }
}

#[test]
fn an_input_of_any_depth_is_copied_as_it_is() {
    let bomb = r#"{"a":"#.repeat(50_000) + "1" + &"}".repeat(50_000);
    let body = format!(
        r#"{{"max_tokens":1,"messages":[],"tools":[{{"name":"f","input_schema":{bomb}}}]}}"#
    );
    let request = request(Dialect::Messages, body.as_bytes(), &super::GPT).expect("a request");
    assert!(request.body.len() > bomb.len());
}

#[test]
fn an_event_makes_no_more_than_a_bounded_multiple_of_its_size() {
    // A long name that every chunk would repeat, and the shortest calls.
    let model = "m".repeat(1 << 19);
    let start =
        format!("data: {{\"type\":\"message_start\",\"message\":{{\"model\":\"{model}\"}}}}\n\n");
    let text = "data: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"text\",\"text\":\"a\"}}\n\n";
    let calls = vec![r#"{"id":"a","function":{"name":""}}"#; 20_000].join(",");
    let chunk = format!(
        "data: {{\"model\":\"{model}\",\"choices\":[{{\"delta\":{{\"tool_calls\":[{calls}]}}}}]}}\n\n"
    );
    for (caller, stream) in [
        (Dialect::ChatCompletions, start + &text.repeat(1000)),
        (Dialect::Messages, chunk.repeat(3)),
    ] {
        let (out, _) = streamed(&answers(caller), stream.as_bytes(), stream.len());
        assert!(out.len() < 10 * stream.len(), "{} of {}", out.len(), stream.len());
    }
}

#[test]
fn nothing_is_held_of_an_event_that_is_too_large() {
    let mut translator = answers(Dialect::Messages).stream(stamp());
    let chunk = Bytes::from(vec![b'x'; 1 << 16]);
    let told: usize = (0..1000).map(|_| translator.push(&chunk).len()).sum();
    assert!(told < 1000, "one error");
    assert_eq!(translator.ending(), Some(Ending::Failed));
}

#[test]
fn a_stream_that_breaks_off_or_is_the_others_does_not_panic() {
    for caller in BOTH {
        let answers = answers(caller);
        for stream in [streams::MESSAGE, streams::COMPLETION] {
            for end in 0..stream.len() {
                let _ = streamed(&answers, &stream.as_bytes()[..end], 100);
            }
        }
    }
}
