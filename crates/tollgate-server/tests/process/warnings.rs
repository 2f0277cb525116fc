//! What the log says of budgets that reach a threshold, and that a restart does not say it
//! again.

use crate::process::Serving;

const POLICY: &str = r#"
[identity]
trust_headers = true
[[limits]]
name = "daily"
per = ["user"]
tokens = "10/total"
soft = true
warn_at = [0.5, 1.0]
[[limits]]
name = "done"
tokens = "1000000/total"
warn_at = [0.01]
"#;

/// A chat that uses three tokens.
fn chat(serving: &Serving, user: &str) {
    let headers = [
        ("x-tollgate-user", user),
        ("x-sandbox-input-tokens", "1"),
        ("x-sandbox-output-tokens", "2"),
    ];
    let answer = serving.post("/sandbox/v1/chat/completions", &headers, crate::process::CHAT);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// How often each is told, of `ann`: half of the budget, and all of it.
fn told(log: &str) -> (usize, usize) {
    let count = |percent: &str| {
        let line = format!("BUDGET daily of user ann: {percent} % of the soft budget is used");
        log.lines().filter(|told| told.contains(&line)).count()
    };
    (count("50"), count("100"))
}

#[test]
fn each_threshold_is_logged_once_and_not_again_after_a_restart() {
    let mut serving = Serving::start(&["--policy", "policy.toml"], POLICY);
    for _ in 0..3 {
        chat(&serving, "ann");
    }
    serving.signal("TERM");
    assert_eq!(serving.wait(), Some(0));
    assert_eq!(told(&serving.log()), (1, 0), "9 of 10 tokens");

    let mut serving = serving.again();
    for _ in 0..3 {
        chat(&serving, "ann");
    }
    serving.signal("TERM");
    assert_eq!(serving.wait(), Some(0));
    assert_eq!(told(&serving.log()), (0, 1), "what was told is known");

    // After a kill it may be told again, but is never left out.
    let mut serving = serving.again();
    for _ in 0..2 {
        chat(&serving, "bob");
    }
    serving.wait_for("BUDGET daily of user bob: 50 % of the soft budget is used, 6 tokens of 10");
    serving.signal("KILL");
    serving.wait();
    let mut serving = serving.again();
    for _ in 0..2 {
        chat(&serving, "bob");
    }
    serving.wait_for("BUDGET daily of user bob: 100 % of the soft budget is used");
}
