//! `tollgate export ledger`, as a process beside the one that writes the ledger.

use std::{
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use serde_json::{Value, json};
use tollgate::{
    Clock, Embedded, Store as _,
    core::{
        Amounts, Attribute, Attributes, NanoUsd, Now, Policy, ReservationId, Time, Unit,
        policy::{Limit, Measure},
    },
    store::embedded::EmbeddedBounds,
};

/// 2026-11-22 at noon.
const NOON: u64 = 1_795_348_800_000_000_000;

const AWKWARD: &str = "a \"quoted\", name;\nof two lines — and ünïcode";

fn export(ledger: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.args(["export", "ledger", "--ledger"]).arg(ledger).args(more);
    command.output().expect("a process")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Three requests, an hour apart: one settled, one that used more than it had, one open.
async fn fill(store: &Embedded) {
    let measure = Measure::Window { length: Duration::from_secs(60), cap: 1_000_000_000 };
    let policy = Policy::new(vec![Limit::new("spend", &[], Unit::Usd, measure)]).expect("a limit");
    let who = Attributes::new()
        .with(Attribute::User, AWKWARD)
        .with(Attribute::Customer, "=1+1")
        .with(Attribute::named("region"), "eu");
    let demand = Amounts { input_tokens: 7, cost: NanoUsd(260_600), ..Amounts::ONE_REQUEST };
    for (nth, cost) in [(1_u64, Some(260_599)), (2, Some(1_000_000_001)), (3, None)] {
        let at = Time::from_nanos(NOON + (nth - 1) * 3_600_000_000_000);
        let now = Now { time: at, wall: at };
        let expires = at.after(Duration::from_secs(600));
        let order = policy.order(ReservationId(u128::from(nth)), &who, &demand, now, expires);
        store.reserve(&order, now).await.expect("an answer");
        if let Some(cost) = cost {
            let used = Amounts { cost: NanoUsd(cost), ..demand };
            store.settle(order.id, &used, now).await.expect("a receipt");
        }
    }
    store.durable().await.expect("a disk");
}

fn objects(said: &[u8]) -> Vec<Value> {
    text(said).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test]
async fn rows_leave_whole_and_exact_while_the_ledger_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tollgate.db");
    let bounds = EmbeddedBounds::default();
    let (store, _) = Embedded::open(&path, bounds, Clock::no_earlier_than).expect("a ledger");
    fill(&store).await;

    let out = folder.path().join("ledger.csv");
    let told = export(&path, &["--out", &out.to_string_lossy()]);
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
    assert!(told.stdout.is_empty() && text(&told.stderr).contains("6 rows are in"));
    let mut csv = csv::Reader::from_path(&out).expect("a file");
    let header = csv.headers().expect("a header").clone();
    let rows: Vec<_> = csv.records().map(|row| row.expect("a whole row")).collect();
    let get = |nth: usize, name: &str| {
        let column = header.iter().position(|column| column == name).expect("a column");
        rows[nth][column].to_owned()
    };
    let kinds: Vec<String> = (0..rows.len()).map(|nth| get(nth, "kind")).collect();
    assert_eq!(kinds, ["reserve", "settle", "reserve", "settle", "overrun", "reserve"]);
    assert_eq!(get(1, "usd"), "0.000260599");
    assert_eq!(get(3, "usd"), "1.000000001");
    assert_eq!(get(4, "usd"), "0.999739401", "what was not reserved");
    assert_eq!(get(1, "user"), AWKWARD, "an end has the names of its reservation");
    assert_eq!((get(1, "customer"), get(1, "team")), ("=1+1".to_owned(), String::new()));
    assert_eq!(get(1, "attributes"), r#"{"region":"eu"}"#);
    assert_eq!(get(2, "time"), "2026-11-22T13:00:00Z");
    assert_eq!(get(2, "id"), "00000000-0000-0000-0000-000000000002");

    let lines = objects(&export(&path, &["--format", "jsonl"]).stdout);
    assert_eq!(lines.len(), 6);
    let names: Vec<&str> = lines[0].as_object().expect("an object").keys().map(|k| &**k).collect();
    assert!(names.iter().all(|name| header.iter().any(|column| column == *name)), "{names:?}");
    assert_eq!(names.len(), header.len());
    assert_eq!(lines[1]["usd"], "0.000260599");
    assert_eq!(lines[1]["attributes"], json!({"region": "eu"}));
    assert_eq!((&lines[1]["team"], &lines[1]["estimated"]), (&Value::Null, &json!(false)));

    let hour = ["--format", "jsonl", "--from", "2026-11-22T13:00:00Z", "--to"];
    let one = objects(&export(&path, &[&hour[..], &["2026-11-22T14:00:00Z"]].concat()).stdout);
    let numbers: Vec<_> = one.iter().map(|line| line["seq"].as_u64()).collect();
    assert_eq!(numbers, [Some(3), Some(4), Some(5)]);
    let none = export(&path, &["--from", "2026-11-23"]);
    assert_eq!(text(&none.stdout).lines().count(), 1, "the header alone");
}

#[tokio::test]
async fn what_can_not_be_done_is_said_in_a_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tollgate.db");
    let missing = export(&path, &[]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("there is no ledger at"));

    let bounds = EmbeddedBounds::default();
    let (store, _) = Embedded::open(&path, bounds, Clock::no_earlier_than).expect("a ledger");
    fill(&store).await;
    let itself = export(&path, &["--out", &path.to_string_lossy()]);
    assert_eq!(itself.status.code(), Some(1));
    assert!(text(&itself.stderr).contains("--out is the ledger itself"));
    let nowhere = folder.path().join("none/ledger.csv");
    let nowhere = export(&path, &["--out", &nowhere.to_string_lossy()]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(text(&nowhere.stderr).contains("can't be written"), "{}", text(&nowhere.stderr));
    let when = export(&path, &["--from", "yesterday"]);
    assert_eq!(when.status.code(), Some(2));
    assert!(text(&when.stderr).contains("write an instant like"));
    assert_eq!(export(&path, &[]).status.code(), Some(0), "and the ledger is whole");
}
