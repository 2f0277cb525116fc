//! What goes out, what comes back, and what is written down.

use std::{fs, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tollgate_core::NanoUsd;

use super::super::{
    Identity, Log, Outcome, Prices, Requests, Tally,
    client::refusing_limit,
    deal::Deal,
    outcome::{Ending, Loss},
    price::Tokens,
    trace::Row,
};

const ROW: Row = Row { at: Duration::ZERO, input_tokens: 10, output_tokens: 257 };
const PLAIN: Deal = Deal { user: 7, stream: false };
const STREAM: Deal = Deal { user: 8, stream: true };

fn requests(identity: Identity) -> Requests {
    Requests::new("http://127.0.0.1:1/sandbox/v1/", "a \"model\"", identity, 10).unwrap()
}

async fn body(request: Request<Full<bytes::Bytes>>) -> bytes::Bytes {
    request.into_body().collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn a_row_becomes_a_chat_completion_of_its_size() {
    let requests = requests(Identity::Anonymous);
    for deal in [PLAIN, STREAM] {
        let request = requests.request(&ROW, deal);
        assert_eq!(request.uri(), "http://127.0.0.1:1/sandbox/v1/chat/completions");
        assert_eq!(request.headers()["x-sandbox-input-tokens"], "10");
        assert_eq!(request.headers()["x-sandbox-output-tokens"], "257");
        let body = body(request).await;
        let most = Tokens { input: body.len() as u64, output: 512 };
        assert_eq!(requests.most(&ROW, deal), most);
        let json: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["model"], "a \"model\"");
        assert_eq!(json["max_tokens"], 512);
        assert_eq!(json["messages"][0]["content"].as_str().unwrap().len(), 40);
        assert_eq!(json["stream"] == true, deal.stream);
        assert_eq!(json["stream_options"]["include_usage"] == true, deal.stream);
    }
}

#[tokio::test]
async fn max_tokens_can_be_given_but_never_cut_an_answer() {
    for (given, sent) in [(4_096, 4_096), (100, 257)] {
        let requests = requests(Identity::Anonymous).with_max_tokens(Some(given));
        let body = body(requests.request(&ROW, PLAIN)).await;
        let json: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["max_tokens"], sent);
        assert_eq!(requests.most(&ROW, PLAIN).output, sent);
    }
}

#[test]
fn users_are_named_by_header_or_by_key() {
    let sent = |identity: Identity, deal: Deal, name: &str| {
        let request = requests(identity).request(&ROW, deal);
        request.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
    };
    let keys = || Identity::Keys(["k0", "k1"].map(HeaderValue::from_static).into());
    assert_eq!(sent(Identity::TrustedHeader, PLAIN, "x-tollgate-user").unwrap(), "user-0007");
    assert_eq!(sent(keys(), PLAIN, "authorization").unwrap(), "k1");
    assert_eq!(sent(keys(), STREAM, "authorization").unwrap(), "k0");
    assert_eq!(sent(keys(), PLAIN, "x-tollgate-user"), None);
    assert_eq!(sent(Identity::Anonymous, PLAIN, "x-tollgate-user"), None);
    assert_eq!(sent(Identity::Anonymous, PLAIN, "authorization"), None);
}

#[test]
fn a_refusal_is_the_gateways_own_not_the_providers() {
    for (status, headers, limit) in [
        (429, &[("x-tollgate-decision", "refuse"), ("x-tollgate-limit", "a")][..], Some("a")),
        (403, &[("x-tollgate-decision", "refused")], Some("unnamed")),
        (503, &[("x-tollgate-limit", "slots")], Some("slots")),
        (429, &[("x-tollgate-decision", "admit"), ("x-tollgate-limit", "a")], None),
        (200, &[("x-tollgate-limit", "a")], None),
        (429, &[("retry-after", "1")], None),
        (502, &[], None),
    ] {
        let pairs = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let status = StatusCode::from_u16(status).unwrap();
        let headers: HeaderMap = pairs.collect();
        assert_eq!(refusing_limit(status, &headers).as_deref(), limit, "{status} {headers:?}");
    }
}

#[test]
fn the_log_says_what_was_acknowledged_and_what_may_have_been_charged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("client.jsonl");
    let prices = Prices { input: NanoUsd(200_000_000), output: NanoUsd(600_000_000) };
    let tally = Tally::new(Some(prices));
    let mut log = Log::create(&path).unwrap();
    for ending in [
        Ending::Admitted { used: Some(Tokens { input: 868, output: 145 }) },
        Ending::Refused { limit: "user-minute".into() },
        Ending::Lost(Loss::Cut),
    ] {
        let most = Tokens { input: 1_000, output: 256 };
        let (due, id) = (Duration::from_millis(1_500), Some("id-1".to_owned()));
        let status = Some(200);
        let outcome = Outcome {
            row: 4,
            deal: PLAIN,
            due,
            ended: due,
            most,
            ending,
            status,
            id,
            timing: None,
        };
        log.write(&outcome, &tally).unwrap();
    }
    log.finish().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let shared =
        json!({"row": 5, "id": "id-1", "user": "user-0007", "stream": false, "due_ms": 1500});
    for line in &lines {
        assert!(shared.as_object().unwrap().iter().all(|(name, value)| line[name] == *value));
    }
    let column =
        |name: &str| -> Vec<Value> { lines.iter().map(|line| line[name].clone()).collect() };
    assert_eq!(column("outcome"), [json!("admitted"), json!("refused"), json!("lost")]);
    assert_eq!(column("acknowledged"), [json!(true), json!(true), json!(false)]);
    assert_eq!(column("cost_usd"), [json!("0.0002606"), Value::Null, Value::Null]);
    assert_eq!(column("limit"), [Value::Null, json!("user-minute"), Value::Null]);
    assert_eq!(column("reason"), [Value::Null, Value::Null, json!("cut off")]);
    assert_eq!(column("most_output_tokens"), [Value::Null, Value::Null, json!(256)]);
}
