//! `tollgate simulate`, as a process: what it prints and how it exits.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

const POLICY: &str = "[models.any]\nmodels = [\"sandbox/a\", \"sandbox/b\"]\n[[limits]]\nname = \"a-few\"\nwhen = { model = \"a\" }\nrequests = \"6/minute\"\nqueue = { size = 4, timeout = \"3s\" }\n[[limits]]\nname = \"b-few\"\nwhen = { model = \"b\" }\nrequests = \"6/minute\"\n";

const TRACE: &str = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:00:00,10,5\n2023-11-16 18:00:01,10,5\n2023-11-16 18:00:02,10,5\n";

/// Exit status, answer and notes, in a folder of its own that has a policy and a trace.
fn simulate(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    fs::write(folder.join("p.toml"), POLICY).expect("a policy");
    fs::write(folder.join("t.csv"), TRACE).expect("a trace");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.env_clear().current_dir(folder).arg("simulate").args(args);
    let output = command.output().expect("a process");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// What a short simulation is told by.
const SHORT: [&str; 8] =
    ["--policy", "p.toml", "--for", "2m", "--think", "10s", "--tokens", "50+10"];

#[test]
fn people_get_a_table_and_a_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let users = ["--users", "12,1,2,2", "--compare"];
    let (status, said, wrong) = simulate(folder.path(), &[&SHORT[..], &users].concat());
    assert_eq!(status, Some(0), "{said}{wrong}");
    for told in [
        "p.toml, seed 0",
        "no fallback",
        "no waiting",
        "neither",
        "2 users are served well: 0 % throttled",
        "Raise `a-few` (6 requests per minute) first",
        "what is never in their way allows:",
        "- a request sends 50 tokens and lets 10 be made",
    ] {
        assert!(said.contains(told), "no `{told}` in\n{said}");
    }
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let rows = said.lines().filter(|line| line.contains("the policy") && line.contains("good"));
    assert_eq!(rows.filter_map(first).collect::<Vec<_>>(), ["1", "2"], "{said}");
    assert!(wrong.is_empty() && !said.contains('\x1b'), "{said}{wrong}");
}

#[test]
fn programs_get_numbers_and_the_same_from_every_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let args =
        [&SHORT[..], &["--users", "1,3", "--answer", "0s..4s", "--seed", "5", "--json"]].concat();
    let (status, said, wrong) = simulate(folder.path(), &args);
    assert_eq!(status, Some(0), "{said}{wrong}");
    let report: Value = serde_json::from_str(&said).expect("JSON");
    let row = &report["rows"][1];
    let number = |name: &str| row[name].as_u64().expect(name);
    assert_eq!(number("asked"), number("served") + number("refused") + number("failed"));
    assert_eq!((number("users"), &row["variation"]), (3, &"whole".into()));
    assert_eq!(report["needs"][1]["users"], 3);
    for _ in 0..3 {
        assert_eq!(simulate(folder.path(), &args).1, said);
    }
}

#[test]
fn a_trace_takes_the_place_of_users_who_think() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["--policy", "p.toml", "--trace", "t.csv", "--json"];
    let (status, said, wrong) = simulate(folder.path(), &args);
    assert_eq!(status, Some(0), "{said}{wrong}");
    let report: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(report["rows"][0]["served"], 3);
    assert_eq!(report["rows"][0]["users"], 200);
}

#[test]
fn the_report_is_a_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = [&SHORT[..], &["--users", "1,2", "--report", "out.html"]].concat();
    let (status, said, _) = simulate(folder.path(), &args);
    assert_eq!(status, Some(0));
    assert!(said.contains("plots: out.html"), "{said}");
    let page = fs::read_to_string(folder.path().join("out.html")).expect("a page");
    assert!(page.starts_with("<!doctype html>") && page.contains("<svg"), "{page}");
}

#[test]
fn nobody_served_well_is_a_no() {
    let folder = tempfile::tempdir().expect("a folder");
    let (status, said, _) = simulate(folder.path(), &[&SHORT[..], &["--users", "50"]].concat());
    assert_eq!(status, Some(1));
    assert!(said.contains("Not even the fewest users are served well; of 50 users,"), "{said}");
}

#[test]
fn wrong_usage_says_how_it_is_right() {
    let folder = tempfile::tempdir().expect("a folder");
    for (args, code, advice) in [
        (["--users", "0"], 2, "0 is not in 1..=10000"),
        (["--users", "5,many"], 2, "invalid digit"),
        (["--think", "soon"], 2, "write it like 500ms, 30s or 2m"),
        (["--think", "1s±2s"], 2, "nobody thinks for less than no time"),
        (["--tokens", "0"], 2, "write whole tokens like 6000"),
        (["--for", "0s"], 2, "nobody asks in so short a time"),
        (["--answer", "11m"], 2, "a model takes at most 10m"),
        (["--report", "out.pdf"], 2, "give it a name that ends with .html"),
        (["--policy", "none.toml"], 1, "there is no such file"),
        (["--trace", "none.csv"], 1, "cannot open none.csv"),
        (["--trace", "p.toml"], 1, "has no column `TIMESTAMP`"),
        (["--model", "openai/x"], 1, "`openai/x` is no model of the policy"),
    ] {
        let policy = if args[0] == "--policy" { [].as_slice() } else { &["--policy", "p.toml"] };
        let (status, said, wrong) = simulate(folder.path(), &[policy, &args].concat());
        assert_eq!(status, Some(code), "{args:?}: {said}{wrong}");
        let flat = wrong.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(advice), "no `{advice}` in\n{wrong}");
    }
    let both = ["--policy", "p.toml", "--trace", "t.csv", "--think", "1s"];
    assert_eq!(simulate(folder.path(), &both).0, Some(2), "a trace needs nobody who thinks");
    let (status, help, _) = simulate(folder.path(), &["--help"]);
    assert_eq!(status, Some(0));
    assert!(help.contains("Examples:") && help.contains("5 to 50 users for an hour"), "{help}");
}
