//! Answers pass as they came, whole and streamed, and are charged to the nano-dollar.

use http::StatusCode;
use http_body_util::BodyExt;

use super::{
    ALL, ANTHROPIC, AZURE, BEDROCK, DEEPGRAM, GEMINI, PLENTY, Provider, RESPONSES, Speech, Step,
    TRANSCRIPTION,
};
use crate::gateway::tests::provider::response;

const SSE: &str = "text/event-stream";
const EVENTS: &str = "application/vnd.amazon.eventstream";

const GEMINI_STREAM: &str =
    include_str!("../../../../../tollgate-meter/fixtures/gemini_stream.txt");

/// What is asked by which body, the type and the bytes of what comes, and what was used.
type Streamed<'a> = (Speech, &'a str, &'a str, &'a [u8], (u64, u64, u64));

/// The head of a stream of that type, and a body that ends with the connection.
fn stream(kind: &str, body: &[u8]) -> Vec<Step> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n");
    let (first, last) = body.split_at(body.len() / 2);
    let steps = [head.into_bytes(), first.to_vec(), last.to_vec()];
    steps.into_iter().map(Step::Send).collect()
}

#[tokio::test]
async fn an_answer_passes_as_it_came_and_is_charged_exactly() {
    for speech in ALL {
        for limits in ["", PLENTY] {
            let provider = speech.provider().await;
            let running = speech.before(&provider, limits).await;
            let request = speech.ask_with(&[("anthropic-version", "2023-06-01")]);
            let answer = running.send(request).await;
            let Speech { dialect, path, body, .. } = speech;
            assert_eq!(answer.status, StatusCode::OK, "{dialect}: {:?}", answer.body);
            assert_eq!(&answer.body[..], speech.answer.as_bytes(), "{dialect}");
            assert_eq!(answer.header("x-tollgate-decision"), Some("admit"));
            assert_eq!(running.used(), speech.used, "{dialect} {path}");
            let sent = provider.request().await;
            assert!(sent.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{sent}");
            assert!(sent.ends_with(&format!("\r\n\r\n{body}")), "as it came: {sent}");
            assert!(sent.contains("anthropic-version: 2023-06-01\r\n"), "{sent}");
        }
    }
}

#[tokio::test]
async fn a_whole_transcription_in_plain_text_is_not_charged_as_one_that_was_cut() {
    let format = "--b\r\ncontent-disposition: form-data; name=\"response_format\"\r\n\r\nsrt\r\n";
    let body: &'static str = format!("{format}{}", TRANSCRIPTION.body).leak();
    let asked = Speech { body, ..TRANSCRIPTION };
    for (length, is_cut) in [(5, false), (50, true)] {
        let head = format!("content-type: text/plain\r\ncontent-length: {length}\r\n");
        let head = format!("HTTP/1.1 200 OK\r\n{head}connection: close\r\n\r\nhello");
        let provider = Provider::doing(vec![Step::Send(head.into_bytes())]).await;
        let running = asked.before(&provider, PLENTY).await;
        let answer = running.begin(asked.ask()).await;
        assert_eq!(answer.into_body().collect().await.is_err(), is_cut);
        // 22 bytes of audio: 2 ms are likely, 30 ms the most, 7 ms between them.
        let cost = if is_cut { 3_000 } else { 700 };
        assert_eq!(running.used(), (0, 0, cost), "{length}");
    }
}

#[tokio::test]
async fn a_stream_passes_as_it_came_and_is_charged_exactly() {
    let array = GEMINI_STREAM.split_terminator("\n\n").filter_map(|it| it.strip_prefix("data: "));
    let array = format!("[{}]\n", array.collect::<Vec<_>>().join("\n,\r\n"));
    let asks_stream = ANTHROPIC.body.replace("{\"model\"", "{\"stream\":true,\"model\"");
    let responds = RESPONSES.body.replace("{\"model\"", "{\"stream\":true,\"model\"");
    let gemini = "/v1beta/models/m:streamGenerateContent";
    let anthropic = include_bytes!("../../../../../tollgate-meter/fixtures/anthropic_stream.txt");
    let converse = include_bytes!("../../../../../tollgate-meter/fixtures/bedrock_converse.bin");
    let llama = include_bytes!("../../../../../tollgate-meter/fixtures/bedrock_invoke_llama.bin");
    let responses = include_bytes!("../../../../../tollgate-meter/fixtures/responses_stream.txt");
    let table: [Streamed<'_>; 6] = [
        // 11 sent, 20 from the cache, 40 made.
        (ANTHROPIC, asks_stream.as_str(), SSE, anthropic, (31, 40, 11_000 + 2_000 + 200_000)),
        (
            Speech { path: "/v1beta/models/m:streamGenerateContent?alt=sse", ..GEMINI },
            GEMINI.body,
            SSE,
            GEMINI_STREAM.as_bytes(),
            (12, 20, 52_000),
        ),
        (
            Speech { path: gemini, ..GEMINI },
            GEMINI.body,
            "application/json",
            array.as_bytes(),
            (12, 20, 52_000),
        ),
        (
            Speech { path: "/model/m/converse-stream", ..BEDROCK },
            BEDROCK.body,
            EVENTS,
            converse,
            (41, 9, 59_000),
        ),
        (
            Speech { path: "/model/m/invoke-with-response-stream", ..BEDROCK },
            r#"{"prompt":"hi","max_gen_len":512}"#,
            EVENTS,
            llama,
            (16, 337, 690_000),
        ),
        (RESPONSES, responds.as_str(), SSE, responses, (37, 11, 59_000)),
    ];
    for (speech, body, kind, streamed, used) in table {
        for limits in ["", PLENTY] {
            let provider = Provider::doing(stream(kind, streamed)).await;
            let running = speech.before(&provider, limits).await;
            let mut request = speech.ask();
            *request.body_mut() = body.to_owned().into();
            let answer = running.send(request).await;
            let path = speech.path;
            assert_eq!(answer.status, StatusCode::OK, "{path}: {:?}", answer.body);
            assert_eq!(&answer.body[..], streamed, "{path} {limits}");
            assert_eq!(answer.header("content-type"), Some(kind));
            assert_eq!(running.used(), used, "{path} {limits}");
        }
    }
}

#[tokio::test]
async fn what_bedrock_tells_in_headers_is_charged() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-amzn-bedrock-input-token-count: 7\r\nx-amzn-bedrock-output-token-count: 5";
    let provider =
        Provider::doing(vec![Step::Send(response(head, "{\"generation\":\"hello\"}"))]).await;
    let invoke =
        Speech { path: "/model/m/invoke", body: r#"{"prompt":"hi","max_gen_len":100}"#, ..BEDROCK };
    let running = invoke.before(&provider, PLENTY).await;
    let answer = running.send(invoke.ask()).await;
    assert_eq!(answer.header("x-amzn-bedrock-input-token-count"), Some("7"));
    assert_eq!(running.used(), (7, 5, 17_000));
}

#[tokio::test]
async fn a_deployment_is_the_model_unless_the_policy_maps_it() {
    let v1 = Speech {
        path: "/openai/v1/chat/completions",
        body: r#"{"model":"chat","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}"#,
        ..AZURE
    };
    let by_path =
        Speech { path: "/openai/deployments/ch%61t/chat/completions?api-version=1", ..AZURE };
    for (speech, model) in
        [(v1, "gpt-4o-mini"), (by_path, "gpt-4o-mini"), (v1, "m"), (by_path, "m")]
    {
        let provider = speech.provider().await;
        let policy = format!("deployments = {{ chat = \"{model}\" }}\n{PLENTY}");
        let running = speech.before(&provider, &policy).await;
        let answer = running.send(speech.ask()).await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        // Azure's own price is $0.15 and $0.60 a million.
        let cost = if model == "m" { 17_000 } else { 7 * 150 + 5 * 600 };
        assert_eq!(running.used(), (7, 5, cost), "{} {model}", speech.path);
        assert!(provider.request().await.ends_with(speech.body), "nothing is changed on its way");
    }
    let provider = v1.provider().await;
    let running = v1.before(&provider, PLENTY).await;
    let answer = running.send(v1.ask()).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "`chat` has no price");
    assert!(provider.is_idle().await);
}

#[tokio::test]
async fn audio_that_is_not_seen_reserves_what_is_likely_where_it_is_not_to_be_bounded() {
    let link = Speech {
        kind: "application/json",
        body: r#"{"url":"https://example.com/a.mp3"}"#,
        ..DEEPGRAM
    };
    let provider = link.provider().await;
    // Five minutes at $0.00007167 a second.
    let budget = |nanos: u64| {
        let limit = format!("[[limits]]\nname = \"spend\"\nusd = \"0.{nanos:09}/day\"\n");
        format!("[estimates]\nopen_input = \"bytes\"\n{limit}")
    };
    let running = link.before(&provider, &budget(21_500_999)).await;
    assert_eq!(running.send(link.ask()).await.status, StatusCode::PAYMENT_REQUIRED);
    let running = link.before(&provider, &budget(21_501_000)).await;
    assert_eq!(running.send(link.ask()).await.status, StatusCode::OK);
    assert_eq!(running.used(), DEEPGRAM.used);
    assert_eq!(running.send(link.ask()).await.status, StatusCode::PAYMENT_REQUIRED);
}

#[tokio::test]
async fn seconds_of_audio_are_counted() {
    let provider = DEEPGRAM.provider().await;
    let limit = "[[limits]]\nname = \"audio\"\nseconds = \"60/hour\"\n";
    let running = DEEPGRAM.before(&provider, limit).await;
    assert_eq!(running.send(DEEPGRAM.ask()).await.status, StatusCode::OK);
    assert_eq!(running.send(DEEPGRAM.ask()).await.status, StatusCode::OK);
    // So many bytes may be 26 seconds.
    let long = Speech { body: Box::leak("a".repeat(20_000).into_boxed_str()), ..DEEPGRAM };
    let refused = running.send(long.ask()).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{:?}", refused.body);
}

#[tokio::test]
async fn a_region_has_its_own_prices() {
    let model = "anthropic.claude-instant-v1";
    let path: &'static str = Box::leak(format!("/model/{model}/converse").into_boxed_str());
    let speech = Speech { path, ..BEDROCK };
    // $2.23 and $7.55 a million in Tokyo, $0.80 and $2.40 elsewhere.
    for (region, cost) in [("ap-northeast-1", 7 * 2_230 + 5 * 7_550), ("x", 7 * 800 + 5 * 2_400)] {
        let provider = speech.provider().await;
        let aws = format!(
            "aws = {{ access_key_id = \"env:A\", secret_access_key = \"env:A\", region = \"{region}\" }}\n"
        );
        let running = speech.before_in(&provider, &format!("{aws}{PLENTY}"), &[("A", "a")]).await;
        assert_eq!(running.send(speech.ask()).await.status, StatusCode::OK);
        assert_eq!(running.used(), (7, 5, cost), "{region}");
    }
}

#[tokio::test]
async fn what_has_no_maximum_that_can_be_lowered_is_refused_instead() {
    let lower = "[estimates]\nplain = \"clamp\"\n[[limits]]\nname = \"made\"\noutput_tokens = \"60/minute\"\n";
    let llama =
        Speech { path: "/model/m/invoke", body: r#"{"prompt":"hi","max_gen_len":100}"#, ..BEDROCK };
    for (speech, expected) in [
        (BEDROCK, StatusCode::OK),
        (AZURE, StatusCode::OK),
        (GEMINI, StatusCode::OK),
        (llama, StatusCode::TOO_MANY_REQUESTS),
    ] {
        let provider = speech.provider().await;
        let running = speech.before(&provider, lower).await;
        let answer = running.send(speech.ask()).await;
        assert_eq!(answer.status, expected, "{}: {:?}", speech.path, answer.body);
        if expected == StatusCode::OK {
            let sent = provider.request().await;
            assert!(sent.contains(":60") && !sent.contains(":100"), "{sent}");
        }
    }
}
