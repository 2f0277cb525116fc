//! What requests reserve of a budget: never less than they use, and little more.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::Notify;

use super::{
    CHAT, CHAT_INPUT_BOUND, COMPLETION, Provider, Running, STREAM, Step,
    named::{FORM_TYPE, form},
    post,
    provider::{chunk, end, response, stream_head},
    running::up,
};

const EVENT: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"abc\"}}],\"usage\":null}\n\n";
const DONE: &str = "data: [DONE]\n\n";

/// What a token of output costs, in nano-dollars; one of input costs half.
const OUTPUT: u64 = 2_000;

/// So many events, each a token, with the usage at their end.
fn answer(tokens: u64) -> String {
    let usage = format!(
        "data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":7,\"completion_tokens\":{tokens}}}}}\n\n"
    );
    [&EVENT.repeat(tokens as usize), usage.as_str(), DONE].concat()
}

/// A gateway before this provider with so many nano-dollars a day.
async fn before(provider: &Provider, nanos: u64, more: &str) -> Running {
    let limit = format!("[[limits]]\nname = \"spend\"\nusd = \"0.{nanos:09}/day\"\n");
    Running::with(&format!("{}{limit}{more}", up(&provider.base_url()))).await
}

/// A budget for the input and so many tokens of output.
const fn budget(tokens: u64) -> u64 {
    CHAT_INPUT_BOUND * 1_000 + tokens * OUTPUT
}

/// The request of somebody who does not wait.
fn hasty(body: &'static str) -> Request<Full<Bytes>> {
    let mut request = post("/up/v1/chat/completions", body);
    request.headers_mut().insert("x-tollgate-deadline-ms", HeaderValue::from_static("0"));
    request
}

#[tokio::test]
async fn a_stream_asks_for_more_as_it_goes_and_is_charged_what_it_used() {
    let provider = Provider::events(&answer(90)).await;
    let running = before(&provider, budget(100), "").await;
    let answer = running.chat(STREAM).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.ends_with(DONE.as_bytes()), "it came whole");
    assert_eq!(running.used(), (7, 90, 7_000 + 90 * OUTPUT));
    assert_eq!(running.app.metrics.totals().overrun_usd.0, 0);
}

#[tokio::test]
async fn a_stream_reserves_a_slice_and_leaves_the_rest_to_others() {
    let go = Arc::new(Notify::new());
    let steps = vec![
        Step::Send(stream_head()),
        Step::Send(chunk(EVENT)),
        Step::Wait(Arc::clone(&go)),
        Step::Send(chunk(&[EVENT, DONE].concat())),
        Step::Send(end()),
    ];
    let provider = Provider::doing(steps).await;
    // The worst case of one leaves nothing for another.
    let running = before(&provider, budget(100), "").await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let response = running.begin(hasty(STREAM)).await;
        assert_eq!(response.status(), StatusCode::OK);
        streams.push(response);
    }
    for stream in streams {
        go.notify_one();
        let body = stream.into_body().collect().await.expect("a whole body").to_bytes();
        assert!(body.ends_with(DONE.as_bytes()));
    }
}

#[tokio::test]
async fn a_stream_that_can_have_no_more_ends_with_an_error_and_pays_for_what_passed() {
    let steps = vec![Step::Send(stream_head()), Step::Send(chunk(&answer(90))), Step::Hang];
    let provider = Provider::doing(steps).await;
    let running = before(&provider, budget(40), "").await;
    let answer = running.chat(STREAM).await;
    assert_eq!(answer.status, StatusCode::OK, "it had begun");
    let text = std::str::from_utf8(&answer.body).expect("text");
    let passed = text.matches("abc").count() as u64;
    assert!((36..=40).contains(&passed), "{passed} of 40");
    let error = text.rsplit("\n\n").nth(1).and_then(|event| event.strip_prefix("data: "));
    let error: serde_json::Value = serde_json::from_str(error.expect("an event")).expect("JSON");
    assert_eq!(error["error"]["type"], "insufficient_quota");
    let message = error["error"]["message"].as_str().expect("a message");
    assert!(message.starts_with("Budget exhausted: spend"), "{message}");
    assert!(!text.contains("[DONE]"), "it does not look complete");
    let (_, output, cost) = running.used();
    assert_eq!(output, passed, "what passed is what is charged");
    assert!(cost <= budget(40) && cost >= output * OUTPUT, "{cost}");
    assert_eq!(running.app.metrics.totals().overrun_usd.0, 0);
    provider.closed().await;
}

#[tokio::test]
async fn a_request_waits_for_what_others_have_reserved() {
    let go = Arc::new(Notify::new());
    let json = response("HTTP/1.1 200 OK\r\ncontent-type: application/json", COMPLETION);
    let steps = vec![Step::Wait(Arc::clone(&go)), Step::Send(json)];
    let provider = Provider::doing(steps).await;
    // For the most of one at a time; each uses 17,000.
    let running = Arc::new(before(&provider, budget(100) + 40_000, "").await);
    let ask = |running: Arc<Running>| tokio::spawn(async move { running.chat(CHAT).await.status });
    let first = ask(Arc::clone(&running));
    provider.request().await;
    let refused = running.send(hasty(CHAT)).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.json()["error"]["code"], "rate_limit_exceeded", "it is not spent");
    assert_eq!(refused.header("x-should-retry"), None);
    let second = ask(Arc::clone(&running));
    while running.app.gate.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    go.notify_one();
    assert_eq!(first.await.expect("an answer"), StatusCode::OK);
    provider.request().await;
    go.notify_one();
    assert_eq!(second.await.expect("an answer"), StatusCode::OK);
    assert_eq!(running.used().2, 2 * 17_000);
}

#[tokio::test]
async fn what_cannot_be_metered_reserves_the_most_that_it_may_be() {
    let provider = Provider::json(COMPLETION).await;
    let running = before(&provider, budget(100) - 1, "").await;
    let refused = running.chat(CHAT).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(provider.is_idle().await, "nothing was sent");
    let running = before(&provider, budget(100), "").await;
    assert_eq!(running.chat(CHAT).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_transcription_reserves_what_its_audio_can_be_written_as() {
    let heard = r#"{"text":"hi","usage":{"type":"tokens","input_tokens":10,"output_tokens":5,"total_tokens":15}}"#;
    let priced = |most| {
        format!("[prices.models.t]\ninput = \"1\"\noutput = \"2\"\nmax_output_tokens = {most}\n")
    };
    // A second is heard as ten tokens, and written as 256 and 25 at most.
    let by_length = 10_000 + (256 + 25) * OUTPUT;
    for (most, reserved) in [(2_000, by_length), (100, 10_000 + 100 * OUTPUT)] {
        for (budget, expected) in
            [(reserved, StatusCode::OK), (reserved - 1, StatusCode::TOO_MANY_REQUESTS)]
        {
            let provider = Provider::json(heard).await;
            let running = before(&provider, budget, &priced(most)).await;
            let request = Request::post("/up/v1/audio/transcriptions")
                .header("content-type", FORM_TYPE)
                .body(Full::new(Bytes::from(form("t"))))
                .expect("a request");
            assert_eq!(running.send(request).await.status, expected, "{most} {budget}");
        }
    }
}

#[tokio::test]
async fn a_maximum_is_lowered_to_what_is_left_where_the_policy_says_so() {
    let provider = Provider::json(COMPLETION).await;
    let clamp = "[estimates]\nplain = \"clamp\"\n";
    let running = before(&provider, budget(140), clamp).await;
    // Each uses 17,000 of 298,000: what is left has room for so many beside the input.
    for room in [140, 131, 123, 114, 106, 97, 89, 80] {
        let answer = running.chat(CHAT).await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        let request = provider.request().await;
        let most = room.min(100);
        assert!(request.contains(&format!("\"max_tokens\":{most},")), "{room}: {request}");
    }
}

#[tokio::test]
async fn a_model_that_thinks_reserves_what_it_may_think() {
    let provider = Provider::events(&answer(10)).await;
    let priced = "[prices.models.o3-x]\ninput = \"1\"\noutput = \"2\"\n";
    let running = before(&provider, budget(99) - 10_000, priced).await;
    let thinking = STREAM.replace("\"m\"", "\"o3-x\"");
    assert_eq!(running.chat(STREAM).await.status, StatusCode::OK);
    assert_eq!(running.chat(&thinking).await.status, StatusCode::TOO_MANY_REQUESTS);
    let asked = STREAM.replace("\"m\"", "\"m\",\"reasoning_effort\":\"high\"");
    assert_eq!(running.chat(&asked).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_model_that_thinks_and_has_no_maximum_reserves_what_is_assumed() {
    let provider = Provider::events(&answer(10)).await;
    let priced = "[prices.models.gemini-3-x]\ninput = \"1\"\noutput = \"2\"\n";
    let thinking = STREAM.replace("\"m\",\"max_tokens\":100", "\"gemini-3-x\"");
    let running = before(&provider, budget(4_096) - 1, priced).await;
    assert_eq!(running.chat(&thinking).await.status, StatusCode::TOO_MANY_REQUESTS);
    let running = before(&provider, budget(4_096), priced).await;
    assert_eq!(running.chat(&thinking).await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_leaves_a_model_that_thinks_pays_what_it_usually_makes() {
    let steps = vec![Step::Send(stream_head()), Step::Send(chunk(EVENT)), Step::Hang];
    let provider = Provider::doing(steps).await;
    let priced = "[prices.models.o3-x]\ninput = \"1\"\noutput = \"2\"\n";
    let thinking = STREAM.replace("\"m\"", "\"o3-x\"");
    // What is reserved, where nothing is known.
    for (known, expected) in [(0, 100..101), (20, 40..48)] {
        let running = before(&provider, 900_000_000, priced).await;
        let lesson = tollgate_meter::Lesson {
            output_tokens: 40,
            hidden_tokens: 39,
            ..tollgate_meter::Lesson::default()
        };
        (0..known).for_each(|_| running.app.lessons.note("", "o3-x", &lesson));
        let mut answer = running.begin(post("/up/v1/chat/completions", thinking.clone())).await;
        answer.body_mut().frame().await.expect("a frame").expect("no error");
        drop(answer);
        provider.closed().await;
        while running.used() == (0, 0, 0) {
            tokio::task::yield_now().await;
        }
        assert!(expected.contains(&running.used().1), "{:?}", running.used());
    }
}

#[tokio::test]
async fn answers_teach_what_the_next_will_use() {
    let provider = Provider::events(&answer(40)).await;
    let running = before(&provider, 900_000_000, "").await;
    for _ in 0..20 {
        assert_eq!(running.chat(STREAM).await.status, StatusCode::OK);
    }
    let usual = running.app.lessons.ask("m", |learned| learned.output("", "m", 0.9));
    assert!(usual.is_some_and(|usual| (40..48).contains(&usual)), "{usual:?}");
    let sent = running.app.lessons.ask("m", |learned| learned.input("m", CHAT_INPUT_BOUND));
    assert!(sent.is_some_and(|sent| (7..=CHAT_INPUT_BOUND).contains(&sent)), "{sent:?}");
}

#[tokio::test]
async fn an_estimate_of_what_was_sent_is_no_more_than_what_is_reserved_for_it() {
    let provider = Provider::events(EVENT).await;
    let running = before(&provider, 900_000_000, "").await;
    // Text so plain that less is reserved for it than an estimate by its bytes would be.
    let lesson = tollgate_meter::Lesson {
        sent_bytes: 5_000,
        input_tokens: 1_000,
        output_tokens: 1,
        ..Default::default()
    };
    (0..20).for_each(|_| running.app.lessons.note("", "m", &lesson));
    let text = STREAM.replace("hi", &"five ".repeat(800));
    assert_eq!(running.chat(&text).await.status, StatusCode::OK);
    let (input, output, _) = running.used();
    assert!((800..1_300).contains(&input) && output > 0, "{input} and {output}");
    assert_eq!(running.app.metrics.totals().overrun_usd.0, 0);
}

#[tokio::test]
async fn a_stream_waits_for_what_a_rate_refills_soon() {
    let steps = vec![Step::Send(stream_head()), Step::Send(chunk(&answer(90))), Step::Send(end())];
    let provider = Provider::doing(steps).await;
    let limit = format!("[[limits]]\nname = \"rate\"\ntokens = \"{}/3s\"\n", CHAT_INPUT_BOUND + 60);
    let running = Running::with(&format!("{}{limit}", up(&provider.base_url()))).await;
    let mut answer = running.begin(post("/up/v1/chat/completions", STREAM)).await;
    let mut seen = Vec::new();
    while String::from_utf8_lossy(&seen).matches("abc").count() < 50 {
        let frame = answer.body_mut().frame().await.expect("a frame").expect("no error");
        seen.extend_from_slice(frame.data_ref().expect("data"));
    }
    assert!(!seen.ends_with(DONE.as_bytes()), "there is no room for the rest");
    running.advance(std::time::Duration::from_secs(4));
    seen.extend_from_slice(&answer.into_body().collect().await.expect("the rest").to_bytes());
    assert!(seen.ends_with(DONE.as_bytes()), "it came whole");
    assert_eq!(running.used().1, 90);
}

#[tokio::test]
async fn a_piece_of_many_events_does_not_make_the_next_event_large() {
    // Most of it passes in large pieces, since all that they may bring is reserved; the rest
    // event by event, to the last token that is paid for.
    let provider = Provider::events(&answer(14_000)).await;
    let running = before(&provider, budget(13_000), "").await;
    let long = STREAM.replace("\"max_tokens\":100", "\"max_tokens\":100000");
    let text = running.chat(&long).await.body;
    let passed = std::str::from_utf8(&text).expect("text").matches("abc").count();
    assert!((12_990..=13_000).contains(&passed), "{passed} of 13,000");
    assert_eq!(running.app.metrics.totals().overrun_usd.0, 0);
}
