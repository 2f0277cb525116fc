//! Fees of the provider's tools beside searches of the web, in the ledger's rows to the
//! nano-dollar: of files, of containers for code, of maps, and of what is kept.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use tollgate_core::{Amounts, NanoUsd};

use super::{
    COMPLETION, Provider, Running, Step,
    fee_rows::{Books, Reads, plain},
    post,
    provider::{chunk, end, stream_head},
    running::up,
};

const FILE: u64 = 2_500_000;
const CONTAINER: u64 = 30_000_000;
const MAP: u64 = 14_000_000;
const KEPT: u64 = 50_000_000;
const SEARCH: u64 = 10_000_000;

/// What 7 tokens sent and 5 made cost.
const TOKENS: u64 = 17_000;

const BUDGET: &str = "[[limits]]\nname = \"spend\"\nusd = \"1/day\"\n";

/// A price of $1 and $2 for a million tokens, with these fees.
fn price(model: &str, fees: &str) -> String {
    format!("[prices.models.\"{model}\"]\ninput = \"1\"\noutput = \"2\"\n{fees}\n")
}

fn all_fees(model: &str) -> String {
    let fees = "search = \"0.01\"\nfile_search = \"0.0025\"\ncode_interpreter = \"0.03\"\nmaps = \"0.014\"\nkept_tools = \"0.05\"";
    format!("{}{BUDGET}", price(model, fees))
}

/// What tokens cost beside fees.
fn cost(Amounts { input_tokens, output_tokens, .. }: Amounts, fees: u64) -> NanoUsd {
    NanoUsd(input_tokens * 1_000 + output_tokens * 2_000 + fees)
}

fn response(members: &str) -> Request<Full<Bytes>> {
    let body = format!(r#"{{"model":"s","input":"hello hello","max_output_tokens":10{members}}}"#);
    post("/up/v1/responses", body)
}

const TOOLS: &str = r#","max_tool_calls":3,"tools":[{"type":"file_search","vector_store_ids":["vs_1"]},{"type":"code_interpreter","container":{"type":"auto"}}]"#;

/// One file was searched, and code ran three times in one container.
const ITEMS: [&str; 4] = [
    r#"{"type":"file_search_call","queries":["a"]}"#,
    r#"{"type":"code_interpreter_call","container_id":"cntr_1"}"#,
    r#"{"type":"code_interpreter_call","container_id":"cntr_1"}"#,
    r#"{"type":"code_interpreter_call","container_id":"cntr_1"}"#,
];

const USAGE: &str = r#""usage":{"input_tokens":7,"output_tokens":5,"total_tokens":12}"#;

fn answer() -> String {
    format!(r#"{{"output":[{}],{USAGE}}}"#, ITEMS.join(","))
}

fn begun(items: &[&str]) -> Vec<Step> {
    let event = |item: &&str| {
        format!("data: {{\"type\":\"response.output_item.added\",\"item\":{item}}}\n\n")
    };
    let events: String = items.iter().map(event).collect();
    vec![Step::Send(stream_head()), Step::Send(chunk(&events))]
}

fn whole() -> Vec<Step> {
    let last = format!("data: {{\"type\":\"response.completed\",\"response\":{{{USAGE}}}}}\n\n");
    [begun(&ITEMS), vec![Step::Send(chunk(&last)), Step::Send(end())]].concat()
}

#[tokio::test]
async fn files_and_containers_are_charged_as_they_are_told() {
    for (steps, members) in [(plain(&answer(), 0), ""), (whole(), r#","stream":true"#)] {
        let books = Books::priced(steps, &all_fees("s")).await;
        books.ask(response(&format!("{TOOLS}{members}")), Reads::All).await;
        let (held, charged, estimated) = books.rows().await;
        assert_eq!(held.cost, cost(held, 3 * FILE + CONTAINER), "{members}");
        let expected = NanoUsd(TOKENS + FILE + CONTAINER);
        assert_eq!((charged.cost, estimated), (expected, false), "{members}");
    }
}

#[tokio::test]
async fn what_is_cut_or_left_is_charged_what_it_may_have_called() {
    let cut = begun(&ITEMS[..2]);
    let left = [cut.clone(), vec![Step::Hang]].concat();
    for (steps, reads) in [(cut, Reads::All), (left, Reads::Begin)] {
        let books = Books::priced(steps, &all_fees("s")).await;
        books.ask(response(&format!(r#"{TOOLS},"stream":true"#)), reads).await;
        let (_, charged, estimated) = books.rows().await;
        // One file had been searched, another one may have been; there is one container.
        let expected = (cost(charged, 2 * FILE + CONTAINER), true);
        assert_eq!((charged.cost, estimated), expected, "{reads:?}");
    }
    let half = plain(&answer(), 60);
    let left = [half.clone(), vec![Step::Hang]].concat();
    for (steps, reads) in [(half, Reads::All), (left, Reads::Begin)] {
        let books = Books::priced(steps, &all_fees("s")).await;
        books.ask(response(TOOLS), reads).await;
        let (held, charged, estimated) = books.rows().await;
        assert_eq!((charged, estimated), (held, true), "{reads:?}");
    }
}

fn generate(model: &str, members: &str) -> Request<Full<Bytes>> {
    let body = format!(
        r#"{{"contents":[{{"parts":[{{"text":"hello hello"}}]}}],"generationConfig":{{"maxOutputTokens":10}}{members}}}"#
    );
    post(&format!("/g/v1beta/models/{model}:generateContent"), body)
}

fn found(queries: &str, sources: &str) -> String {
    format!(
        r#"{{"candidates":[{{"content":{{"parts":[{{"text":"hello"}}]}},"groundingMetadata":{{"webSearchQueries":[{queries}],"groundingChunks":[{sources}]}},"finishReason":"STOP"}}],"usageMetadata":{{"promptTokenCount":7,"candidatesTokenCount":5,"totalTokenCount":12}}}}"#
    )
}

#[tokio::test]
async fn maps_are_held_and_charged_by_the_answer_or_by_the_query() {
    const MAPS: &str = r#","tools":[{"googleMaps":{}}]"#;
    let answer = found(r#""a","b""#, r#"{"maps":{"uri":"u"}}"#);
    for (model, most, seen) in [("gemini-2.5-pro", 1, 1), ("gemini-3-pro", 5, 2)] {
        for (lacks, seen) in [(0, seen), (60, most)] {
            let books = Books::priced(plain(&answer, lacks), &all_fees(model)).await;
            books.ask(generate(model, MAPS), Reads::All).await;
            let (held, charged, estimated) = books.rows().await;
            assert_eq!(held.cost, cost(held, most * MAP), "{model}");
            let expected = (cost(charged, seen * MAP), lacks > 0);
            assert_eq!((charged.cost, estimated), expected, "{model} {lacks}");
        }
    }
    let unused = Books::priced(plain(&found("", ""), 0), &all_fees("gemini-3-pro")).await;
    unused.ask(generate("gemini-3-pro", MAPS), Reads::All).await;
    assert_eq!(unused.rows().await.1.cost, NanoUsd(TOKENS), "no place was found");
}

#[tokio::test]
async fn what_is_kept_costs_its_fee_unless_its_answer_tells_more() {
    const SEARCHES: &str = r#"{"type":"web_search_call","action":{"type":"search"}}"#;
    const PROMPT: &str = r#","prompt":{"id":"pmpt_1"}"#;
    let searched = |times: usize| {
        let items = vec![SEARCHES; times].join(",");
        format!(r#"{{"output":[{items}],{USAGE}}}"#)
    };
    // What is kept is read as well: as much as is usual at most.
    let bytes = "[estimates]\nopen_input = \"bytes\"\n";
    let prices = format!("{bytes}{}", all_fees("s"));
    for times in [0, 2] {
        let books = Books::priced(plain(&searched(times), 0), &prices).await;
        books.ask(response(PROMPT), Reads::All).await;
        let (held, charged, _) = books.rows().await;
        assert_eq!(held.cost, cost(held, KEPT), "{times}");
        assert_eq!(charged.cost, NanoUsd(TOKENS + KEPT), "{times}");
    }
    let provider = Provider::json(&searched(6)).await;
    let running = Running::with(&format!("{}{prices}", up(&provider.base_url()))).await;
    assert_eq!(running.send(response(PROMPT)).await.status, StatusCode::OK);
    assert_eq!(running.used().2, TOKENS + 6 * SEARCH, "what is told is more");
    let prices = format!("{bytes}{}", all_fees("gemini-3-pro"));
    for (lacks, estimated) in [(0, false), (60, true)] {
        let answer = found(r#""a""#, r#"{"web":{"uri":"u"}}"#);
        let books = Books::priced(plain(&answer, lacks), &prices).await;
        let kept = r#","cachedContent":"cachedContents/1""#;
        books.ask(generate("gemini-3-pro", kept), Reads::All).await;
        let (held, charged, is_estimated) = books.rows().await;
        assert_eq!(held.cost, cost(held, KEPT));
        assert_eq!((charged.cost, is_estimated), (cost(charged, KEPT), estimated));
    }
}

#[tokio::test]
async fn a_model_that_always_searches_is_charged_for_each_request() {
    let chat = |model: &str, members: &str| {
        let body = format!(
            r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}],"max_tokens":10{members}}}"#
        );
        post("/up/v1/chat/completions", body)
    };
    let priced = format!("{}{BUDGET}", price("sonar-pro", "search = \"0.014\""));
    for (lacks, estimated) in [(0, false), (20, true)] {
        let books = Books::priced(plain(COMPLETION, lacks), &priced).await;
        books.ask(chat("sonar-pro", ""), Reads::All).await;
        let (held, charged, is_estimated) = books.rows().await;
        assert_eq!(held.cost, cost(held, MAP));
        assert_eq!((charged.cost, is_estimated), (cost(charged, MAP), estimated));
    }
    let event = format!("data: {COMPLETION}\n\ndata: [DONE]\n\n");
    let streamed = vec![Step::Send(stream_head()), Step::Send(chunk(&event)), Step::Send(end())];
    let books = Books::priced(streamed, &priced).await;
    books.ask(chat("sonar-pro", r#","stream":true"#), Reads::All).await;
    assert_eq!(books.rows().await.1.cost, NanoUsd(TOKENS + MAP));
    let provider = Provider::json(COMPLETION).await;
    let policy = format!("{}{}{BUDGET}", up(&provider.base_url()), price("sonar", ""));
    let refused = Running::with(&policy).await.send(chat("sonar", "")).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "its fee is not known");
}

#[tokio::test]
async fn a_refusal_names_the_price_to_add_and_it_is_what_is_missed() {
    const PROMPT: &str = r#","prompt":{"id":"pmpt_1"}"#;
    const FILES: &str = r#","tools":[{"type":"file_search"}]"#;
    const CODE: &str = r#","tools":[{"type":"code_interpreter","container":"cntr_1"}]"#;
    const WEB: &str = r#","tools":[{"type":"web_search"}]"#;
    let provider = Provider::json(&answer()).await;
    let with = |fees: &str| {
        let bytes = "[estimates]\nopen_input = \"bytes\"\n";
        format!("{}{bytes}{}{BUDGET}", up(&provider.base_url()), price("s", fees))
    };
    for (members, member, entry) in [
        (PROMPT, "prompt", "kept_tools"),
        (FILES, "tools", "file_search"),
        (CODE, "tools", "code_interpreter"),
        (WEB, "tools", "search"),
    ] {
        let refused = Running::with(&with("")).await.send(response(members)).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{members}");
        let error = &refused.json()["error"];
        let message = error["message"].as_str().expect("a sentence");
        let names = format!("ask the operator for `{entry}` under `[prices.models.\"s\"]`.");
        assert!(message.ends_with(&names), "{message}");
        assert_eq!((&error["code"], &error["param"]), (&"model_unpriced".into(), &member.into()));
        let running = Running::with(&with(&format!("{entry} = \"0.001\""))).await;
        assert_eq!(running.send(response(members)).await.status, StatusCode::OK, "{members}");
    }
    for (tools, says) in [
        (r#"{"type":"image_generation"}"#, "no price can be given for it"),
        (
            r#"{"type":"code_interpreter","container":{"type":"auto","memory_limit":"4g"}}"#,
            "`memory_limit`",
        ),
    ] {
        let running = Running::with(&with("code_interpreter = \"0.03\"")).await;
        let refused = running.send(response(&format!(r#","tools":[{tools}]"#))).await;
        let message = refused.json()["error"]["message"].as_str().expect("a sentence").to_owned();
        assert!(!refused.status.is_success() && message.contains(says), "{message}");
    }
}

#[tokio::test]
async fn fees_that_are_assumed_are_charged() {
    let provider = Provider::json(&answer()).await;
    let assume = "[prices]\nunpriced = { assume = { input = \"9\", output = \"9\", file_search = \"0.0025\", code_interpreter = \"0.03\", kept_tools = \"0.05\" } }\n[estimates]\nopen_input = \"bytes\"\n";
    let policy = format!("{}{assume}{}{BUDGET}", up(&provider.base_url()), price("s", ""));
    let running = Running::with(&policy).await;
    assert_eq!(running.send(response(TOOLS)).await.status, StatusCode::OK);
    assert_eq!(running.used().2, TOKENS + FILE + CONTAINER);
    let prompt = running.send(response(r#","prompt":{"id":"pmpt_1"}"#)).await;
    assert_eq!(prompt.status, StatusCode::OK);
    assert_eq!(running.used().2, 2 * TOKENS + FILE + CONTAINER + KEPT);
}
