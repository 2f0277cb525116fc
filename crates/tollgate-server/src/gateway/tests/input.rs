//! Requests that make no sense, or ask for what cannot be: each its code and its sentence.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;

use super::{CHAT, COMPLETION, Provider, Running, post, running::up};

const BUDGET: &str = "[[limits]]\nname = \"all-day\"\nusd = \"1/day\"\n";

async fn budgeted() -> (Provider, Running) {
    let provider = Provider::json(COMPLETION).await;
    let policy = format!("{}max_body = \"1KiB\"\n{BUDGET}", up(&provider.base_url()));
    let running = Running::with(&policy).await;
    (provider, running)
}

fn request(method: Method, path: &str) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri(path).body(Full::default()).expect("a request")
}

#[tokio::test]
async fn a_body_that_makes_no_sense_is_refused_in_one_sentence() {
    let (provider, running) = budgeted().await;
    for (body, sentence) in [
        ("", "not a JSON object"),
        ("{", "not a JSON object"),
        ("[]", "not a JSON object"),
        (r#"{"model":"m"}"#, "lacks `messages`"),
        (r#"{"messages":[]}"#, "names no model"),
        (r#"{"model":"m","model":"n","messages":[]}"#, "`model` more than once"),
        (r#"{"model":"m","messages":[],"n":0}"#, "`n` must be between"),
        (r#"{"model":"m","messages":[],"max_tokens":-1}"#, "`max_tokens` must be"),
    ] {
        let answer = running.chat(body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        let json = answer.json();
        assert_eq!(json["error"]["type"], "invalid_request_error");
        let message = json["error"]["message"].as_str().expect("a message");
        assert!(message.contains(sentence), "{message}");
        assert!(answer.header("x-tollgate-request-id").is_some());
    }
    assert!(provider.is_idle().await);
    assert_eq!(running.app.metrics.totals().admitted, 0);
}

#[tokio::test]
async fn a_body_over_the_bound_is_not_read() {
    let (provider, running) = budgeted().await;
    let long = CHAT.replace("hi", &"x".repeat(1024));
    let answer = running.chat(&long).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let message = answer.json()["error"]["message"].as_str().expect("a message").to_owned();
    assert_eq!(message, "The request's body is longer than the 1024 bytes that are read.");
    let files = running.send(post("/up/v1/files", long)).await;
    assert_eq!(files.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(provider.is_idle().await);
    assert_eq!(running.app.metrics.concurrent(), 0);
}

#[tokio::test]
async fn a_long_body_is_scanned_too() {
    let provider = Provider::json(COMPLETION).await;
    let running = Running::with(&format!("{}{BUDGET}", up(&provider.base_url()))).await;
    let long = CHAT.replace("hi", &"x".repeat(700_000));
    assert_eq!(running.chat(&long).await.status, StatusCode::OK);
    assert!(provider.request().await.ends_with(&long));
    let broken = long.replace("]}", "]");
    assert_eq!(running.chat(&broken).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_endless_body_is_cut_at_the_bound() {
    let (_provider, running) = budgeted().await;
    let mut socket = tokio::net::TcpStream::connect(running.address).await.expect("a socket");
    let head =
        "POST /up/v1/chat/completions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let piece = format!("200\r\n{}\r\n", "x".repeat(0x200));
    let sent = format!("{head}{}", piece.repeat(3));
    tokio::io::AsyncWriteExt::write_all(&mut socket, sent.as_bytes()).await.expect("written");
    let mut answer = [0; 12];
    tokio::io::AsyncReadExt::read_exact(&mut socket, &mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_model_without_a_price_is_refused_where_money_is_counted() {
    let (provider, running) = budgeted().await;
    let unpriced = CHAT.replace("\"m\"", "\"nobody-knows\"");
    let answer = running.chat(&unpriced).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let json = answer.json();
    assert_eq!(
        (&json["error"]["code"], &json["error"]["param"]),
        (&"model_unpriced".into(), &"model".into())
    );
    assert!(provider.is_idle().await);

    let running = Running::with(&up(&provider.base_url())).await;
    assert_eq!(running.chat(&unpriced).await.status, StatusCode::OK);
    assert_eq!(running.used(), (7, 5, 0), "tokens are counted, and cost nothing");

    let denied = format!("{}[prices]\nunpriced = \"deny\"\n", up(&provider.base_url()));
    assert_eq!(Running::with(&denied).await.chat(&unpriced).await.status, StatusCode::FORBIDDEN);
    let assumed = format!(
        "{}[prices]\nunpriced = {{ assume = {{ input = \"10\", output = \"20\" }} }}\n{BUDGET}",
        up(&provider.base_url())
    );
    let running = Running::with(&assumed).await;
    assert_eq!(running.chat(&unpriced).await.status, StatusCode::OK);
    assert_eq!(running.used(), (7, 5, 170_000));
}

#[tokio::test]
async fn an_unknown_provider_is_answered_with_those_that_are_known() {
    let (_provider, running) = budgeted().await;
    for path in ["/opnai/v1/chat/completions", "/", "/upp", "/UP/v1/models"] {
        let answer = running.send(post(path, CHAT)).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let message = answer.json()["message"].as_str().expect("a message").to_owned();
        assert!(message.ends_with("Known are /sandbox/, /up/."), "{message}");
    }
}

#[tokio::test]
async fn a_path_that_climbs_is_not_sent_on() {
    let (provider, running) = budgeted().await;
    for path in ["/up/v1/../admin", "/up/v1/%2e%2e/admin", "/up//evil.example/v1/models"] {
        let answer = running.send(request(Method::GET, path)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
    }
    assert!(provider.is_idle().await);
}

#[tokio::test]
async fn what_cannot_be_metered_passes_only_where_nothing_is_counted() {
    let (provider, running) = budgeted().await;
    for path in ["/up/v1/images/generations", "/up/v1/batches", "/up/v1/audio/speech"] {
        let answer = running.send(post(path, "{}")).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        let message = answer.json()["error"]["message"].as_str().expect("a message").to_owned();
        assert!(message.contains("cannot be metered yet"), "{message}");
    }
    assert!(provider.is_idle().await);
    for (method, path) in [
        (Method::GET, "/up/v1/models?a=b"),
        (Method::DELETE, "/up/v1/files/f"),
        (Method::POST, "/up/v1/moderations"),
    ] {
        let answer = running.send(request(method, path)).await;
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, COMPLETION.as_bytes()));
        let sent = provider.request().await;
        assert!(sent.contains(path.strip_prefix("/up").expect("a path")), "{sent}");
    }
    assert_eq!(running.used(), (0, 0, 0));
    assert_eq!(running.app.metrics.totals().admitted, 3);

    let free = Running::with(&up(&provider.base_url())).await;
    assert_eq!(free.send(post("/up/v1/images/generations", "{}")).await.status, StatusCode::OK);
}
