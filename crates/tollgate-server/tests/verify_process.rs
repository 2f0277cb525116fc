//! `tollgate verify`, as a process: what it prints and how it exits.

use std::{
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use tollgate::{
    Clock, Embedded,
    core::{
        Amounts, Attributes, NanoUsd, Policy, Unit,
        policy::{Limit, Measure},
    },
    new_id,
    store::embedded::EmbeddedBounds,
};

fn verify(ledger: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.arg("verify").arg("--ledger").arg(ledger).args(more).output().expect("a process")
}

/// A ledger with one settled request of 0.25 dollars under a limit named `spend`.
fn write_ledger(path: &Path) {
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
}

#[test]
fn a_clean_ledger_is_success() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tollgate.db");
    write_ledger(&path);

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
