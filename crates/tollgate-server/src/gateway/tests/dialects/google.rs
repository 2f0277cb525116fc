//! What Google's parameters of the system may do to a request, and what they may not.

use http::{Request, StatusCode};
use http_body_util::Full;

use super::{GEMINI, PLENTY, Provider, Speech};

#[tokio::test]
async fn nobody_hides_the_usage_by_a_parameter() {
    for (query, passed) in [
        ("fields=candidates(content)", ""),
        ("%66ields=candidates&alt=json", "?alt=json"),
        ("$fields=candidates&key=a", "?key=a"),
        ("alt=proto&%24alt=json", "?alt=json"),
        ("alt=media", ""),
        ("callback=f&$httpMethod=GET&$alt=s%73e&alt=json", "?alt=sse"),
    ] {
        let provider = GEMINI.provider().await;
        let running = GEMINI.before(&provider, PLENTY).await;
        let path: &'static str = Box::leak(format!("{}?{query}", GEMINI.path).into_boxed_str());
        let request = Speech { path, ..GEMINI }.ask_with(&[("x-goog-fieldmask", "candidates")]);
        assert_eq!(running.send(request).await.status, StatusCode::OK, "{query}");
        let sent = provider.request().await;
        assert!(sent.starts_with(&format!("POST {}{passed} HTTP/1.1\r\n", GEMINI.path)), "{sent}");
        assert!(!sent.contains("fieldmask"), "{sent}");
    }
}

#[tokio::test]
async fn a_list_is_read_page_by_page_and_by_no_other_method() {
    let provider = GEMINI.provider().await;
    let running = GEMINI.before(&provider, PLENTY).await;
    let path = "/v1beta/interactions?pageSize=2&%24httpMethod=POST&pageToken=a&alt=media";
    let request = Request::get(format!("/up{path}")).body(Full::default()).expect("a request");
    assert_eq!(running.send(request).await.status, StatusCode::OK);
    let sent = provider.request().await;
    let expected = "GET /v1beta/interactions?pageSize=2&pageToken=a&alt=media HTTP/1.1\r\n";
    assert!(sent.starts_with(expected), "{sent}");
}

#[tokio::test]
async fn an_answer_without_its_usage_is_charged_what_was_reserved() {
    let told = GEMINI.answer.find(",\"usageMetadata\"").expect("usage");
    let provider = Provider::json(&format!("{}}}", &GEMINI.answer[..told])).await;
    let running = GEMINI.before(&provider, PLENTY).await;
    assert_eq!(running.send(GEMINI.ask()).await.status, StatusCode::OK);
    assert_eq!(running.used().1, 100, "the most that was asked for");
    // Embeddings need tell nothing.
    let embed = Speech {
        path: "/v1beta/models/m:embedContent",
        body: r#"{"content":{"parts":[{"text":"hi"}]}}"#,
        ..GEMINI
    };
    let provider = Provider::json(r#"{"embedding":{"values":[0.1]}}"#).await;
    let running = embed.before(&provider, PLENTY).await;
    assert_eq!(running.send(embed.ask()).await.status, StatusCode::OK);
    assert_eq!(running.used().1, 0);
}

#[tokio::test]
async fn a_stream_that_came_whole_without_its_usage_is_charged_what_was_reserved() {
    let told = GEMINI.answer.find(",\"usageMetadata\"").expect("usage");
    let event = format!("data: {}}}\n\n", &GEMINI.answer[..told]);
    let thinks = r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":100,"thinkingConfig":{"includeThoughts":false}}}"#;
    // A first slice, of which five bytes are seen; and whatever may have been thought.
    for (body, reserved) in [(GEMINI.body, 16), (thinks, 100)] {
        let path = "/v1beta/models/m:streamGenerateContent?alt=sse";
        let stream = Speech { path, body, ..GEMINI };
        let provider = Provider::events(&event).await;
        let running = stream.before(&provider, PLENTY).await;
        assert_eq!(running.send(stream.ask()).await.status, StatusCode::OK);
        assert_eq!(running.used().1, reserved, "{body}");
        assert_eq!(running.app.metrics.totals().overrun_usd.0, 0);
    }
}
