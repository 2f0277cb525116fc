//! Requests to Bedrock are signed for it, and nothing of a caller's signature goes on.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use tokio::sync::Semaphore;
use tollgate_core::Time;

use super::{BEDROCK, Provider, Running, Speech, Step};
use crate::{
    credentials::{Payload, Signer},
    gateway::tests::provider::response,
};

const AWS: &str = "aws = { access_key_id = \"env:ID\", secret_access_key = \"env:SECRET\", region = \"us-east-1\" }\n";
const ENVIRONMENT: [(&str, &str); 2] = [("ID", "AKIDEXAMPLE"), ("SECRET", "wJalrXUtnFEMI/K7MDENG")];

const OWN: &str = "AWS4-HMAC-SHA256 Credential=AKIDMINE/20200101/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, Signature=00";

async fn before(speech: Speech, provider: &Provider) -> Running {
    speech.before_in(provider, AWS, &ENVIRONMENT).await
}

/// Checks the signature of a request as its provider got it.
fn assert_signed(sent: &str, at: &Running) {
    let (head, body) = sent.split_once("\r\n\r\n").expect("a head");
    let mut lines = head.lines();
    let mut first = lines.next().expect("a line").split(' ');
    let method: Method = first.next().expect("a method").parse().expect("a method");
    let uri: Uri = first.next().expect("a path").parse().expect("a path");
    let mut headers: HeaderMap = lines
        .map(|line| line.split_once(": ").expect("a header"))
        .map(|(name, value)| {
            (name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value"))
        })
        .collect();
    let host: HeaderValue = headers.remove("host").expect("a host");
    let told = headers["authorization"].clone();
    let scope = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/us-east-1/bedrock/aws4_request, ";
    assert!(told.to_str().expect("text").starts_with(scope), "{told:?}");
    let [(_, id), (_, secret)] = ENVIRONMENT;
    let signer = Signer::new(id, secret, None, "us-east-1").expect("credentials");
    let wall: Time = at.clock.now().wall;
    signer.sign((&method, &uri), &mut headers, &host, Payload::of(body.as_bytes()), wall);
    assert_eq!(headers["authorization"], told, "{sent}");
}

#[tokio::test]
async fn a_request_is_signed_by_the_gateway() {
    let stream = Speech { path: "/model/us.a.b-v1%3A0/converse-stream", ..BEDROCK };
    for speech in [BEDROCK, stream] {
        let provider = speech.provider().await;
        let running = before(speech, &provider).await;
        let own = [
            ("authorization", OWN),
            ("x-amz-date", "20200101T000000Z"),
            ("x-amz-security-token", "mine"),
            ("x-amzn-bedrock-trace", "ENABLED"),
        ];
        let answer = running.send(speech.ask_with(&own)).await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        let sent = provider.request().await;
        assert_signed(&sent, &running);
        assert!(sent.contains("x-amz-date: 20261122T080000Z\r\n"), "{sent}");
        assert!(sent.contains("x-amzn-bedrock-trace"), "{sent}");
        assert!(!sent.contains("AKIDMINE") && !sent.contains("mine"), "{sent}");
    }
}

#[tokio::test]
async fn what_is_not_metered_is_signed_as_well() {
    let provider = BEDROCK.provider().await;
    let running = before(BEDROCK, &provider).await;
    let get = Request::get("/up/async-invoke?maxResults=2&a=b").body(Full::default());
    assert_eq!(running.send(get.expect("a request")).await.status, StatusCode::OK);
    assert_signed(&provider.request().await, &running);
    let count = Speech { path: "/model/m/count-tokens", body: "{\"input\":{}}", ..BEDROCK };
    assert_eq!(running.send(count.ask()).await.status, StatusCode::OK);
    let sent = provider.request().await;
    assert!(sent.ends_with("\r\n\r\n{\"input\":{}}"), "{sent}");
    assert_signed(&sent, &running);
}

#[tokio::test]
async fn what_waits_is_signed_when_its_turn_comes() {
    let go = Arc::new(Semaphore::new(0));
    let answer = response("HTTP/1.1 200 OK", "{}");
    let provider = Provider::doing(vec![Step::Hold(Arc::clone(&go)), Step::Send(answer)]).await;
    let slot = "[[limits]]\nname = \"slot\"\nconcurrency = 1\nqueue = { size = 1 }\n";
    let running =
        Arc::new(BEDROCK.before_in(&provider, &format!("{AWS}{slot}"), &ENVIRONMENT).await);
    let ask = || {
        let running = Arc::clone(&running);
        let request = Request::get("/up/async-invoke").body(Full::default()).expect("a request");
        tokio::spawn(async move { running.send(request).await.status })
    };
    let first = ask();
    assert!(provider.request().await.contains("x-amz-date: 20261122T080000Z\r\n"));
    let second = ask();
    while running.app.gate.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    running.advance(Duration::from_secs(5));
    go.add_permits(2);
    assert_eq!(first.await.expect("an answer"), StatusCode::OK);
    assert_eq!(second.await.expect("an answer"), StatusCode::OK);
    let sent = provider.request().await;
    assert!(sent.contains("x-amz-date: 20261122T080005Z\r\n"), "{sent}");
}

#[tokio::test]
async fn a_signature_for_the_gateway_is_none_for_the_provider() {
    let provider = BEDROCK.provider().await;
    let running = BEDROCK.before(&provider, "").await;
    let answer = running.send(BEDROCK.ask_with(&[("authorization", OWN)])).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.header("x-amzn-errortype"), Some("AccessDeniedException"));
    let message = answer.json()["message"].as_str().expect("a message").to_owned();
    assert!(message.contains("no credentials of AWS") && !message.contains("AKID"), "{message}");
    assert!(provider.is_idle().await);
}
