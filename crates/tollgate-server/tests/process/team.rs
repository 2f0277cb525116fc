//! `tollgate serve --preset team` as a process, by the names that the application was always set
//! up by: N users at once without throttling.

use serde_json::{Value, json};

use crate::{
    presets::{self, Sandbox, changed, header, status},
    process::{self, Serving},
};

const PRESET: [&str; 2] = ["--preset", "team"];

const SONNET: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const HAIKU: &str = "anthropic.claude-haiku-4-5-20251001-v1:0";

const ASK: &str =
    r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],"inferenceConfig":{"maxTokens":5}}"#;

const AT_ONCE: (&str, &str) = ("x-tollgate-deadline-ms", "0");

/// The team's gateway before this provider.
fn team(sandbox: &Sandbox, environment: &[(&str, &str)]) -> Serving {
    let place = ("TOLLGATE_PROVIDERS_BEDROCK_BASE_URL", sandbox.url.as_str());
    let key = ("TOLLGATE_PROVIDERS_BEDROCK_API_KEY", "a-key");
    let all: Vec<_> = environment.iter().copied().chain([place, key]).collect();
    Serving::start_with(&PRESET, "", &all)
}

/// Asks a model, or a name for several, without waiting.
fn ask(serving: &Serving, model: &str) -> String {
    serving.post(&format!("/bedrock/model/{model}/converse"), &[AT_ONCE], ASK)
}

/// Asks for a permit for a task, without waiting.
fn permit(serving: &Serving, task: &str) -> String {
    let asked = json!({ "task": task, "wait_ms": 0 }).to_string();
    serving.post("/v1/permits", &[("content-type", "application/json")], &asked)
}

fn settle(serving: &Serving, permit: &str) {
    let path = format!("/v1/permits/{}/settle", presets::json(permit)["id"].as_str().expect("one"));
    let settled = serving.post(&path, &[("content-type", "application/json")], "{}");
    assert_eq!(status(&settled), "200", "{settled}");
}

#[test]
fn every_name_changes_its_own_setting_and_nothing_else() {
    presets::assert_each_changes_its_own(
        &PRESET,
        &[
            ("MAX_REQUESTS_PER_MINUTE", "61", &["limits.model-requests.requests"]),
            ("MAX_CONCURRENT_REQUESTS", "16", &["limits.slots.concurrency"]),
            ("MAX_TOKENS_PER_MINUTE", "180001", &["limits.model-tokens.tokens"]),
            ("ANALYSIS_TASK_RATE_LIMIT", "21/m", &["limits.analysis-tasks.requests"]),
            ("CHAT_TASK_RATE_LIMIT", "31/s", &["limits.chat-tasks.requests"]),
            ("HEALTH_TASK_RATE_LIMIT", "2/h", &["limits.health-tasks.requests"]),
            ("CELERY_CONCURRENCY", "9", &["limits.workers.concurrency"]),
            ("TASK_SOFT_TIME_LIMIT", "301", &["tasks.soft_time_limit"]),
            ("TASK_HARD_TIME_LIMIT", "361", &["tasks.hard_time_limit"]),
            ("CIRCUIT_BREAKER_FAILURE_THRESHOLD", "11", &["providers.bedrock.breaker.failures"]),
            ("CIRCUIT_BREAKER_TIMEOUT", "61", &["providers.bedrock.breaker.recovery"]),
            ("BEDROCK_READ_TIMEOUT", "302", &["providers.bedrock.read_timeout"]),
            ("BEDROCK_CONNECT_TIMEOUT", "31", &["providers.bedrock.connect_timeout"]),
        ],
    );
}

#[test]
fn what_it_was_before_it_was_tuned_differs_by_eight_numbers() {
    let (tuned, checked) = presets::of(&PRESET, &[]);
    assert_eq!(checked["profile"], Value::Null);
    let (before, checked) = presets::of(&[&PRESET[..], &["--profile", "before"]].concat(), &[]);
    assert_eq!(checked["profile"], "before");
    let differs = [
        "limits.analysis-tasks.requests",
        "limits.chat-tasks.requests",
        "limits.model-requests.requests",
        "limits.model-tokens.tokens",
        "limits.slots.concurrency",
        "limits.workers.concurrency",
        "providers.bedrock.breaker.failures",
        "providers.bedrock.read_timeout",
    ];
    assert_eq!(changed(&tuned, &before).into_iter().collect::<Vec<_>>(), differs);
    let (by_variable, _) = presets::of(&PRESET, &[("TOLLGATE_ENV", "before")]);
    assert_eq!(by_variable, before);
    let none = process::run_with(&[&["check"], &PRESET[..], &["--profile", "after"]].concat(), &[]);
    assert_eq!(none.status, Some(1));
    assert!(none.stderr.contains("the policy has no profile `after`"), "{}", none.stderr);
}

#[test]
fn the_sixty_first_request_of_a_minute_is_told_when_or_goes_to_the_next_model() {
    let sandbox = Sandbox::start(&[]);
    let mut serving = team(&sandbox, &[]);
    for nth in 1..=60 {
        let answer = ask(&serving, SONNET);
        assert_eq!(status(&answer), "200", "{nth}: {answer}");
    }
    let refused = ask(&serving, SONNET);
    assert_eq!(status(&refused), "429", "{refused}");
    assert_eq!(header(&refused, "x-tollgate-limit"), Some("model-requests"));
    let seconds = header(&refused, "retry-after").and_then(|it| it.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| (1..=60).contains(&seconds)), "{refused}");
    let other = ask(&serving, "reviewer");
    assert_eq!(status(&other), "200", "{other}");
    assert_eq!(header(&other, "x-tollgate-served-by"), Some(&*format!("bedrock/{HAIKU}")));
    let attempts = header(&other, "x-tollgate-attempts").unwrap_or_default().to_owned();
    assert_eq!(attempts, format!("bedrock/{SONNET}=limit"));
    serving.wait_for("RATE_LIMIT refused");
}

#[test]
fn tokens_of_a_minute_are_counted_by_model() {
    let sandbox = Sandbox::start(&[]);
    let serving = team(&sandbox, &[("MAX_TOKENS_PER_MINUTE", "60")]);
    let answer = ask(&serving, SONNET);
    assert_eq!(status(&answer), "200", "{answer}");
    let refused = serving.post(
        &format!("/bedrock/model/{SONNET}/converse"),
        &[AT_ONCE],
        &ASK.replace(":5}", ":55}"),
    );
    assert_eq!(status(&refused), "429", "{refused}");
    assert_eq!(header(&refused, "x-tollgate-limit"), Some("model-tokens"));
    // What one model has used up, another still has.
    let used_up = (0..60).map(|_| ask(&serving, SONNET)).find(|it| status(it) == "429");
    let used_up = used_up.expect("sixty tokens are less than sixty requests");
    assert_eq!(header(&used_up, "x-tollgate-limit"), Some("model-tokens"), "{used_up}");
    assert_eq!(status(&ask(&serving, HAIKU)), "200");
}

#[test]
fn another_model_takes_what_one_throttles() {
    let sandbox = Sandbox::start(&["--requests-per-minute", "1"]);
    let serving = team(&sandbox, &[]);
    let served: Vec<String> = (0..2)
        .map(|_| ask(&serving, "reviewer"))
        .map(|answer| header(&answer, "x-tollgate-served-by").unwrap_or(&answer).to_owned())
        .collect();
    assert_eq!(served, [format!("bedrock/{SONNET}"), format!("bedrock/{HAIKU}")]);
}

#[test]
fn slots_workers_and_classes_are_kept_and_given_back() {
    let sandbox = Sandbox::start(&[]);
    for (variable, limit) in
        [("MAX_CONCURRENT_REQUESTS", "slots"), ("CELERY_CONCURRENCY", "workers")]
    {
        let serving = team(&sandbox, &[(variable, "2")]);
        let first = permit(&serving, "analysis");
        let second = permit(&serving, "chat");
        assert_eq!((status(&first), status(&second)), ("201", "201"), "{first}{second}");
        let third = permit(&serving, "analysis");
        assert_eq!(header(&third, "x-tollgate-limit"), Some(limit), "{third}");
        settle(&serving, &first);
        assert_eq!(status(&permit(&serving, "analysis")), "201");
    }
    let classes = [
        ("ANALYSIS_TASK_RATE_LIMIT", "analysis"),
        ("CHAT_TASK_RATE_LIMIT", "chat"),
        ("HEALTH_TASK_RATE_LIMIT", "health"),
    ];
    let serving = team(&sandbox, &classes.map(|(variable, _)| (variable, "2/h")));
    for (_, task) in classes {
        for _ in 0..2 {
            settle(&serving, &permit(&serving, task));
        }
        let refused = permit(&serving, task);
        assert_eq!(status(&refused), "429", "{refused}");
        assert_eq!(header(&refused, "x-tollgate-limit"), Some(&*format!("{task}-tasks")));
    }
    // Who names no task is none.
    assert_eq!(status(&ask(&serving, SONNET)), "200");
}

#[test]
fn a_task_is_told_its_time_and_cut_when_that_is_over() {
    let sandbox = Sandbox::start(&[]);
    let limits =
        [("TASK_SOFT_TIME_LIMIT", "1"), ("TASK_HARD_TIME_LIMIT", "2"), ("CELERY_CONCURRENCY", "1")];
    let mut serving = team(&sandbox, &limits);
    let task = ("x-tollgate-task", "analysis");
    let path = format!("/bedrock/model/{SONNET}/converse");
    let told = serving.post(&path, &[task], ASK);
    assert_eq!(status(&told), "200", "{told}");
    let at = |name| header(&told, name).and_then(|it| it.parse::<jiff::Timestamp>().ok());
    let soft = at("x-tollgate-soft-deadline").expect("an instant").as_millisecond();
    let hard = at("x-tollgate-hard-deadline").expect("an instant").as_millisecond();
    assert_eq!(hard - soft, 1_000);
    let cut = serving.post(&path, &[task, ("x-sandbox-fault", "hang")], ASK);
    assert_eq!(status(&cut), "504", "{cut}");
    assert!(cut.contains("did not answer within the time limit of 2 seconds"), "{cut}");
    serving.wait_for("soft time limit: the work should end now");
    let next = serving.post(&path, &[task, AT_ONCE], ASK);
    assert_eq!(status(&next), "200", "its worker is free: {next}");
    // Work elsewhere: its permit says the same, and is gone when its time is.
    let permitted = presets::json(&permit(&serving, "analysis"));
    assert_eq!(permitted["should_end"], false, "{permitted}");
    assert_eq!(permitted["expires_at"], permitted["hard_deadline_at"], "{permitted}");
    serving.wait_for("reservations expired unsettled");
    assert_eq!(status(&permit(&serving, "analysis")), "201");
}

#[test]
fn the_circuit_opens_at_the_number_that_is_named() {
    let sandbox = Sandbox::start(&["--outage-lasts", "1h"]);
    let once = ("TOLLGATE_PROVIDERS_BEDROCK_RETRY_ATTEMPTS", "1");
    // Longer than any machine takes for this test.
    let recovery = ("CIRCUIT_BREAKER_TIMEOUT", "3600");
    let named = ("CIRCUIT_BREAKER_FAILURE_THRESHOLD", "3");
    for (threshold, environment) in [(10, &[once, recovery][..]), (3, &[once, recovery, named])] {
        let mut serving = team(&sandbox, environment);
        for nth in 0..threshold {
            let answer = ask(&serving, SONNET);
            let sent = format!("bedrock/{SONNET}=503");
            assert_eq!(header(&answer, "x-tollgate-attempts"), Some(&*sent), "{nth}: {answer}");
        }
        serving.wait_for(&format!("Circuit breaker of bedrock/{SONNET}"));
        let refused = ask(&serving, SONNET);
        let attempts = header(&refused, "x-tollgate-attempts");
        assert_eq!(attempts, Some(&*format!("bedrock/{SONNET}=circuit")), "{refused}");
        let seconds = header(&refused, "retry-after").and_then(|it| it.parse::<u64>().ok());
        assert!(seconds.is_some_and(|seconds| (1_800..=3_600).contains(&seconds)), "{refused}");
    }
}

#[test]
fn the_capacity_that_was_promised_is_simulated() {
    let users = ["--users", "10,15,20", "--for", "10m", "--compare", "--json"];
    let args = [&["simulate"], &PRESET[..], &users].concat();
    let simulated = process::run_with(&args, &[]);
    let report: Value = serde_json::from_str(&simulated.stdout).expect("JSON");
    let throttled = |users: u64, variation: &str| {
        let rows = report["rows"].as_array().expect("rows");
        let is_meant = |row: &&Value| row["users"] == users && row["variation"] == variation;
        let row = rows.iter().find(is_meant).expect("a row");
        row["throttled_percent"].as_f64().expect("a share")
    };
    for variation in ["whole", "without_fallback", "without_waiting"] {
        assert!(throttled(10, variation) <= 0.0);
        assert!(throttled(15, variation) < 2.0);
    }
    for variation in ["whole", "without_waiting"] {
        assert!(throttled(20, variation) <= 10.0);
    }
    let needs = &report["needs"][1];
    assert_eq!(
        (&needs["users"], &needs["limits"]["concurrency"]),
        (&json!(15), &json!(20)),
        "{needs}"
    );
    for name in ["instances_least", "instances_most", "at_once_each", "requests_per_minute"] {
        assert!(needs[name].as_u64().is_some_and(|number| number > 0), "{name}: {needs}");
    }
}
