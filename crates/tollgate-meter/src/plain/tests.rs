use proptest::prelude::*;

use super::PlainMeter;
use crate::{
    Basis, Counts, Ending, Metered,
    openai::{Endpoint, scan},
};

const ANSWER: &str = r#"{"id":"c","choices":[{"message":{"content":"say \"usage\": {}, \\"}}],
  "usage" : {"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,
  "prompt_tokens_details":{"cached_tokens":5}} , "system_fingerprint":"f"}"#;

fn meter(members: &str) -> PlainMeter {
    let body = format!(r#"{{"model":"m","messages":[]{members}}}"#);
    PlainMeter::new(&scan(Endpoint::ChatCompletions, body.as_bytes()).expect("a request"))
}

fn run(mut meter: PlainMeter, answer: &[u8], chunk_bytes: usize) -> Metered {
    answer.chunks(chunk_bytes).for_each(|chunk| meter.push(chunk));
    meter.metered()
}

#[test]
fn usage_is_found_in_any_chunks() {
    let counts = Counts { cached_tokens: 5, ..Counts::tokens(19, 10) };
    for chunk_bytes in 1..=ANSWER.len() {
        let metered = run(meter(""), ANSWER.as_bytes(), chunk_bytes);
        assert_eq!(
            metered,
            Metered { counts, basis: Basis::Told, ending: Ending::Complete, text_bytes: 0 }
        );
    }
}

#[test]
fn only_the_usage_of_the_top_level_counts() {
    for answer in [
        r#"{"choices":[{"usage":{"prompt_tokens":1,"completion_tokens":1}}]}"#,
        r#"{"a":{"usage":{"prompt_tokens":1,"completion_tokens":1}},"b":"usage"}"#,
        r#"{"a":"\",\"usage\":{\"prompt_tokens\":1}"}"#,
        r#"{"usage_":{"prompt_tokens":1,"completion_tokens":1},"\\usage":1,"xusage":2}"#,
        r#"[{"usage":{"prompt_tokens":1,"completion_tokens":1}}]"#,
        r#"{"usage":null}"#,
        r#"{"usage":{}}"#,
        "{}",
    ] {
        let metered = run(meter(""), answer.as_bytes(), 3);
        assert_eq!((metered.basis, metered.ending), (Basis::Missing, Ending::Complete), "{answer}");
    }
}

#[test]
fn usage_that_cannot_be_true_is_not_believed() {
    let endless = format!(r#"{{"prompt_tokens":{}1}}"#, " ".repeat(70_000));
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    for usage in [
        r#"{"prompt_tokens":-1,"completion_tokens":1}"#,
        r#"{"prompt_tokens":1,"completion_tokens":0.5}"#,
        r#"{"prompt_tokens":1e300,"completion_tokens":1}"#,
        r#"{"prompt_tokens":1,"completion_tokens":9999999999}"#,
        "7",
        "tru",
        &endless,
        &deep,
    ] {
        let answer = format!(r#"{{"usage":{usage}}}"#);
        let metered = run(meter(r#","max_tokens":2"#), answer.as_bytes(), 1000);
        assert_eq!((metered.basis, metered.counts.output_tokens), (Basis::Implausible, 2));
        assert_eq!(metered.ending, Ending::Complete);
    }
}

#[test]
fn the_last_usage_counts() {
    let answer = r#"{"usage":{"prompt_tokens":1,"completion_tokens":1},
        "usage":{"prompt_tokens":2,"completion_tokens":3}}"#;
    let metered = run(meter(""), answer.as_bytes(), 11);
    assert_eq!((metered.counts, metered.basis), (Counts::tokens(2, 3), Basis::Told));
}

#[test]
fn an_answer_without_its_end_is_cut() {
    for end in [0, 1, 30, ANSWER.len() - 1] {
        let metered = run(meter(""), &ANSWER.as_bytes()[..end], 16);
        assert_eq!(metered.ending, Ending::Cut);
        assert!(metered.counts.output_tokens >= (end as u64).min(10) / 3);
    }
}

#[test]
fn embeddings_make_no_tokens_however_much_comes() {
    let request =
        scan(Endpoint::Embeddings, br#"{"model":"e","input":"four"}"#).expect("a request");
    let answer =
        r#"{"data":[{"embedding":[0.1,-2e-3,0.5]}],"usage":{"prompt_tokens":8,"total_tokens":8}}"#;
    let metered = run(PlainMeter::new(&request), answer.as_bytes(), 9);
    assert_eq!((metered.counts, metered.basis), (Counts::tokens(8, 0), Basis::Told));
    let silent = run(PlainMeter::new(&request), &answer.as_bytes()[..40], 9);
    assert_eq!((silent.counts, silent.basis), (Counts::tokens(2, 0), Basis::Missing));
}

proptest! {
    #[test]
    fn nothing_that_comes_panics_and_splits_do_not_matter(
        answer in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..100),
            "[\\[\\]{}:,\"\\\\usage 0-9]{0,80}".prop_map(String::into_bytes),
            "\\{(\"usage\":[0-9{}\\[\\]\",:]{0,20},?){0,3}".prop_map(String::into_bytes),
        ],
        chunk_bytes in 1_usize..20,
    ) {
        let whole = run(meter(""), &answer, answer.len().max(1));
        prop_assert_eq!(run(meter(""), &answer, chunk_bytes), whole);
    }

    /// What the scan finds is what a parser of the whole finds.
    #[test]
    fn usage_is_found_wherever_it_stands(before in names(), after in names(), input in 0_u64..1000) {
        let mut text = String::from("{");
        for (name, value) in &before {
            text += &format!("{}:{value},", serde_json::json!(name));
        }
        text += &format!(r#""usage":{{"prompt_tokens":{input},"completion_tokens":1}}"#);
        for (name, value) in &after {
            text += &format!(" ,{}: {value}", serde_json::json!(name));
        }
        text += "}";
        let metered = run(meter(""), text.as_bytes(), 7);
        prop_assert_eq!(metered.counts, Counts::tokens(input, 1), "{}", text);
        prop_assert_eq!(metered.ending, Ending::Complete);
    }
}

fn names() -> impl Strategy<Value = Vec<(String, serde_json::Value)>> {
    let value = prop_oneof![
        Just(serde_json::json!(null)),
        Just(serde_json::json!([1, {"usage": [2]}, "usage"])),
        Just(serde_json::json!({"usage": {"prompt_tokens": 5}, "}": "{"})),
        ".{0,9}".prop_map(serde_json::Value::from),
    ];
    prop::collection::vec(("[a-z\"\\\\:é]{0,6}", value), 0..5)
}
