//! What was learned, as rows: changed, bounded, and what is none passed over.

use std::time::Duration;

use rusqlite::params;
use tollgate_core::{
    Demand, Time,
    quota::{Announced, Quota, QuotaSettings, SavedQuota},
};
use tollgate_meter::OpenLesson;

use super::*;
use crate::guards::{Account, LearnedQuota};

/// Closed for so long.
fn closed(seconds: u64) -> Option<SavedQuota> {
    let (mut quota, now) = (Quota::new(QuotaSettings::default()), Time::from_millis(1_000));
    let sent = quota.send(&Demand::ONE_REQUEST, now).expect("nothing is known");
    let retry_after = Some(Duration::from_secs(seconds));
    let told = Announced { throttled: true, retry_after, ..Announced::default() };
    quota.answered(sent, &told, now);
    quota.saved(now)
}

fn learned(model: &str, account: i64, saved: Option<SavedQuota>) -> LearnedQuota {
    LearnedQuota {
        provider: "up".into(),
        model: model.into(),
        account: Account::of_number(account),
        address: "https://up.example".into(),
        saved,
    }
}

fn lesson(caller: Option<&str>, numbers: &[u8]) -> OpenLesson {
    OpenLesson { caller: caller.map(Into::into), model: "m".into(), numbers: numbers.into() }
}

#[test]
fn a_row_takes_the_place_of_the_one_before_and_goes_when_it_means_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut book = Book::open(&settings(Some(folder.path()), SECRET)).expect("a book");
    let at = |seconds| by(NOON).at.after(Duration::from_secs(seconds));
    let (short, long) = (learned("m", 0, closed(20)), learned("m", -7, closed(500)));
    book.keep_learned(&[short.clone(), long.clone()], &[], at(0)).expect("kept");
    let longer = LearnedQuota { saved: closed(700), ..short };
    book.keep_learned(std::slice::from_ref(&longer), &[lesson(None, &[3, 9, 0])], at(1))
        .expect("kept");
    let second = Duration::from_secs(1) - Duration::from_millis(1);
    let found = book.quotas(at(2)).expect("rows");
    assert_eq!(found, [(longer, second), (long.clone(), Duration::from_secs(1) + second)]);
    book.keep_learned(&[learned("m", 0, None)], &[lesson(None, &[4, 8, 0])], at(3)).expect("kept");
    assert_eq!(book.quotas(at(2)).expect("rows").len(), 1, "nothing is known of it any more");
    assert_eq!(book.quotas(at(511)).expect("rows"), [], "500 s, and 10 s to open");
    book.keep_learned(&[], &[lesson(Some(""), &[5, 7, 0])], at(511)).expect("kept");
    let rows: u32 = book
        .connection
        .query_row("SELECT count(*) FROM quotas", params![], |row| row.get(0))
        .expect("a number");
    assert_eq!(rows, 0);
    let lessons = book.lessons().expect("rows");
    assert_eq!(lessons, [lesson(None, &[4, 8, 0]), lesson(Some(""), &[5, 7, 0])]);
}

#[test]
fn rows_are_bounded_and_what_another_version_wrote_is_passed_over() {
    let mut book = Book::open(&settings(None, SECRET)).expect("a book");
    let at = |seconds| by(NOON).at.after(Duration::from_secs(seconds));
    let many = |from: i64| -> Vec<_> {
        (from..from + 6_000).map(|nth| learned("m", nth, closed(60))).collect()
    };
    book.keep_learned(&many(0), &[], at(0)).expect("kept");
    book.keep_learned(&many(6_000), &[], at(1)).expect("kept");
    let found = book.quotas(at(2)).expect("rows");
    assert_eq!(found.len(), 10_000);
    let newer = found.iter().filter(|(one, _)| one.account.number() >= 6_000);
    assert_eq!(newer.count(), 6_000, "the oldest go first");
    book.connection.execute("UPDATE quotas SET known = 'x'", params![]).expect("changed");
    let found = book.quotas(at(2)).expect("rows");
    assert!(found.iter().all(|(one, _)| one.saved.is_none()));
}

#[test]
fn a_row_of_another_type_is_passed_over_alone() {
    let mut book = Book::open(&settings(None, SECRET)).expect("a book");
    let now = by(NOON).at;
    let quotas = [learned("m", 1, closed(60)), learned("n", 2, closed(60))];
    let lessons = [lesson(None, &[3, 9, 0]), lesson(Some("ann"), &[4, 8, 0])];
    book.keep_learned(&quotas, &lessons, now).expect("kept");
    book.connection
        .execute_batch(
            "UPDATE quotas SET account = 'x' WHERE model = 'm';
             UPDATE lessons SET numbers = 'x' WHERE caller = 'ann'",
        )
        .expect("changed");
    let found: Vec<_> = book.quotas(now).expect("rows").into_iter().map(|(one, _)| one).collect();
    assert_eq!(found, quotas[1..]);
    assert_eq!(book.lessons().expect("rows"), lessons[..1]);
}
