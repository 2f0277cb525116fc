//! `tollgate export metrics`: what the process has counted, once.

use std::fs;

use serde_json::{Value, json};

use crate::{
    keys::control,
    process::{self, Serving},
};

#[test]
fn metrics_leave_as_json_and_as_prometheus_reads_them() {
    let serving = Serving::start(&[], "");
    serving.chat("hello");
    let admin = format!("http://{}", control(&serving));
    let export = |more: &[&str]| {
        process::run(&[&["export", "metrics", "--admin", &admin], more].concat(), "")
    };
    let ended = export(&[]);
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    let told: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let metrics = told["metrics"].as_array().expect("a list");
    let named = |name: &str| metrics.iter().find(|metric| metric["name"] == name).expect("it");
    let decisions = named("tollgate_decisions");
    assert_eq!(
        (&decisions["type"], &decisions["help"]),
        (&json!("counter"), &json!("Decisions by limit"))
    );
    assert_eq!(
        decisions["samples"][0],
        json!({
            "name": "tollgate_decisions_total", "value": 1,
            "labels": {"decision": "admitted", "limit": ""},
        })
    );
    assert!(named("tollgate_request_seconds")["samples"].as_array().expect("a list").len() > 5);
    // Every line that is a number is a sample.
    let text = export(&["--format", "prometheus"]).stdout;
    let lines = text.lines().filter(|line| !line.starts_with('#')).count();
    let samples: usize =
        metrics.iter().map(|it| it["samples"].as_array().expect("a list").len()).sum();
    assert_eq!(lines, samples, "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");

    let out = serving.folder().join("metrics.json");
    let ended = export(&["--out", out.to_str().expect("text")]);
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(0), ""), "{}", ended.stderr);
    let kept: Value = serde_json::from_slice(&fs::read(out).expect("a file")).expect("JSON");
    assert_eq!(kept["metrics"].as_array().map(Vec::len), Some(metrics.len()));
    let nowhere = export(&["--out", "/nonexistent/metrics.json"]);
    assert_eq!(nowhere.status, Some(1));
    assert!(
        nowhere.stderr.contains("/nonexistent/metrics.json can't be written"),
        "{}",
        nowhere.stderr
    );
}
