//! `tollgate serve --preset pipeline` as a process, under each of its four profiles: what the
//! pipeline's own words choose, what is logged, what the ledger keeps of jobs, and what strangers
//! see.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use serde_json::Value;

use crate::{
    presets::{self, Sandbox, changed, header, status},
    process::{self, Serving},
};

const PRESET: [&str; 2] = ["--preset", "pipeline"];

const PROFILES: [&str; 4] = ["development", "testing", "staging", "production"];

const SERVICES: [&str; 5] = ["ANTHROPIC", "DEEPGRAM", "GEMINI", "LOCAL", "OPENAI"];

const KEY: &str = "sk-never-shown-4711";

const WORKER: [(&str, &str); 3] = [
    ("x-tollgate-user", "worker"),
    ("x-tollgate-job", "job-42"),
    ("authorization", "Bearer sk-never-shown-4711"),
];

/// The pipeline's gateway before these services; the ones named are played by `away`.
fn pipeline(sandbox: &Sandbox, away: &[(&str, &Sandbox)], environment: &[(&str, &str)]) -> Serving {
    let names = SERVICES.map(|name| format!("TOLLGATE_PROVIDERS_{name}_BASE_URL"));
    let place = |name: &str| {
        let other = away.iter().find(|(service, _)| *service == name);
        other.map_or(sandbox, |(_, other)| *other).url.as_str()
    };
    let mut all: Vec<(&str, &str)> = environment.to_vec();
    for (name, variable) in SERVICES.iter().zip(&names) {
        all.push((variable, place(name)));
    }
    all.push(("TOLLGATE_LOG_LEVEL", "debug"));
    Serving::start_with(&PRESET, "", &all)
}

fn chat(model: &str) -> String {
    process::CHAT.replace("\"m\"", &format!("\"{model}\""))
}

#[test]
fn three_ways_choose_each_profile_and_they_are_the_same() {
    let (usual, checked) = presets::of(&PRESET, &[]);
    assert_eq!(checked["profile"], Value::Null);
    for profile in PROFILES {
        let (montage, checked) = presets::of(&PRESET, &[("MONTAGE_ENV", profile)]);
        assert_eq!(checked["profile"], profile);
        assert_eq!(presets::of(&PRESET, &[("TOLLGATE_ENV", profile)]).0, montage);
        let by_name = [&PRESET[..], &["--profile", profile]].concat();
        assert_eq!(presets::of(&by_name, &[]).0, montage);
        assert_eq!(changed(&usual, &montage).is_empty(), profile == "development", "{profile}");
    }
    let both = [("MONTAGE_ENV", "testing"), ("TOLLGATE_ENV", "production")];
    let (production, _) = presets::of(&PRESET, &both[1..]);
    assert_eq!(presets::of(&PRESET, &both).0, production, "Tollgate's own goes first");
    let wrong = process::run_with(&[&["check"], &PRESET[..]].concat(), &[("MONTAGE_ENV", "live")]);
    assert_eq!(wrong.status, Some(1));
    assert!(wrong.stderr.contains("the policy has no profile `live`"), "{}", wrong.stderr);
}

#[test]
fn under_every_profile_each_service_answers_and_the_ledger_knows_the_job() {
    let sandbox = Sandbox::start(&[]);
    for profile in PROFILES {
        let mut serving = pipeline(
            &sandbox,
            &[],
            &[("MONTAGE_ENV", profile), ("TOLLGATE_STORE_KIND", "embedded")],
        );
        let gemini =
            r#"{"contents":[{"parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":5}}"#;
        let asked = [
            ("/openai/v1/chat/completions", chat("gpt-5-mini")),
            ("/anthropic/v1/messages", chat("claude-haiku-4-5")),
            ("/gemini/v1beta/models/gemini-2.5-flash:generateContent", gemini.to_owned()),
            ("/deepgram/v1/listen?model=nova-3", "some audio".to_owned()),
            ("/local/v1/chat/completions", chat("llama3.2")),
        ];
        for (path, body) in &asked {
            let answer = serving.post(path, &WORKER, body);
            assert_eq!(status(&answer), "200", "{profile} {path}: {answer}");
            let service = path.split('/').nth(1).expect("a name");
            let limit = if service == "local" { "other" } else { service };
            let told = header(&answer, "ratelimit-policy").unwrap_or_default();
            assert!(told.contains(&format!("\"{limit}-requests\"")), "{profile} {path}: {told}");
        }
        // Work that only asks for a permit has its job in the body.
        let json = [("content-type", "application/json")];
        let asked_for = r#"{"provider":"gemini","job_id":"job-42","wait_ms":9000}"#;
        let permit = presets::json(&serving.post("/v1/permits", &json, asked_for));
        let settle = format!("/v1/permits/{}/settle", permit["id"].as_str().expect("an id"));
        assert_eq!(status(&serving.post(&settle, &json, "{}")), "200", "{profile}");
        serving.signal("TERM");
        assert_eq!(serving.wait(), Some(0), "{profile}");
        let rows = presets::ledger(&serving);
        let settled: Vec<_> = rows.iter().filter(|row| row["kind"] == "settle").collect();
        assert_eq!(settled.len(), asked.len() + 1, "{profile}: {rows:#?}");
        for row in settled {
            assert_eq!(row["attributes"]["job"], "job-42", "{profile}: {row}");
        }
        let log = serving.log();
        assert!(!log.contains(KEY) && !log.contains("never-shown"), "{profile}: {log}");
    }
}

#[test]
fn in_production_a_third_transcription_is_refused_and_told_when() {
    let sandbox = Sandbox::start(&[]);
    let apart = ("TOLLGATE_PROVIDERS_DEEPGRAM_LEARN_INTERVAL_MIN", "0s");
    let mut serving = pipeline(&sandbox, &[], &[("MONTAGE_ENV", "production"), apart]);
    let at_once = [WORKER[0], ("x-tollgate-deadline-ms", "0")];
    // Two at most are there at first, and one comes every two seconds.
    let answers: Vec<String> =
        (0..4).map(|_| serving.post("/deepgram/v1/listen?model=nova-3", &at_once, "a")).collect();
    let refused = answers.iter().find(|answer| status(answer) == "429");
    let refused = refused.unwrap_or_else(|| panic!("{answers:#?}"));
    assert_eq!(header(refused, "x-tollgate-limit"), Some("deepgram-requests"));
    let seconds = header(refused, "retry-after").and_then(|it| it.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| (1..=2).contains(&seconds)), "{refused}");
    serving.wait_for("RATE_LIMIT refused");
}

#[test]
fn long_audio_passes_in_chunks() {
    let sandbox = Sandbox::start(&[]);
    let serving = pipeline(&sandbox, &[], &[]);
    let address = serving.printed.split("listening on http://").nth(1).expect("an address");
    let mut socket = TcpStream::connect(address.lines().next().expect("a line")).expect("a socket");
    let head = "POST /deepgram/v1/listen?model=nova-3 HTTP/1.1\r\nhost: localhost\r\ncontent-type: audio/mpeg\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    socket.write_all(head.as_bytes()).expect("written");
    for _ in 0..64 {
        socket.write_all(format!("400\r\n{}\r\n", "a".repeat(0x400)).as_bytes()).expect("written");
    }
    socket.write_all(b"0\r\n\r\n").expect("written");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    assert_eq!(status(&answer), "200", "{answer}");
}

#[test]
fn five_failures_open_a_circuit_and_others_stand_in() {
    let sandbox = Sandbox::start(&[]);
    let away = Sandbox::start(&["--outage-lasts", "1h"]);
    let once = ("TOLLGATE_PROVIDERS_OPENAI_RETRY_ATTEMPTS", "1");
    // Longer than any machine takes for this test.
    let recovery = ("TOLLGATE_PROVIDERS_OPENAI_BREAKER_RECOVERY", "1h");
    let mut serving = pipeline(&sandbox, &[("OPENAI", &away)], &[once, recovery]);
    for nth in 0..5 {
        let answer = serving.post("/openai/v1/chat/completions", &WORKER, &chat("gpt-5"));
        // Perhaps it waited until it was far enough from the one before.
        let attempts = header(&answer, "x-tollgate-attempts").unwrap_or_default();
        assert!(attempts.ends_with("openai/gpt-5=503"), "{nth}: {answer}");
    }
    serving.wait_for("Circuit breaker of openai/gpt-5");
    let refused = serving.post("/openai/v1/chat/completions", &WORKER, &chat("gpt-5"));
    assert_eq!(header(&refused, "x-tollgate-attempts"), Some("openai/gpt-5=circuit"));
    let seconds = header(&refused, "retry-after").and_then(|it| it.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| (1_800..=3_600).contains(&seconds)), "{refused}");
    // The cheaper model is away too, so the local one answers; and the cache what it knows.
    let told = |answer: &str, name| header(answer, name).unwrap_or_default().to_owned();
    let answer = serving.post("/openai/v1/chat/completions", &WORKER, &chat("script"));
    assert_eq!(status(&answer), "200", "{answer}");
    assert_eq!(told(&answer, "x-tollgate-served-by"), "local/llama3.2");
    let again = serving.post("/openai/v1/chat/completions", &WORKER, &chat("script"));
    assert_eq!(told(&again, "x-tollgate-cache"), "hit", "{again}");
}

#[test]
fn strangers_learn_nothing_of_money_or_circuits() {
    let sandbox = Sandbox::start(&[]);
    let serving = pipeline(&sandbox, &[], &[("MONTAGE_ENV", "production")]);
    let turned_away = serving.post("/openai/v1/chat/completions", &[], &chat("gpt-5-mini"));
    assert_eq!(status(&turned_away), "401", "{turned_away}");
    let seen =
        ["/tollgate/health", "/livez", "/readyz"].map(|path| serving.ask("GET", path, &[], ""));
    for answer in seen.iter().chain([&turned_away]) {
        let lower = answer.to_lowercase();
        for word in ["usd", "cost", "spend", "circuit", "openai", "deepgram", "budget"] {
            assert!(!lower.contains(word), "{word}: {answer}");
        }
    }
    let metrics = serving.ask("GET", "/metrics", &[], "");
    assert_ne!(status(&metrics), "200", "that is on the control plane: {metrics}");
}
