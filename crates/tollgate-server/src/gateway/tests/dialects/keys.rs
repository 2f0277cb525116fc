//! Tollgate's key where each client puts keys, and the provider's in its place.

use http::StatusCode;

use super::{ANTHROPIC, AZURE, BEDROCK, DEEPGRAM, GEMINI, Provider, Running, Speech};

const KEY: &str = "tg_0123456789abcdef";

/// A limit that wants to know who asks, and a key that says so.
fn known() -> String {
    let hash = blake3::hash(KEY.as_bytes()).to_hex();
    format!(
        "[[keys]]\nid = \"alices-key\"\nhash = \"blake3:{hash}\"\n[[limits]]\nname = \"user-minute\"\nper = [\"user\"]\nrequests = \"9/minute\"\n"
    )
}

/// A gateway that knows alice's key and has one for the provider.
async fn before(speech: Speech, provider: &Provider) -> Running {
    let policy = format!("api_key = \"env:UP_KEY\"\n{}", known());
    speech.before_in(provider, &policy, &[("UP_KEY", "sk-ours")]).await
}

#[tokio::test]
async fn a_key_says_who_asks_and_the_providers_takes_its_place() {
    let signature = format!(
        "AWS4-HMAC-SHA256 Credential={KEY}/20261122/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, Signature=00"
    );
    let (bearer, token) = (format!("Bearer {KEY}"), format!("Token {KEY}"));
    for (speech, name, value, sent_on) in [
        (ANTHROPIC, "x-api-key", KEY, "x-api-key: sk-ours\r\n"),
        (ANTHROPIC, "authorization", bearer.as_str(), "authorization: Bearer sk-ours\r\n"),
        (GEMINI, "x-goog-api-key", KEY, "x-goog-api-key: sk-ours\r\n"),
        (DEEPGRAM, "authorization", token.as_str(), "authorization: Token sk-ours\r\n"),
        (AZURE, "api-key", KEY, "api-key: sk-ours\r\n"),
        (BEDROCK, "authorization", signature.as_str(), "authorization: Bearer sk-ours\r\n"),
        (BEDROCK, "authorization", bearer.as_str(), "authorization: Bearer sk-ours\r\n"),
    ] {
        let provider = speech.provider().await;
        let running = before(speech, &provider).await;
        let nobody = running.send(speech.ask()).await;
        assert!(nobody.status.is_client_error(), "{}", speech.dialect);
        let answer = running.send(speech.ask_with(&[(name, value)])).await;
        assert_eq!(answer.status, StatusCode::OK, "{}: {:?}", speech.dialect, answer.body);
        assert_eq!(answer.header("x-ratelimit-remaining"), Some("8"));
        let sent = provider.request().await;
        assert!(sent.contains(sent_on), "{sent}");
        assert!(!sent.contains("tg_"), "no provider sees a Tollgate key: {sent}");
        assert!(provider.is_idle().await, "who is not known is not sent on");
    }
}

#[tokio::test]
async fn a_callers_own_key_passes_where_the_policy_has_none() {
    for (speech, name, value) in [
        (ANTHROPIC, "x-api-key", "sk-mine"),
        (ANTHROPIC, "authorization", "Bearer sk-mine"),
        (GEMINI, "x-goog-api-key", "sk-mine"),
        (GEMINI, "authorization", "Bearer ya29.mine"),
        (DEEPGRAM, "authorization", "Token mine"),
        (AZURE, "api-key", "mine"),
        (BEDROCK, "authorization", "Bearer mine"),
    ] {
        let provider = speech.provider().await;
        let running = speech.before(&provider, "").await;
        assert_eq!(running.send(speech.ask_with(&[(name, value)])).await.status, StatusCode::OK);
        let sent = provider.request().await;
        assert!(sent.contains(&format!("{name}: {value}\r\n")), "{sent}");
    }
}

#[tokio::test]
async fn a_key_in_a_query_is_one() {
    const PATH: &str = "/v1beta/models/m:streamGenerateContent";
    let ask = |query: &str| {
        let path: &'static str = Box::leak(format!("{PATH}?{query}").into_boxed_str());
        Speech { path, ..GEMINI }
    };
    let with_key = ask(&format!("key={KEY}&alt=sse"));
    let provider = with_key.provider().await;
    let running = before(with_key, &provider).await;
    assert_eq!(running.send(with_key.ask()).await.status, StatusCode::OK);
    let sent = provider.request().await;
    assert!(sent.starts_with(&format!("POST {PATH}?alt=sse HTTP/1.1\r\n")), "{sent}");
    assert!(sent.contains("x-goog-api-key: sk-ours\r\n") && !sent.contains("tg_"), "{sent}");
    let guess = running.send(ask("key=tg_guess").ask()).await;
    assert_eq!(guess.status, StatusCode::UNAUTHORIZED);

    // One of the caller's own passes, unless the policy has one.
    let own = ask("alt=sse&key=mine");
    let running = own.before(&provider, "").await;
    running.send(own.ask()).await;
    assert!(provider.request().await.starts_with(&format!("POST {PATH}?alt=sse&key=mine ")));
    let running = own.before_in(&provider, "api_key = \"env:K\"\n", &[("K", "sk-ours")]).await;
    running.send(own.ask()).await;
    assert!(provider.request().await.starts_with(&format!("POST {PATH}?alt=sse HTTP")));
}

#[tokio::test]
async fn no_provider_sees_a_cookie_or_a_key_wherever_it_stands() {
    let tab = format!("Bearer\t{KEY}");
    let protocol = format!("token, {KEY}");
    let pair = format!("a=b; tollgate_session={KEY}");
    let path: &'static str = Box::leak(format!("{}&key={KEY}&a=%74g_b", DEEPGRAM.path).into());
    for (speech, name, value) in [
        (ANTHROPIC, "authorization", tab.as_str()),
        (DEEPGRAM, "sec-websocket-protocol", protocol.as_str()),
        (AZURE, "cookie", pair.as_str()),
        (BEDROCK, "cookie", "theme=dark"),
        (Speech { path, ..DEEPGRAM }, "x-other", KEY),
    ] {
        let provider = speech.provider().await;
        let running = before(speech, &provider).await;
        let known = if name == "authorization" { "x-own" } else { "x-api-key" };
        let request = speech.ask_with(&[(known, KEY), (name, value), ("x-passes", "astg_x")]);
        let answer = running.send(request).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}: {:?}", answer.body);
        let sent = provider.request().await;
        assert!(sent.contains("x-passes: astg_x\r\n"), "{sent}");
        let rest = sent.replace("astg_x", "");
        let shown = ["tg_", "%74g", "cookie", "sec-websocket", "x-other", "x-own"];
        assert!(!shown.iter().any(|secret| rest.contains(secret)), "{sent}");
    }
    // The second of two keys, the first of which is the caller's own.
    let path: &'static str = Box::leak(format!("{}?key=mine&key={KEY}", GEMINI.path).into());
    let speech = Speech { path, ..GEMINI };
    let provider = speech.provider().await;
    let running = speech.before(&provider, "").await;
    assert_eq!(running.send(speech.ask()).await.status, StatusCode::OK);
    let sent = provider.request().await;
    assert!(sent.starts_with(&format!("POST {}?key=mine HTTP/1.1\r\n", GEMINI.path)), "{sent}");
}
