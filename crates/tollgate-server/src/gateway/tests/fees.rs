//! What providers charge by the call for tools of their own: reserved, settled, and refused
//! where nobody knows what it costs.

use http::StatusCode;

use super::{
    Provider, Running, post,
    running::{Answer, up},
};

/// A cent for each search.
const PRICE: &str = "[prices.models.s]\ninput = \"1\"\noutput = \"2\"\nsearch = \"0.01\"\n";
const CENT: u64 = 10_000_000;

/// It searched twice, read a page once, and used 7 and 5 tokens.
pub(super) const ANSWER: &str = r#"{"output":[{"type":"web_search_call","action":{"type":"search"}},{"type":"web_search_call","action":{"type":"open_page"}},{"type":"web_search_call","action":{"type":"search"}}],"usage":{"input_tokens":7,"output_tokens":5,"total_tokens":12}}"#;
const COST: u64 = 7 * 1_000 + 5 * 2_000 + 2 * CENT;

pub(super) fn stream() -> String {
    let call = |action| {
        let added = r#"{"type":"response.output_item.added","item":{"type":"web_search_call"}}"#;
        let done = format!(
            r#"{{"type":"response.output_item.done","item":{{"type":"web_search_call","action":{{"type":"{action}"}}}}}}"#
        );
        format!("data: {added}\n\ndata: {done}\n\n")
    };
    let usage = r#"{"input_tokens":7,"output_tokens":5,"total_tokens":12}"#;
    let end =
        format!("data: {{\"type\":\"response.completed\",\"response\":{{\"usage\":{usage}}}}}\n\n");
    ["search", "open_page", "search"].map(call).concat() + &end
}

async fn ask(running: &Running, model: &str, members: &str) -> Answer {
    let body = format!(r#"{{"model":"{model}","input":"hi","max_output_tokens":10{members}}}"#);
    running.send(post("/up/v1/responses", body)).await
}

const SEARCH: &str = r#","tools":[{"type":"web_search"}],"max_tool_calls":3"#;

fn budget(usd: &str) -> String {
    format!("[[limits]]\nname = \"spend\"\nusd = \"{usd}/day\"\n")
}

#[tokio::test]
async fn searches_are_settled_to_the_nano_dollar_plain_and_streamed() {
    let plain = Provider::json(ANSWER).await;
    let streaming = Provider::events(&stream()).await;
    for (provider, members) in
        [(&plain, SEARCH.to_owned()), (&streaming, format!(r#"{SEARCH},"stream":true"#))]
    {
        let policy = format!("{}{PRICE}{}", up(&provider.base_url()), budget("1"));
        let running = Running::with(&policy).await;
        let answer = ask(&running, "s", &members).await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        assert_eq!(running.used(), (7, 5, COST));
    }
}

#[tokio::test]
async fn what_may_be_searched_is_reserved_by_the_requests_own_bound() {
    let provider = Provider::json(ANSWER).await;
    // Enough for three searches, and not for four.
    let policy = format!("{}{PRICE}{}", up(&provider.base_url()), budget("0.035"));
    let running = Running::with(&policy).await;
    let many = SEARCH.replace(":3", ":4");
    let refused = ask(&running, "s", &many).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let unbounded = ask(&running, "s", r#","tools":[{"type":"web_search"}]"#).await;
    assert_eq!(unbounded.status, StatusCode::TOO_MANY_REQUESTS, "five are taken to be made");
    assert!(provider.is_idle().await, "nothing was sent");
    assert_eq!(ask(&running, "s", SEARCH).await.status, StatusCode::OK);
    assert_eq!(running.used().2, COST);
}

#[tokio::test]
async fn a_tool_without_a_price_is_as_a_model_without_one() {
    let provider = Provider::json(ANSWER).await;
    let with = |more: &str| format!("{}{PRICE}{more}", up(&provider.base_url()));
    let maps = r#","tools":[{"type":"file_search"}]"#;
    let running = Running::with(&with(&budget("1"))).await;
    for (model, members) in [("s", maps), ("m", SEARCH)] {
        let refused = ask(&running, model, members).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{model}{members}");
        let error = &refused.json()["error"];
        assert_eq!((&error["code"], &error["param"]), (&"model_unpriced".into(), &"tools".into()));
    }
    assert_eq!(ask(&running, "m", "").await.status, StatusCode::OK, "it enables none");
    let unbudgeted = Running::with(&with("")).await;
    assert_eq!(ask(&unbudgeted, "m", SEARCH).await.status, StatusCode::OK);
    assert_eq!(unbudgeted.used().2, 17_000, "its tokens alone");
    let assume =
        "[prices]\nunpriced = { assume = { input = \"9\", output = \"9\", search = \"0.02\" } }\n";
    let assumed = Running::with(&with(&format!("{assume}{}", budget("1")))).await;
    assert_eq!(ask(&assumed, "m", SEARCH).await.status, StatusCode::OK);
    assert_eq!(assumed.used().2, 17_000 + 2 * 2 * CENT, "its own tokens, and what is assumed");
}

#[tokio::test]
async fn tools_that_something_kept_may_enable_are_reserved_and_charged() {
    const PROMPT: &str = r#","prompt":{"id":"pmpt_1"}"#;
    const BOUND: &str = r#","prompt":{"id":"pmpt_1"},"max_tool_calls":3"#;
    let provider = Provider::json(ANSWER).await;
    let with = |more: &str| format!("{}{PRICE}{more}", up(&provider.base_url()));
    let running = Running::with(&with(&budget("1"))).await;
    let refused = ask(&running, "s", PROMPT).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "nobody knows what it enables");
    let error = &refused.json()["error"];
    assert_eq!((&error["code"], &error["param"]), (&"model_unpriced".into(), &"prompt".into()));
    assert!(provider.is_idle().await, "nothing was sent");
    let unbudgeted = Running::with(&with("")).await;
    assert_eq!(ask(&unbudgeted, "s", PROMPT).await.status, StatusCode::OK);
    assert_eq!(unbudgeted.used(), (7, 5, COST), "what the answer tells is charged");
    let free = "[estimates]\nopen_input = \"bytes\"\n[prices]\nunpriced = \"free\"\n";
    let trusting = Running::with(&with(&format!("{free}{}", budget("0.035")))).await;
    let many = ask(&trusting, "s", PROMPT).await;
    assert_eq!(many.status, StatusCode::TOO_MANY_REQUESTS, "five are taken to be made");
    assert_eq!(ask(&trusting, "s", BOUND).await.status, StatusCode::OK);
    assert_eq!(trusting.used().2, COST);
}
