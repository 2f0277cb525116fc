//! `tollgate verify`, as a process: what it prints and how it exits.

use std::{
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use tollgate::{
    Clock, Embedded,
    core::{
        Amounts, Attributes, NanoUsd, Policy, ReservationId, Unit,
        policy::{Limit, Measure},
    },
    new_id,
    store::embedded::EmbeddedBounds,
};

fn verify(ledger: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.arg("verify").arg("--ledger").arg(ledger).args(more).output().expect("a process")
}

/// A ledger with one settled request of 0.25 dollars under a limit named `spend`, and some of
/// which nobody knows.
fn write_ledger(path: &Path, unresolved: &[u128]) -> Embedded {
    let measure = Measure::Window { length: Duration::from_secs(60), cap: 1_000_000_000 };
    let spend = Limit::new("spend", &[], Unit::Usd, measure);
    let policy = Policy::new(vec![spend]).expect("one limit");
    let (store, clock) =
        Embedded::open(path, EmbeddedBounds::default(), Clock::no_earlier_than).expect("a ledger");
    store.note_policy(&policy);
    let (now, who) = (clock.now(), Attributes::new());
    let demand = Amounts { cost: NanoUsd(250_000_000), ..Amounts::ONE_REQUEST };
    let expires = now.time.after(Duration::from_secs(600));
    let order = policy.order(new_id(now.wall), &who, &demand, now, expires);
    store.memory().reserve_now(&order, now).expect("an answer");
    store.memory().settle_now(order.id, &demand, now).expect("a receipt");
    // What nobody ends.
    for id in unresolved {
        let order = policy.order(ReservationId(*id), &who, &demand, now, expires);
        store.memory().reserve_now(&order, now).expect("an answer");
    }
    store
}

#[test]
fn a_clean_ledger_is_success() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tollgate.db");
    drop(write_ledger(&path, &[]));

    let people = verify(&path, &[]);
    let said = String::from_utf8_lossy(&people.stdout).into_owned();
    assert_eq!(people.status.code(), Some(0), "{said}");
    assert!(said.contains("2 rows, 1 reservations") && said.contains("$0.25"), "{said}");
    assert!(said.contains("the ledger is clean"), "{said}");

    let program = verify(&path, &["--json"]);
    let found: serde_json::Value = serde_json::from_slice(&program.stdout).expect("JSON");
    assert_eq!(found["wrong"], 0);
    assert_eq!(found["limits"][0]["limit"], "spend");
    assert_eq!(found["limits"][0]["settled"], 250_000_000);
}

#[test]
fn no_ledger_is_failure() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = verify(&folder.path().join("none.db"), &[]);
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert_eq!(missing.status.code(), Some(1), "{said}");
    assert!(said.contains("there is no ledger at"), "{said}");
    assert_eq!(verify(folder.path(), &["--nonsense"]).status.code(), Some(2));
}

fn said(output: &Output) -> String {
    let all = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn what_a_crash_left_is_resolved_by_a_bill_and_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tollgate.db");
    let store = write_ledger(&path, &[0xa, 0xb, 0xc]);
    let refused = verify(&path, &["--reconcile", "keep"]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("is in use by another process: stop that one"));
    drop(store);

    let bill = folder.path().join("bill.csv");
    let lines = "id,model,usd\n0000000000000000000000000000000a,gpt,0.100000001\n\
        00000000-0000-0000-0000-00000000000b,gpt,0.3\n\
        00000000-0000-0000-0000-0000000000ff,gpt,1\n";
    std::fs::write(&bill, lines).expect("a file");
    let bill = bill.to_string_lossy();
    let people = verify(&path, &["--usage", &bill]);
    let told = said(&people);
    assert_eq!(people.status.code(), Some(0), "{told}");
    assert!(told.contains("of 3 unresolved reservations, 2 are settled"), "{told}");
    assert!(told.contains("1 ids of the file have nothing unresolved here"), "{told}");
    let row = told.lines().find(|line| line.trim_start().starts_with("spend")).expect("a row");
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells, ["spend", "$0.75", "+$0.350000001", "+$0.149999999", "$0.25"], "{told}");
    assert!(told.contains("the ledger is clean"), "{told}");

    let program = verify(&path, &["--usage", &bill, "--reconcile", "release", "--json"]);
    let done: serde_json::Value = serde_json::from_slice(&program.stdout).expect("JSON");
    assert_eq!((&done["settled"], &done["released"]), (&0.into(), &1.into()));
    assert_eq!(done["not_unresolved"].as_array().map(Vec::len), Some(3));
    assert_eq!(done["after"]["outstanding"], 0);
    let again = verify(&path, &["--reconcile", "keep", "--json"]);
    let again: serde_json::Value = serde_json::from_slice(&again.stdout).expect("JSON");
    assert_eq!(again["after"], done["after"], "again changes nothing");
    assert_eq!(again["before"], again["after"]);
}

#[test]
fn a_bill_that_can_not_be_read_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tollgate.db");
    drop(write_ledger(&path, &[0xa]));
    let id = "0000000000000000000000000000000a";
    for (lines, complaint) in [
        (format!("id,usd\n{id},1e3\n"), "line 2: `1e3` is no amount of dollars"),
        (format!("id,usd\n{id},1\n{id},1\n"), "line 3: 00000000-0000-0000-0000-00000000000a is"),
        (format!("id,cost\n{id},1\n"), "line 2: give usd, input_tokens"),
        (
            format!("{{\"id\":\"{id}\",\"usd\":\"1\"}}\n{{\"usd\":\"1\"}}\n"),
            "line 2: missing field",
        ),
        ("{\"id\":7}\n".to_owned(), "line 1: "),
    ] {
        let bill = folder.path().join("bill");
        std::fs::write(&bill, &lines).expect("a file");
        let refused = verify(&path, &["--usage", &bill.to_string_lossy()]);
        assert_eq!(refused.status.code(), Some(1), "{lines}");
        assert!(said(&refused).contains(complaint), "{lines}: {}", said(&refused));
    }
    let missing = verify(&path, &["--usage", "/nowhere/bill.csv"]);
    assert!(said(&missing).contains("/nowhere/bill.csv can't be read"), "{}", said(&missing));
    let found = verify(&path, &["--json"]);
    let found: serde_json::Value = serde_json::from_slice(&found.stdout).expect("JSON");
    assert_eq!(found["outstanding"], 1);
    assert_eq!(verify(&path, &["--reconcile", "perhaps"]).status.code(), Some(2));
}
