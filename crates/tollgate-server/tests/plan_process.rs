//! `tollgate plan`, as a process: what it prints and how it exits.

use std::process::Command;

use serde_json::{Value, json};

/// Exit status, answer and notes.
fn plan(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    let output = command.env_clear().arg("plan").args(args).output().expect("a process");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn planned(args: &[&str]) -> Value {
    let (status, said, wrong) = plan(&[args, &["--json"]].concat());
    assert_eq!(status, Some(0), "{said}{wrong}");
    serde_json::from_str(&said).expect("JSON")
}

#[test]
fn the_worked_example_is_told_to_people() {
    let (status, said, _) = plan(&[
        "--ram",
        "2GB",
        "--users",
        "30",
        "--sessions",
        "6",
        "--minutes",
        "15",
        "--changeover",
        "3",
        "--session-mb",
        "80",
    ]);
    assert_eq!(status, Some(0), "{said}");
    for told in [
        "2 GB: the safe limit is 20 sessions (⌊2048 MB × 0.8 / 80 MB⌋)",
        "30 users on 6 sessions: 5 groups of 6",
        "6 start at once, 24 wait, 36 min in the mean over all and 72 at most",
        "total: 5 × (15 + 3) = 90 min; the last session ends after 87 min",
        "for all 30 to start at once the server needs 3000 MB",
        "assumptions:",
    ] {
        assert!(said.contains(told), "no `{told}` in\n{said}");
    }
    assert!(!said.contains("exceed it") && !said.contains('\x1b'), "{said}");
    let bars: Vec<_> =
        said.lines().filter_map(|line| Some(line[line.find('█')?..].trim_end())).collect();
    assert_eq!(bars.len(), 5, "{said}");
}

#[test]
fn the_hosting_plans_show_what_is_in_use_and_what_is_safe() {
    let (_, said, _) = plan(&[]);
    for (name, cells) in [
        ("Free", "exceeds 512 MB 0 6 5 90 min 108 min"),
        ("Starter", "exceeds 1 GB 7 12 10 54 min 54 min"),
        ("Standard", "exceeds 2 GB 25 25 20 36 min 36 min"),
        ("Pro", "exceeds 8 GB 85 100 81 18 min 18 min"),
    ] {
        let row = said.lines().find(|line| line.trim_start().starts_with(name)).expect(name);
        let words: Vec<_> = row.split_whitespace().skip(1).collect();
        assert_eq!(words.join(" "), cells);
    }
    let hosting = &planned(&["--session-mb", "60"])["hosting"];
    assert_eq!(hosting[3]["safe_limit"], 109);
    assert_eq!(hosting[3]["exceeds_safe_limit"], false);
}

#[test]
fn programs_get_the_other_examples_as_numbers() {
    let pairs = planned(&["--users", "30", "--share", "2", "--sessions", "12"]);
    assert_eq!(pairs["waves"]["start_at_once"], 12);
    assert_eq!(pairs["waves"]["wait"], 3);
    assert_eq!((&pairs["safe_limit"], &pairs["exceeds_safe_limit"]), (&json!(10), &json!(true)));
    let standard = planned(&["--users", "30", "--sessions", "25", "--ram", "2048"]);
    assert_eq!(standard["waves"]["start_at_once"], 25);
    assert_eq!(standard["waves"]["wait"], 5);
    assert_eq!(
        standard["waves"]["listed"][1],
        json!({"number": 2, "first": 26, "last": 30, "sessions": 5, "start_minutes": 18, "end_minutes": 33})
    );
}

#[test]
fn edges_are_answered_and_not_stumbled_over() {
    let (status, said, _) = plan(&["--ram", "99"]);
    assert_eq!(status, Some(1), "no session fits");
    assert!(said.contains("no session fits, so nobody can start: one needs 100 MB"), "{said}");
    let (status, said, _) = plan(&["--users", "0"]);
    assert_eq!(status, Some(0));
    assert!(said.contains("0 users on 10 sessions: nothing to plan"), "{said}");

    let huge = planned(&["--users", "4294967295", "--sessions", "1", "--minutes", "65535"]);
    assert_eq!(huge["waves"]["count"], 4_294_967_295_u64);
    assert_eq!(huge["waves"]["listed"].as_array().map(Vec::len), Some(1_000));
    assert_eq!(huge["waves"]["not_listed"], 4_294_966_295_u64);
    let (_, said, _) = plan(&["--users", "100", "--sessions", "3"]);
    assert!(said.contains("33 groups of 3 and 1 of 1") && said.contains("21 more"), "{said}");
}

#[test]
fn a_limit_above_the_safe_one_is_planned_and_warned_of() {
    let (status, said, _) = plan(&["--ram", "1GB", "--sessions", "12"]);
    assert_eq!(status, Some(0));
    assert!(said.contains("12 sessions at once exceed it: the server may run out of memory"));
}

#[test]
fn wrong_usage_says_how_it_is_right() {
    for (args, advice) in [
        (["--ram", "lots"], "write it like 512MB, 2GB or 1.5GB"),
        (["--session-mb", "0"], "a session takes some memory"),
        (["--sessions", "0"], "0 is not in 1.."),
        (["--minutes", "0"], "0 is not in 1.."),
        (["--users", "4294967296"], "4294967296 is not in"),
    ] {
        let (status, _, wrong) = plan(&args);
        assert_eq!(status, Some(2), "{args:?}");
        assert!(wrong.contains(advice), "{wrong}");
    }
    let (status, help, _) = plan(&["--help"]);
    assert_eq!(status, Some(0));
    assert!(help.contains("Examples:") && help.contains("5 groups of 6, 90 minutes"), "{help}");
}
