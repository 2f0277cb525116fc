//! Calls of tools in every dialect: what enables them, how many were made, what they cost.

mod tools;

use super::*;
use crate::{
    AnyRequest, Counts, Ending, Gauge, PriceTable, anthropic, bedrock, gemini, openai,
    testing::{every_plain_split, every_split, run_plain},
};

fn chat(members: &str) -> openai::Request {
    let body = format!(
        r#"{{"model":"gpt-5-search-api","messages":[{{"role":"user","content":"hi"}}]{members}}}"#
    );
    openai::scan(openai::Endpoint::ChatCompletions, body.as_bytes()).expect("a request")
}

fn response(members: &str) -> openai::responses::Request {
    let body = format!(r#"{{"model":"gpt-5","input":"hi"{members}}}"#);
    openai::responses::scan(body.as_bytes()).expect("a request")
}

fn message(members: &str) -> anthropic::Request {
    let body = format!(
        r#"{{"model":"claude-sonnet-4-5","max_tokens":9,"messages":[{{"role":"user","content":"hi"}}]{members}}}"#
    );
    anthropic::scan(anthropic::Endpoint::Messages, body.as_bytes()).expect("a request")
}

fn generate(model: &str, tools: &str) -> gemini::Request {
    content(model, &format!(r#","tools":[{tools}]"#))
}

fn content(model: &str, members: &str) -> gemini::Request {
    let target = gemini::Target::of(&format!("/v1beta/models/{model}:generateContent"), None);
    let body = format!(r#"{{"contents":[{{"parts":[{{"text":"hi"}}]}}]{members}}}"#);
    gemini::scan(&target.expect("a path"), body.as_bytes()).expect("a request")
}

fn streamed(model: &str) -> gemini::Request {
    let path = format!("/v1beta/models/{model}:streamGenerateContent");
    let target = gemini::Target::of(&path, Some("alt=sse")).expect("a path");
    let body = r#"{"contents":[{"parts":[{"text":"hi"}]}],"tools":[{"googleSearch":{}}]}"#;
    gemini::scan(&target, body.as_bytes()).expect("a request")
}

/// How often it may search the web, and whether it may do what has no price of its own.
fn tools(request: &dyn AnyRequest) -> (u64, bool) {
    let tools = request.scan().tools;
    let is_other = |tool: &Tool| *tool != Tool::Search && tools.calls[*tool] > 0;
    let others = Tool::ALL.iter().any(is_other) || tools.others.or(kept(&tools)).is_some();
    (tools.allowed()[Tool::Search], others)
}

fn kept(tools: &PaidTools) -> Option<&'static str> {
    tools.kept.map(|kept| kept.member)
}

#[test]
fn what_a_request_enables_is_told_with_its_bound() {
    const OPEN: u64 = ALLOWED_CALLS;
    for (members, expected) in [
        ("", (0, false)),
        (r#","tools":[{"type":"web_search"}]"#, (OPEN, false)),
        (r#","tools":[{"type":"web_search_preview"}],"max_tool_calls":2"#, (2, false)),
        (r#","tools":[{"type":"function","name":"web_search"},{"type":"mcp"}]"#, (0, false)),
        (r#","tools":[{"type":"file_search"}]"#, (0, true)),
        (r#","tools":[{"type":"web_search"},{"type":"something_new"}]"#, (OPEN, true)),
        (r#","prompt":{"id":"pmpt_1"}"#, (OPEN, true)),
        (r#","prompt":{"id":"pmpt_1"},"max_tool_calls":2"#, (2, true)),
        (r#","prompt":null"#, (0, false)),
    ] {
        assert_eq!(tools(&response(members)), expected, "{members}");
    }
    for (members, expected) in [
        (
            r#","tools":[{"name":"f","input_schema":{}},{"type":"bash_20250124","name":"bash"}]"#,
            (0, false),
        ),
        (r#","tools":[{"type":"web_search_20250305","name":"web_search"}]"#, (OPEN, false)),
        (
            r#","tools":[{"type":"web_search_20250305","name":"web_search","max_uses":3}]"#,
            (3, false),
        ),
        (r#","tools":[{"type":"web_fetch_20250910","name":"web_fetch"}]"#, (0, false)),
        (r#","tools":[{"type":"code_execution_20250825","name":"c"}]"#, (0, true)),
    ] {
        assert_eq!(tools(&message(members)), expected, "{members}");
    }
    for (of, expected) in [
        (r#"{"functionDeclarations":[]}"#, (0, false)),
        (r#"{"googleSearch":{}}"#, (OPEN, false)),
        (r#"{"google_search_retrieval":{}},{"codeExecution":{}}"#, (OPEN, false)),
        (r#"{"googleSearch":{}},{"googleMaps":{}}"#, (OPEN, true)),
    ] {
        assert_eq!(tools(&generate("gemini-3-flash", of)), expected, "{of}");
        let once = (expected.0.min(1), expected.1);
        assert_eq!(tools(&generate("gemini-2.5-pro", of)), once, "charged by the answer: {of}");
    }
    let both = r#"{"googleSearch":{}},{"googleSearchRetrieval":{}}"#;
    assert_eq!(tools(&generate("gemini-1.5-pro", both)), (1, false));
    for (member, expected) in [
        (r#","cachedContent":"cachedContents/1""#, (OPEN, Some("cachedContent"))),
        (r#","cached_content":"cachedContents/1""#, (OPEN, Some("cachedContent"))),
        (r#","cachedContent":null"#, (0, None)),
    ] {
        let tools = content("gemini-3-flash", member).scan.tools;
        assert_eq!((tools.allowed()[Tool::Search], kept(&tools)), expected, "{member}");
    }
    assert_eq!(tools(&chat("")), (1, false), "this model always searches");
    let plain = br#"{"model":"gpt-4o","messages":[],"web_search_options":{}}"#;
    let asked = openai::scan(openai::Endpoint::ChatCompletions, plain).expect("a request");
    assert_eq!(tools(&asked), (1, false));
}

#[test]
fn tools_that_bedrock_runs_itself_are_seen() {
    for (config, others) in [
        (r#"{"tools":[{"toolSpec":{"name":"f"}},{"cachePoint":{"type":"default"}}]}"#, false),
        (r#"{"toolChoice":{"auto":{}}}"#, false),
        (r#"{"tools":[{"systemTool":{"name":"nova_grounding"}}]}"#, true),
        (r#"{"tools":[{"toolSpec":{"name":"f"}},{"something":{}}]}"#, true),
        ("[]", true),
    ] {
        let target = bedrock::Target::of("/model/amazon.nova-premier-v1:0/converse");
        let body =
            format!(r#"{{"messages":[{{"content":[{{"text":"hi"}}]}}],"toolConfig":{config}}}"#);
        let request = bedrock::scan(&target.expect("a path"), body.as_bytes()).expect("a request");
        assert_eq!(tools(&request), (0, others), "{config}");
        assert_eq!(request.scan.input.is_open, others, "{config}");
    }
}

/// What it used and cost, in nano-dollars.
fn cost(counts: &Counts, (seller, model): (&str, &str)) -> (u64, u64) {
    (counts.calls[Tool::Search], counts.usage(PriceTable::builtin().price(seller, model)).cost.0)
}

#[test]
fn responses_are_charged_for_calls_that_searched() {
    let answer = r#"{"id":"r","output":[
        {"type":"web_search_call","action":{"type":"search","query":"web_search_call"}},
        {"type":"message","content":[{"type":"web_search_call","text":"\"type\":\"web_search_call\""}]},
        {"action":{"type":"open_page"},"type":"web_search_call"},
        {"type":"web_search_call","status":"completed"}],
        "usage":{"input_tokens":37,"output_tokens":11,"total_tokens":48}}"#;
    let stream = r#"event: response.output_item.added
data: {"type":"response.output_item.added","item":{"type":"web_search_call","status":"in_progress"}}

data: {"type":"response.output_item.done","item":{"type":"web_search_call","action":{"type":"search"}}}

data: {"type":"response.output_item.added","item":{"type":"web_search_call"}}

data: {"type":"response.output_item.done","item":{"type":"web_search_call","action":{"type":"find_in_page"}}}

data: {"type":"response.output_item.added","item":{"type":"web_search_call"}}

data: {"type":"response.output_item.added","item":{"type":"message"}}

data: {"type":"response.completed","response":{"usage":{"input_tokens":37,"output_tokens":11,"total_tokens":48}}}

"#;
    let request = response(r#","tools":[{"type":"web_search"}]"#);
    let (gpt, expected) = (("openai", "gpt-5"), 37 * 1_250 + 11 * 10_000 + 2 * 10_000_000);
    let plain = every_plain_split(&request, answer.as_bytes());
    assert_eq!(cost(&plain.counts, gpt), (2, expected));
    let streamed = every_split(&request, stream.as_bytes());
    assert_eq!(cost(&streamed.counts, gpt), (2, expected));
    let none = every_plain_split(&response(""), answer.as_bytes());
    assert_eq!(none.counts.calls[Tool::Search], 2, "what is told is charged, foreseen or not");
    let cut = run_plain(request.plain_meter(), &answer.as_bytes()[..300], 7);
    assert_eq!(
        cut.counts.calls[Tool::Search],
        ALLOWED_CALLS,
        "nobody knows how many more there were"
    );
    let (begun, _) = stream.split_once(r#"data: {"type":"response.completed""#).expect("an end");
    for end in ["", "data: {\"type\":\"error\"}\n\n"] {
        let cut = every_split(&request, format!("{begun}{end}").as_bytes());
        assert_eq!(
            cut.counts.calls[Tool::Search],
            2 + 1,
            "each is told, and one may have begun: {end}"
        );
        let bounded = response(r#","tools":[{"type":"web_search"}],"max_tool_calls":2"#);
        let bounded = every_split(&bounded, format!("{begun}{end}").as_bytes());
        assert_eq!(bounded.counts.calls[Tool::Search], 2, "no more than it may");
    }
    let none = every_split(&response(""), b"data: {\"type\":\"error\"}\n\n");
    assert_eq!(none.counts.calls[Tool::Search], 0, "it may not search");
}

#[test]
fn messages_are_charged_for_what_their_usage_tells() {
    let usage = r#""usage":{"input_tokens":10,"output_tokens":5,"server_tool_use":{"web_search_requests":2}}"#;
    let answer = format!(r#"{{"content":[],{usage}}}"#);
    let request =
        message(r#","tools":[{"type":"web_search_20250305","name":"web_search","max_uses":3}]"#);
    let claude = ("anthropic", "claude-sonnet-4-5");
    let expected = 10 * 3_000 + 5 * 15_000 + 2 * 10_000_000;
    let plain = every_plain_split(&request, answer.as_bytes());
    assert_eq!(cost(&plain.counts, claude), (2, expected));
    let begun = r#"data: {"type":"message_start","message":{"usage":{"input_tokens":10,"output_tokens":1}}}

data: {"type":"content_block_start","content_block":{"type":"server_tool_use","name":"web_search"}}

data: {"type":"content_block_start","content_block":{"type":"server_tool_use","name":"web_search"}}

data: {"type":"content_block_start","content_block":{"type":"server_tool_use","name":"web_search"}}

"#;
    let ended = format!(
        "data: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"end_turn\"}},{usage}}}\n\ndata: {{\"type\":\"message_stop\"}}\n\n"
    );
    let whole = every_split(&request, format!("{begun}{ended}").as_bytes());
    assert_eq!(cost(&whole.counts, claude), (2, expected), "one of them failed");
    let cut = every_split(&request, begun.as_bytes());
    assert_eq!(cut.counts.calls[Tool::Search], 3, "as far as anybody saw");
    let early = begun.split_inclusive("\n\n").next().expect("an event");
    let early = every_split(&request, early.as_bytes());
    assert_eq!(early.counts.calls[Tool::Search], 1, "each is told, and one may have begun");
    let (told, _) = ended.split_once("data: {\"type\":\"message_stop").expect("an end");
    let told = every_split(&request, format!("{begun}{told}").as_bytes());
    assert_eq!((told.ending, told.counts.calls[Tool::Search]), (Ending::Cut, 2), "all is told");
    let absurd = answer.replace(":2}", ":10001}");
    let absurd = every_plain_split(&request, absurd.as_bytes());
    assert_eq!((absurd.basis, absurd.counts.calls[Tool::Search]), (Basis::Implausible, 3));
}

#[test]
fn google_charges_by_the_answer_or_by_the_query() {
    let usage =
        r#""usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":15}"#;
    let found = r#""groundingMetadata":{"searchEntryPoint":{},"webSearchQueries":["a","b"]}"#;
    let answer =
        format!(r#"{{"candidates":[{{"content":{{}},{found},"finishReason":"STOP"}}],{usage}}}"#);
    let stream = format!(
        "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"a\"}}]}},{found}}}]}}\n\ndata: {answer}\n\n"
    );
    for (model, searches, fee) in
        [("gemini-2.5-pro", 1, 35_000_000), ("gemini-3.1-pro-preview", 2, 14_000_000)]
    {
        let plain =
            every_plain_split(&generate(model, r#"{"googleSearch":{}}"#), answer.as_bytes());
        let streamed = every_split(&streamed(model), stream.as_bytes());
        let price = PriceTable::builtin().price("gemini", model).expect("a price");
        let tokens = price.cost(&Counts::tokens(10, 5)).0;
        for counts in [plain.counts, streamed.counts] {
            assert_eq!(cost(&counts, ("gemini", model)), (searches, tokens + searches * fee));
        }
    }
    let early = stream.replacen(&format!(",{found}"), "", 1);
    let (early, _) = early.split_once("\n\n").expect("two events");
    let cut = every_split(&streamed("gemini-3.1-pro-preview"), format!("{early}\n\n").as_bytes());
    assert_eq!((cut.ending, cut.counts.calls[Tool::Search]), (Ending::Cut, ALLOWED_CALLS));
    for (model, most) in [("gemini-2.5-pro", 1), ("gemini-3.1-pro-preview", ALLOWED_CALLS)] {
        let broken = generate(model, r#"{"googleSearch":{}}"#);
        let broken = run_plain(broken.plain_meter(), &answer.as_bytes()[..40], 7);
        assert_eq!(broken.counts.calls[Tool::Search], most, "of an answer that broke off: {model}");
    }
    let none = format!(r#"{{"candidates":[{{"finishReason":"STOP"}}],{usage}}}"#);
    let none =
        every_plain_split(&generate("gemini-2.5-pro", r#"{"googleSearch":{}}"#), none.as_bytes());
    assert_eq!(none.counts.calls[Tool::Search], 0, "it did not search");
    let unforeseen = every_plain_split(&generate("gemini-2.5-pro", ""), answer.as_bytes());
    assert_eq!(
        unforeseen.counts.calls[Tool::Search],
        1,
        "but something that is kept may have made it"
    );
}

#[test]
fn a_chat_with_a_model_that_searches_is_charged_for_one() {
    let answer = r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5}}"#;
    assert_eq!(every_plain_split(&chat(""), answer.as_bytes()).counts.calls[Tool::Search], 1);
    let streaming = chat(r#","stream":true,"stream_options":{"include_usage":true}"#);
    let stream = format!("data: {answer}\n\ndata: [DONE]\n\n");
    assert_eq!(every_split(&streaming, stream.as_bytes()).counts.calls[Tool::Search], 1);
}

#[test]
fn a_model_of_googles_that_is_called_otherwise_is_charged_as_what_it_is() {
    let search = r#"{"googleSearch":{}}"#;
    for (tool, expected) in [(search, (1, false)), (r#"{"googleMaps":{}}"#, (0, true))] {
        let mut generate = generate("house-model", tool);
        generate.rename("gemini-2.5-pro".to_owned());
        assert_eq!(tools(&generate), expected, "{tool}");
    }
    let mut by_query = generate("gemini-2.5-pro", search);
    by_query.rename("gemini-3-flash".to_owned());
    assert_eq!(tools(&by_query), (ALLOWED_CALLS, false));
}

#[test]
fn a_chat_model_that_is_called_otherwise_searches_as_what_it_is() {
    let mut unasked = chat("");
    unasked.rename("gpt-4o".to_owned());
    assert_eq!(tools(&unasked), (0, false), "this one does not search unasked");
    unasked.rename("gpt-4o-search-preview".to_owned());
    assert_eq!(tools(&unasked), (1, false));
    let mut asked = chat(r#","web_search_options":{}"#);
    asked.rename("my-deployment".to_owned());
    assert_eq!(tools(&asked), (1, false));
}

#[test]
fn a_bound_is_believed_only_so_far() {
    let searches = |bounds: &[Option<u64>]| {
        let mut tools = PaidTools::default();
        bounds.iter().for_each(|most| tools.allow(Tool::Search, *most));
        tools.calls[Tool::Search]
    };
    assert_eq!(searches(&[Some(3)]), 3);
    assert_eq!(searches(&[None]), ALLOWED_CALLS);
    assert_eq!(searches(&[Some(0)]), 0);
    assert_eq!(searches(&[Some(u64::MAX), Some(1)]), MAX_TOLD_CALLS + 1);
}
