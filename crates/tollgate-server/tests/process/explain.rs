//! `tollgate explain`: ids that answers told, found in the ledger and in the process.

use serde_json::{Value, json};

use crate::{
    keys::control,
    process::{self, CHAT, Ended, Serving},
};

const POLICY: &str = r#"
[identity]
trust_headers = true
[models.either]
models = ["down/m", "sandbox/m"]
[providers.down]
dialect = "openai"
base_url = "http://127.0.0.1:9"
[[limits]]
name = "user-minute"
per = ["user"]
requests = "2/minute"
[[limits]]
name = "all-day"
requests = "1000/day"
"#;

fn chat(serving: &Serving, user: &str, body: &str) -> (String, String) {
    let user = [("x-tollgate-user", user)];
    let answer = serving.post("/sandbox/v1/chat/completions", &user, body);
    let id = answer.split("x-tollgate-request-id: ").nth(1).expect("an id");
    let id = id.lines().next().expect("a line").to_owned();
    (answer.split(' ').nth(1).expect("a status").to_owned(), id)
}

fn explain(serving: &Serving, args: &[&str]) -> Ended {
    let ledger = serving.folder().join("tollgate.db");
    let admin = format!("http://{}", control(serving));
    let more = ["--ledger", ledger.to_str().expect("text"), "--admin", &admin];
    process::run(&[&["explain"], args, &more[..]].concat(), "")
}

fn json_of(serving: &Serving, args: &[&str]) -> Value {
    let ended = explain(serving, &[args, &["--json"]].concat());
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr))
}

#[test]
fn an_id_of_any_answer_is_explained_while_the_process_runs_and_after_its_end() {
    let mut serving = Serving::start(&["--policy", "policy.toml"], POLICY);
    let (_, first) = chat(&serving, "ada", CHAT);
    let (status, id) = chat(&serving, "ada", CHAT);
    assert_eq!(status, "200");
    let (status, refused) = chat(&serving, "ada", CHAT);
    assert_eq!(status, "429");

    // A row is in the ledger a moment after its request ended.
    let told = loop {
        let told = json_of(&serving, &[&id]);
        if told["events"].as_array().is_some_and(|events| events.len() == 2) {
            break told;
        }
    };
    assert_eq!(
        (&told["events"][0]["kind"], &told["events"][1]["kind"]),
        (&json!("reserve"), &json!("settle"))
    );
    assert_eq!(told["events"][0]["attributes"]["user"], "ada");
    let charge = &told["events"][0]["charges"][0];
    assert_eq!(
        (&charge["limit"], &charge["account"]),
        (&json!("user-minute"), &json!({"user": "ada"}))
    );
    assert_eq!((&charge["before"], &charge["reserved"]), (&json!(1), &json!(1)));
    let ended = explain(&serving, &[&id]);
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    for part in [
        "was admitted at",
        "user ada",
        "user-minute",
        "2 requests per minute",
        "settled: 1 request",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }

    let ended = explain(&serving, &[&refused]);
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    for part in [
        "was refused by user-minute",
        "it would be admitted at",
        "user ada",
        "in the way",
        "had room",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    let either = CHAT.replace("\"m\"", "\"either\"");
    let (status, tried) = chat(&serving, "bob", &either);
    assert_eq!(status, "200");
    let ended = explain(&serving, &[&tried]);
    assert!(ended.stdout.contains("others did not serve: down/m="), "{}", ended.stdout);

    serving.signal("TERM");
    serving.wait();
    let ended = explain(&serving, &[&first]);
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("was admitted at"), "{}", ended.stdout);
    let ended = explain(&serving, &[&refused]);
    assert_eq!(ended.status, Some(1));
    assert!(
        ended.stderr.contains("has no such reservation, and nothing answers"),
        "{}",
        ended.stderr
    );
}

#[test]
fn what_would_be_decided_now_is_told_and_what_is_no_question_in_a_sentence() {
    let serving = Serving::start(&["--policy", "policy.toml"], POLICY);
    let asked = ["--user", "ada", "--model", "m", "--provider", "sandbox"];
    let ended = explain(&serving, &asked);
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    for part in ["it would be admitted", "user-minute", "passes", "user ada"] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    chat(&serving, "ada", CHAT);
    let ended = explain(&serving, &[&asked[..], &["--requests", "2"]].concat());
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    for part in ["it would be refused by user-minute", "Rate limit exceeded", "in the way"] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    let told = json_of(&serving, &["--attribute", "region=eu", "--usd", "0.5"]);
    assert_eq!(told["who"]["region"], "eu");

    for (args, status, sentence) in [
        (&[][..], 1, "say what to explain: an id"),
        (&["ada"], 2, "`ada` is no id: write the UUID"),
        (&["00000000-0000-0000-0000-000000000000"], 1, "nothing is known of 0000"),
        (&["--attribute", "region"], 2, "write it like region=eu"),
        (&["--usd", "much"], 1, "usd"),
    ] {
        let ended = explain(&serving, args);
        assert_eq!(ended.status, Some(status), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(sentence), "{sentence}: {}", ended.stderr);
        let errors = ended.stderr.lines().filter(|line| line.starts_with("error:"));
        assert_eq!(errors.count(), 1, "{}", ended.stderr);
    }
}
