//! `tollgate serve --preset assistant` as a process, with the environment that the service
//! was always set up by.

use crate::process::{self, Serving};

/// 12 tokens of question and 856 of notes in, 145 out.
const EXAMPLE: [(&str, &str); 3] = [
    ("x-tollgate-user", "alice"),
    ("x-sandbox-input-tokens", "868"),
    ("x-sandbox-output-tokens", "145"),
];

/// A question with the notes that it is about.
fn chat() -> String {
    let question = format!("What did I write? {}", "A note. ".repeat(400));
    format!(
        r#"{{"model":"Llama-3.2-3B-Instruct","max_tokens":200,"messages":[{{"role":"user","content":"{question}"}}]}}"#
    )
}

fn json(answer: &str) -> serde_json::Value {
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

#[test]
fn the_service_finds_what_it_knew_and_the_ledger_has_every_nano_dollar() {
    let model = Serving::start(&[], "");
    let listening = model.printed.split("listening on ").nth(1).and_then(|it| it.lines().next());
    let base_url = format!("{}/sandbox/v1", listening.expect("an address"));
    let mut serving = Serving::start_with(
        &["--preset", "assistant"],
        "",
        &[
            ("TOLLGATE_PROVIDERS_OPENAI_BASE_URL", base_url.as_str()),
            ("RATE_LIMIT_PER_MINUTE", "2"),
        ],
    );

    let admitted = serving.post("/openai/v1/chat/completions", &EXAMPLE, &chat());
    assert!(admitted.starts_with("HTTP/1.1 200 OK\r\n"), "{admitted}");
    let stats = json(&serving.ask("GET", "/api/v1/assistant/stats", &EXAMPLE[..1], ""));
    assert_eq!(stats["limits"]["minute"]["limit"], 2);
    assert_eq!(stats["user_id"], "alice");

    let health = json(&serving.ask("GET", "/api/v1/assistant/health", &[], ""));
    let checks = serde_json::json!({
        "assistant_service": "available", "redis": "not_configured", "database": "connected",
    });
    assert_eq!((&health["status"], &health["checks"]), (&"healthy".into(), &checks));

    serving.post("/openai/v1/chat/completions", &EXAMPLE, &chat());
    let refused = serving.post("/openai/v1/chat/completions", &EXAMPLE, &chat());
    assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
    assert_eq!(json(&refused)["detail"], "Rate limit exceeded: 2 requests per minute");

    serving.signal("TERM");
    assert_eq!(serving.wait(), Some(0));
    let ledger = serving.folder().join("tollgate.db");
    let ledger = ledger.to_str().expect("text");
    let verified = process::run(&["verify", "--json", "--ledger", ledger], "");
    assert_eq!(verified.status, Some(0), "{}{}", verified.stdout, verified.stderr);
    let found: serde_json::Value = serde_json::from_str(&verified.stdout).expect("JSON");
    let limits = found["limits"].as_array().expect("limits");
    let settled = |name| limits.iter().find(|limit| limit["limit"] == name).map(|l| &l["settled"]);
    // The example, once: the second answer was kept, which is a request and costs nothing.
    assert_eq!(settled("user-spend"), Some(&260_600.into()), "{found}");
    assert_eq!(settled("global-spend"), Some(&260_600.into()));
    assert_eq!(settled("user-minute"), Some(&2.into()));
}
