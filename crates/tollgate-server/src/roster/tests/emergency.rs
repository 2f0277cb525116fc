//! Emergencies in the roster, and rows of the audit as older versions wrote them.

use std::time::Duration;

use rusqlite::params;
use serde_json::{Value, json};
use tollgate_core::policy::settings::Emergency as Policy;

use super::{NOON, SECRET, by, settings, wall};
use crate::{
    emergency::Begin,
    roster::{Book, By, Emergency, Moment, RosterError, Siren},
};

fn at(second: u64) -> Moment {
    Moment::of(wall(second))
}

fn begin(book: &mut Book, until: u64, downgrade: bool, by: By) -> Emergency {
    let how = Begin { by, until: Some(at(until)), downgrade: Some(downgrade) };
    let policy = Policy::default();
    book.begin_emergency(&how.by, |before| how.after(before, &policy)).expect("one")
}

#[test]
fn an_emergency_has_a_row_for_its_beginning_each_change_and_its_end() {
    let mut book = Book::open(&settings(None, SECRET)).expect("it");
    assert_eq!(book.siren().expect("it"), Siren::Silent);
    let none = book.end_emergency(&by(NOON));
    assert!(matches!(none, Err(RosterError::Missing(_))), "{none:?}");
    let by = |second: u64, why: &str| {
        let by = by(wall(second)).because(Some(why.to_owned()));
        by.expect("a reason")
    };
    let first = begin(&mut book, 60, false, by(0, "a spike"));
    assert_eq!(book.expire_emergency(at(59)).expect("it"), None);
    let longer = begin(&mut book, 90, true, by(10, "still"));
    assert_eq!((longer.since_at, longer.until_at), (first.since_at, at(90)));
    assert_eq!(book.siren().expect("it"), Siren::On(longer.clone()));
    book.end_emergency(&by(20, "it is over")).expect("its end");
    assert_eq!(book.siren().expect("it"), Siren::Off(at(20)));
    begin(&mut book, 90, false, by(30, "again"));
    // Nobody was there when its time passed: its row comes before the next one's.
    begin(&mut book, 200, false, by(100, "anew"));
    let expired = book.expire_emergency(at(200)).expect("it").expect("one is over");
    assert_eq!(expired.reason.as_deref(), Some("anew"));
    assert_eq!(book.siren().expect("it"), Siren::Expired);
    let mut rows = book.audit(20).expect("rows");
    rows.reverse();
    let told: Vec<(&str, &str, Option<&str>, &Value, &Value)> = rows
        .iter()
        .map(|row| {
            let (before, after) = (&row.before["until_at"], &row.after["until_at"]);
            (row.what.as_str(), row.who.as_str(), row.reason.as_deref(), before, after)
        })
        .collect();
    let (sixty, ninety, later) = (json!(at(60)), json!(at(90)), json!(at(200)));
    let null = &Value::Null;
    let (on, off, expired, clock) =
        ("emergency.on", "emergency.off", "emergency.expired", "system:clock");
    assert_eq!(
        told,
        [
            (on, "test", Some("a spike"), null, &sixty),
            (on, "test", Some("still"), &sixty, &ninety),
            (off, "test", Some("it is over"), &ninety, null),
            (on, "test", Some("again"), null, &ninety),
            (expired, clock, None, &ninety, null),
            (on, "test", Some("anew"), null, &later),
            (expired, clock, None, &later, null),
        ]
    );
    assert_eq!(book.verify().expect("a chain").broken_at, None);
}

#[test]
fn rows_of_older_versions_are_read_and_still_follow_from_each_other() {
    let mut book = Book::open(&settings(None, SECRET)).expect("it");
    // As the first versions wrote them: what was told had members of its own.
    let older = [
        (
            "tier.set",
            "alice",
            r#"{"before":"silver","tier":"gold"}"#,
            json!("silver"),
            json!({ "tier": "gold" }),
        ),
        ("key.revoke", "ci", "{}", Value::Null, Value::Null),
        (
            "circuit.force",
            "a",
            r#"{"before":null,"mode":"open","reason":"an incident"}"#,
            Value::Null,
            json!({ "mode": "open" }),
        ),
    ];
    let mut hash = [0_u8; 32];
    for ((what, subject, detail, _, _), seq) in older.iter().zip(1_i64..) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&hash).update(&seq.to_le_bytes()).update(&1_000_i64.to_le_bytes());
        for text in ["olga", what, subject, detail] {
            hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
        hash = hasher.finalize().into();
        let row = params![seq, 1_000, "olga", what, subject, detail, hash];
        book.connection.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?)", row).expect("it");
    }
    book.set_tier("bob", "gold", &by(NOON)).expect("a tier");
    let chain = book.verify().expect("a chain");
    assert_eq!((chain.rows, chain.broken_at), (4, None));
    let mut rows = book.audit(9).expect("rows");
    rows.reverse();
    for (row, (what, _, _, before, after)) in rows.iter().zip(&older) {
        assert_eq!((&row.before, &row.after), (before, after), "{what}");
    }
    assert_eq!(rows[2].reason.as_deref(), Some("an incident"));
}

#[test]
fn what_is_too_long_for_a_row_is_told_by_its_length() {
    let mut book = Book::open(&settings(None, SECRET)).expect("it");
    let draft = super::Draft {
        terms: super::Terms { models: vec!["m".repeat(256); 32], ..super::Terms::default() },
        ..super::Draft::default()
    };
    let hour = Duration::from_secs(3_600);
    book.create(draft, &by(NOON.after(hour))).expect("a key");
    let row = &book.audit(1).expect("rows")[0];
    let left_out = row.after["bytes_left_out"].as_u64().expect("its length");
    assert!(left_out > 8_192, "{left_out}");
    assert_eq!(book.verify().expect("a chain").broken_at, None);
}
