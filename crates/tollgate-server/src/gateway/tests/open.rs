//! Requests whose provider reads more than their body has: no limit is passed by them, and few
//! are refused that would have fitted.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::Semaphore;

use super::{
    Provider, Running, Step, post,
    provider::{chunk, response, stream_head},
    running::{Answer, up},
};

/// Goes on with a conversation that its provider has kept.
const ASK: &str =
    r#"{"model":"w","max_output_tokens":100,"input":"hi","previous_response_id":"r"}"#;

/// The most that the model reads, in tokens of a thousand nano-dollars each.
const MOST: u64 = 5_000;

/// What its answer may cost: a hundred tokens, of two thousand each.
const OUTPUT: u64 = 200_000;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json";

/// An answer that read so many tokens.
fn answer(read: u64) -> String {
    format!(
        r#"{{"id":"r2","object":"response","status":"completed","output":[],"usage":{{"input_tokens":{read},"output_tokens":5,"output_tokens_details":{{"reasoning_tokens":0}},"total_tokens":{}}}}}"#,
        read + 5
    )
}

/// A provider that reads so much for each request, once it is let.
async fn reading(tokens: u64, go: &Arc<Semaphore>) -> Provider {
    let steps = vec![Step::Hold(Arc::clone(go)), Step::Send(response(HEAD, &answer(tokens)))];
    Provider::doing(steps).await
}

async fn before(provider: &Provider, how: &str, limit: &str) -> Running {
    Running::with(&format!(
        "{}[prices.models.w]\ninput = \"1\"\noutput = \"2\"\nmax_input_tokens = {MOST}\n\
         [estimates]\nopen_input = \"{how}\"\n[[limits]]\nname = \"few\"\n{limit}\n",
        up(&provider.base_url())
    ))
    .await
}

fn usd(nanos: u64) -> String {
    format!("usd = \"0.{nanos:09}/day\"")
}

/// Asked by somebody who does not wait.
fn hasty() -> Request<Full<Bytes>> {
    let mut request = post("/up/v1/responses", ASK);
    request.headers_mut().insert("x-tollgate-deadline-ms", HeaderValue::from_static("0"));
    request
}

fn held(answer: &Answer) -> u64 {
    answer.header("x-tollgate-open-input").map_or(0, |held| held.parse().expect("a number"))
}

fn open_gate() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(1_000))
}

#[tokio::test]
async fn what_the_model_may_read_is_held_and_what_it_did_not_read_comes_back() {
    let provider = reading(900, &open_gate()).await;
    for how in ["maximum", "learned"] {
        let budget = MOST * 1_000 + OUTPUT;
        let running = before(&provider, how, &usd(budget)).await;
        let first = running.send(hasty()).await;
        assert_eq!(first.status, StatusCode::OK, "{:?}", first.body);
        assert!((MOST - 100..MOST).contains(&held(&first)), "{}", held(&first));
        assert_eq!(running.used(), (900, 5, 910_000));
    }
}

#[tokio::test]
async fn a_limit_that_could_never_give_the_maximum_refuses_it_and_says_why() {
    let provider = reading(900, &open_gate()).await;
    let running = before(&provider, "maximum", &usd(MOST * 1_000 + OUTPUT - 1)).await;
    let refused = running.send(hasty()).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let message = refused.json()["error"]["message"].as_str().expect("a message").to_owned();
    assert!(
        message.contains("tokens more than it sends, since its provider may read"),
        "{message}"
    );
    assert!(provider.is_idle().await, "nothing was sent");
}

#[tokio::test]
async fn however_many_come_at_once_no_budget_is_passed() {
    for (how, read, requests) in [
        ("maximum", MOST, 1),
        ("maximum", MOST, 3),
        ("maximum", 40, 7),
        ("learned", MOST, 1),
        ("learned", MOST, 4),
        ("learned", 2_600, 9),
        ("learned", 40, 30),
    ] {
        let go = Arc::new(Semaphore::new(0));
        let provider = reading(read, &go).await;
        // Something is left over each time, so that the last one does not fit exactly.
        let budget = requests * (read * 1_000 + OUTPUT) + MOST * 1_000 + OUTPUT / 2;
        let running = before(&provider, how, &usd(budget)).await;
        let crowd: Vec<_> =
            (0..40).map(|_| tokio::spawn(running.sending(post("/up/v1/responses", ASK)))).collect();
        go.add_permits(40);
        let mut served = 0;
        for one in crowd {
            let answer = one.await.expect("an answer");
            served += u64::from(answer.status == StatusCode::OK);
        }
        let totals = running.app.metrics.totals();
        assert!(totals.cost_usd.0 <= budget, "{how} {read}: {} of {budget}", totals.cost_usd.0);
        assert_eq!(totals.overrun_usd.0, 0, "{how} {read}");
        assert!(served >= requests, "{how} {read}: {served} of {requests}");
    }
}

#[tokio::test]
async fn what_such_requests_read_of_late_is_what_the_next_ones_hold() {
    let provider = reading(600, &open_gate()).await;
    let running = before(&provider, "learned", &usd(900_000_000)).await;
    for _ in 0..8 {
        assert!(held(&running.send(hasty()).await) > MOST - 100, "nobody knows yet");
    }
    let next = running.send(hasty()).await;
    assert!((1_200..1_500).contains(&held(&next)), "{}", held(&next));
}

#[tokio::test]
async fn a_limit_smaller_than_the_maximum_gives_half_of_what_it_has_left() {
    let go = Arc::new(Semaphore::new(0));
    let provider = reading(30, &go).await;
    let running = before(&provider, "learned", "tokens = \"4200/minute\"").await;
    let first = tokio::spawn(running.sending(hasty()));
    provider.request().await;
    let second = tokio::spawn(running.sending(hasty()));
    provider.request().await;
    go.add_permits(2);
    let (first, second) = (first.await.expect("an answer"), second.await.expect("an answer"));
    assert_eq!((first.status, second.status), (StatusCode::OK, StatusCode::OK));
    assert!((2_000..2_100).contains(&held(&first)), "{}", held(&first));
    // A page at least, so that who is refused is told when there will be as much.
    assert_eq!(held(&second), 1_000);
    let strict = before(&provider, "maximum", "tokens = \"4200/minute\"").await;
    assert_eq!(strict.send(hasty()).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_limit_that_could_give_the_maximum_gives_all_of_it_or_nothing() {
    let provider = reading(MOST, &open_gate()).await;
    let running = before(&provider, "learned", &usd(2 * MOST * 1_000)).await;
    assert_eq!(running.send(hasty()).await.status, StatusCode::OK);
    let refused = running.send(hasty()).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "a part of it would be a risk");
}

#[tokio::test]
async fn by_its_bytes_it_passes_and_what_was_read_beyond_them_is_told() {
    let provider = reading(MOST, &open_gate()).await;
    let running = before(&provider, "bytes", &usd(400_000)).await;
    let answer = running.send(hasty()).await;
    assert_eq!((answer.status, held(&answer)), (StatusCode::OK, 0));
    assert!(running.app.metrics.totals().overrun_usd.0 > 4_000_000);
}

#[tokio::test]
async fn it_is_refused_where_the_policy_says_so_and_it_would_be_counted() {
    let provider = reading(30, &open_gate()).await;
    let running = before(&provider, "refuse", &usd(900_000_000)).await;
    let refused = running.send(hasty()).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let message = refused.json()["error"]["message"].as_str().expect("a message").to_owned();
    assert!(message.contains("beyond its body"), "{message}");
    let whole = ASK.replace(r#","previous_response_id":"r""#, "");
    let answer = running.send(post("/up/v1/responses", whole)).await;
    assert_eq!(answer.status, StatusCode::OK);
    let uncounted = before(&provider, "refuse", "requests = \"10/minute\"").await;
    assert_eq!(uncounted.send(hasty()).await.status, StatusCode::OK);
}

/// Has a provider fetch audio that is three seconds long, so often, where so many may be heard.
async fn fetched(how: &str, seconds: u64, times: usize) -> StatusCode {
    let provider = Provider::answering(HEAD, r#"{"metadata":{"duration":3},"results":{}}"#).await;
    let policy = format!(
        "[providers.ears]\ndialect = \"deepgram\"\nbase_url = \"http://{}\"\n\
         [estimates]\nopen_input = \"{how}\"\n[[limits]]\nname = \"heard\"\nseconds = \"{seconds}/day\"\n",
        provider.address
    );
    let running = Running::with(&policy).await;
    let mut last = StatusCode::OK;
    for _ in 0..times {
        let link = post("/ears/v1/listen?model=nova-3", r#"{"url":"https://a.example/b.wav"}"#);
        last = running.send(link).await.status;
    }
    last
}

#[tokio::test]
async fn audio_that_a_provider_fetches_has_no_maximum_that_could_be_held() {
    for (how, expected) in [
        ("learned", StatusCode::OK),
        ("bytes", StatusCode::OK),
        ("maximum", StatusCode::BAD_REQUEST),
        ("refuse", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(fetched(how, 900, 1).await, expected, "{how}");
    }
}

#[tokio::test]
async fn such_audio_holds_half_a_day_or_half_of_a_limit_or_what_it_was_of_late() {
    const HALF_A_DAY: u64 = 43_200;
    let refused = StatusCode::TOO_MANY_REQUESTS;
    assert_eq!(fetched("learned", HALF_A_DAY, 1).await, StatusCode::OK);
    assert_eq!(fetched("learned", HALF_A_DAY, 2).await, refused, "three seconds are missing");
    assert_eq!(fetched("learned", 900, 8).await, StatusCode::OK, "it is narrowed");
    assert_eq!(fetched("learned", HALF_A_DAY - 1, 20).await, StatusCode::OK);
    assert_eq!(fetched("bytes", 300, 1).await, StatusCode::OK, "as long as is likely");
    assert_eq!(fetched("bytes", 302, 2).await, refused);
}

#[tokio::test]
async fn who_leaves_before_it_is_told_what_was_read_pays_what_is_usual_or_held() {
    let event = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n";
    let steps = vec![Step::Send(stream_head()), Step::Send(chunk(event)), Step::Hang];
    let provider = Provider::doing(steps).await;
    for (known, expected) in [(0, MOST..MOST + 1), (10, 700..840)] {
        let running = before(&provider, "learned", &usd(900_000_000)).await;
        let lesson = tollgate_meter::Lesson {
            input_tokens: 700,
            output_tokens: 5,
            opened: 700,
            ..Default::default()
        };
        (0..known).for_each(|_| running.app.lessons.note("", "w", &lesson));
        let stream = ASK.replace("\"w\"", "\"w\",\"stream\":true");
        let mut answer = running.begin(post("/up/v1/responses", stream)).await;
        answer.body_mut().frame().await.expect("a frame").expect("no error");
        drop(answer);
        provider.closed().await;
        while running.used() == (0, 0, 0) {
            tokio::task::yield_now().await;
        }
        assert!(expected.contains(&running.used().0), "{:?}", running.used());
    }
}

#[tokio::test]
async fn what_was_told_to_be_read_is_charged_though_the_rest_was_not_told() {
    let event = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":4000,\"output_tokens\":1}}}\n\n";
    let steps = vec![Step::Send(stream_head()), Step::Send(chunk(event)), Step::Hang];
    let provider = Provider::doing(steps).await;
    let policy = format!(
        "[providers.ant]\ndialect = \"anthropic\"\nbase_url = \"http://{}\"\n\
         [estimates]\nopen_input = \"bytes\"\n[[limits]]\nname = \"few\"\nusd = \"1/day\"\n",
        provider.address
    );
    let running = Running::with(&policy).await;
    let body = r#"{"model":"m","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"hi"}],"mcp_servers":[]}"#;
    let mut answer = running.begin(post("/ant/v1/messages", body)).await;
    answer.body_mut().frame().await.expect("a frame").expect("no error");
    drop(answer);
    provider.closed().await;
    while running.used() == (0, 0, 0) {
        tokio::task::yield_now().await;
    }
    assert_eq!(running.used().0, 4_000);
}

#[tokio::test]
async fn whatever_the_simulated_provider_reads_no_budget_is_passed() {
    for seed in 0..6_u64 {
        // Whatever the model can read; and what is like what was read before.
        let (how, least) = if seed % 2 == 0 { ("maximum", 10) } else { ("learned", MOST / 2) };
        let mut drawn = seed;
        let mut draw = |below: u64| {
            drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (drawn >> 33) % below
        };
        let budget = MOST * 1_000 + OUTPUT + draw(30) * 1_000_000;
        let running = Running::with(&format!(
            "[prices.models.w]\ninput = \"1\"\noutput = \"2\"\nmax_input_tokens = {MOST}\n\
             [estimates]\nopen_input = \"{how}\"\n[[limits]]\nname = \"few\"\n{}\n",
            usd(budget)
        ))
        .await;
        let crowd: Vec<_> = (0..24)
            .map(|_| {
                let mut request = post("/sandbox/v1/responses", ASK);
                let read = (least + draw(MOST + 1 - least)).into();
                request.headers_mut().insert("x-sandbox-input-tokens", read);
                request.headers_mut().insert("x-sandbox-output-tokens", 100.into());
                tokio::spawn(running.sending(request))
            })
            .collect();
        for one in crowd {
            one.await.expect("an answer");
        }
        let totals = running.app.metrics.totals();
        assert!(totals.cost_usd.0 <= budget, "{how}: {} of {budget}", totals.cost_usd.0);
        assert!(totals.cost_usd.0 > 0 && totals.overrun_usd.0 == 0, "{how}");
    }
}
