//! What another process goes on with, case by case.

use std::time::Duration;

use tollgate_core::{
    Demand, Time, Unit,
    quota::{Announced, Quota, QuotaSettings, Reading, Refill},
};

const SECOND: Duration = Duration::from_secs(1);
const ONE: &Demand = &Demand::ONE_REQUEST;

fn at(seconds: u64) -> Time {
    Time::from_millis(1_000_000 + seconds * 1_000)
}

/// So many of a hundred are left, until then.
fn left(remaining: u64, until: Time) -> Announced {
    let reading = Reading { limit: Some(100), remaining: Some(remaining), reset_at: Some(until) };
    Announced { requests: Some(reading), ..Announced::default() }
}

fn settings(refill: Refill) -> QuotaSettings {
    QuotaSettings { refill, ..QuotaSettings::default() }
}

/// One that was told this in its first second.
fn told(refill: Refill, announced: &Announced) -> Quota {
    let mut quota = Quota::new(settings(refill));
    let sent = quota.send(ONE, at(0)).expect("nothing is known");
    quota.answered(sent, announced, at(1));
    quota
}

/// The next process, which begins so long after this one was saved.
fn resumed(quota: &mut Quota, refill: Refill, (saved_at, away): (Time, Duration)) -> Quota {
    let saved = quota.saved(saved_at).expect("there is something to know");
    Quota::resume(settings(refill), &saved, away, saved_at.after(away))
}

#[test]
fn what_is_on_its_way_is_not_to_be_had_again() {
    let mut quota = told(Refill::AtReset, &left(2, at(60)));
    let _ = (quota.send(ONE, at(2)).expect("one"), quota.send(ONE, at(2)).expect("two"));
    for away in [Duration::ZERO, SECOND, 9 * SECOND] {
        let mut next = resumed(&mut quota, Refill::AtReset, (at(2), away));
        assert_eq!(next.check(ONE, at(2).after(away)), Err(at(60)));
        assert_eq!(next.room(Unit::Requests, at(2).after(away)), Some(0));
    }
    let mut late = resumed(&mut quota, Refill::AtReset, (at(2), 58 * SECOND));
    assert_eq!(late.room(Unit::Requests, at(60)), None, "its window is over");
    assert_eq!(late.check(ONE, at(60)), Ok(()));
}

/// Half a second of grace after a beginning in the third second, and five for an answer.
const OVER: Time = Time::from_millis(1_008_500);

#[test]
fn one_at_a_time_asks_until_somebody_was_told_anew() {
    let mut quota = told(Refill::AtReset, &left(50, at(60)));
    let mut next = resumed(&mut quota, Refill::AtReset, (at(2), SECOND));
    let first = next.send(ONE, at(3)).expect("there is room");
    assert_eq!(next.check(ONE, at(3)), Err(at(8)), "the first is waited for");
    // What is sent so soon may be told without what was sent before.
    next.answered(first, &left(40, at(60)), at(3));
    let second = next.send(ONE, at(4)).expect("it was told");
    assert_eq!(next.check(ONE, at(4)), Err(OVER), "and after that nobody is waited for");
    next.unsent(second);
    let third = next.send(ONE, at(5)).expect("none is on its way");
    assert_eq!(next.check(ONE, at(7)), Err(OVER));
    next.answered(third, &left(39, at(60)), at(7));
    assert_eq!((next.check(ONE, at(7)), next.room(Unit::Requests, at(7))), (Ok(()), Some(39)));
    let _ = (next.send(ONE, at(7)), next.send(ONE, at(7)));
    assert_eq!(next.room(Unit::Requests, at(7)), Some(37), "as many as there is room for");
}

#[test]
fn whose_answers_take_long_is_not_asked_one_at_a_time_for_ever() {
    let mut quota = told(Refill::AtReset, &left(50, at(60)));
    let mut next = resumed(&mut quota, Refill::AtReset, (at(2), SECOND));
    let first = next.send(ONE, at(3)).expect("there is room");
    let second = next.send(ONE, at(8)).expect("it was waited for long enough");
    assert_eq!(next.check(ONE, at(8)), Err(OVER));
    let many: Vec<_> = (0..100).map_while(|_| next.send(ONE, OVER).ok()).collect();
    assert_eq!(many.len(), 48, "as many as there is room for, beside those on their way");
    next.answered(first, &left(49, at(60)), at(30));
    next.answered(second, &left(48, at(60)), at(30));
    assert_eq!(next.room(Unit::Requests, at(30)), Some(0));
}

#[test]
fn a_refusal_holds_for_what_is_left_of_it_and_opens_little_by_little() {
    let refused =
        Announced { throttled: true, retry_after: Some(30 * SECOND), ..Announced::default() };
    let mut quota = told(Refill::AtReset, &refused);
    let mut next = resumed(&mut quota, Refill::AtReset, (at(11), 10 * SECOND));
    assert_eq!(next.check(ONE, at(21)), Err(at(31)));
    let sent: Vec<_> = (0..3).map_while(|_| next.send(ONE, at(31)).ok()).collect();
    assert_eq!(sent.len(), 1, "the first at once, and then evenly");
    // It would be open altogether ten seconds later, and so it is.
    let mut open = resumed(&mut quota, Refill::AtReset, (at(11), 30 * SECOND));
    assert!((0..20).all(|_| open.send(ONE, at(41)).is_ok()));
    // Of many in a row that tell no time, the next one is waited for as long as before.
    let silent = Announced { throttled: true, ..Announced::default() };
    let mut quota = told(Refill::AtReset, &silent);
    for (sent_at, until) in [(2, 4), (5, 9)] {
        let sent = quota.send(ONE, at(sent_at)).expect("it is open again");
        quota.answered(sent, &silent, at(sent_at));
        assert_eq!(quota.check(ONE, at(sent_at)), Err(at(until)));
    }
    let mut next = resumed(&mut quota, Refill::AtReset, (at(6), SECOND));
    assert_eq!(next.check(ONE, at(7)), Err(at(9)));
    let sent = next.send(ONE, at(9)).expect("it opens");
    next.answered(sent, &silent, at(10));
    assert_eq!(next.check(ONE, at(10)), Err(at(18)), "eight seconds, after four");
}

#[test]
fn what_grows_has_grown_meanwhile_and_is_known_to() {
    let mut quota = told(Refill::Evenly, &left(40, at(61)));
    // A unit a second, of which ten pass here and ten more elsewhere.
    let mut next = resumed(&mut quota, Refill::Evenly, (at(11), 10 * SECOND));
    assert_eq!(next.room(Unit::Requests, at(21)), Some(60));
    assert_eq!(next.room(Unit::Requests, at(31)), Some(70));
    let mut learned = Quota::new(settings(Refill::Learned));
    for used in 10..40 {
        let sent = learned.send(ONE, at(0)).expect("there is room");
        learned.answered(sent, &left(100 - used, at(used)), at(0));
    }
    let mut next = resumed(&mut learned, Refill::Learned, (at(0), 10 * SECOND));
    assert_eq!(next.room(Unit::Requests, at(20)), learned.room(Unit::Requests, at(20)));
    let much = Demand { requests: 90, ..Demand::ONE_REQUEST };
    assert!(next.check(&much, at(20)).expect_err("not yet") < at(39), "no reset is waited for");
    let mut known = resumed(&mut learned, Refill::Learned, (at(0), 3_600 * SECOND));
    let sent = known.send(&much, at(3_600)).expect("nothing is in its way");
    known.answered(sent, &left(10, at(3_690)), at(3_601));
    assert!(
        known.check(&much, at(3_602)).expect_err("not yet") < at(3_690),
        "it is a bucket still"
    );
}
