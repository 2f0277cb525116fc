//! The table of cases: what is sent, what is answered, and what may be sent then.

use std::{collections::BTreeMap, time::Duration};

use tollgate_core::{
    Demand, Time, Unit,
    quota::{Announced, MAX_CLOSED, MAX_SENT, Quota, QuotaSettings, Reading, Refill, Sent},
};

/// What happens, and what is seen of it. Instants are in milliseconds.
enum Line {
    /// A request of so many tokens is sent.
    Send(u64, &'static str, u64),
    /// One is held back until then.
    Held(u64, u64, u64),
    /// An answer tells what is left of so many requests, and when they are there again.
    Left(u64, &'static str, u64, u64, u64),
    /// The same of tokens.
    Tokens(u64, &'static str, u64, u64, u64),
    /// An answer tells nothing.
    Nothing(u64, &'static str),
    /// It is not sent after all.
    Unsent(&'static str),
    /// 429, with the retry time if there is one.
    Refused(u64, &'static str, Option<u64>),
    /// 429, and what is left of so many requests until when.
    RefusedWith(u64, &'static str, u64, u64, u64),
    /// So many requests may be sent, as far as that is known.
    Room(u64, Option<u64>),
}

use Line::{Held, Left, Nothing, Refused, RefusedWith, Room, Send, Tokens, Unsent};

struct Case {
    name: &'static str,
    refill: Refill,
    lines: &'static [Line],
}

const fn case(name: &'static str, lines: &'static [Line]) -> Case {
    Case { name, refill: Refill::AtReset, lines }
}

const fn evenly(name: &'static str, lines: &'static [Line]) -> Case {
    Case { name, refill: Refill::Evenly, lines }
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("a provider that tells nothing is not held back", &[
        Send(0, "a", 0), Send(0, "b", 0), Nothing(9, "a"), Send(9, "c", 0), Room(9, None),
    ]),
    case("no more is sent than is left, until the reset", &[
        Send(0, "a", 0), Left(1000, "a", 2, 60, 31_000), Room(1000, Some(2)),
        Send(1000, "b", 0), Send(1000, "c", 0), Room(1000, Some(0)),
        Held(1000, 0, 31_000), Held(30_999, 0, 31_000), Send(31_000, "d", 0),
    ]),
    case("what was on its way beside the request is subtracted", &[
        Send(0, "a", 0), Send(0, "b", 0), Send(400, "c", 0), Left(1000, "a", 10, 60, 60_000),
        Room(1000, Some(8)),
    ]),
    case("what was sent long before the request is in its numbers", &[
        Send(0, "long", 0), Send(500, "a", 0), Left(1000, "a", 10, 60, 60_000), Room(1000, Some(10)),
    ]),
    case("what was answered before the request was sent is in its numbers", &[
        Send(0, "a", 0), Left(10, "a", 9, 10, 60_000), Send(10, "b", 0), Left(20, "b", 8, 10, 60_000),
        Send(20, "c", 0), Left(30, "c", 7, 10, 60_000), Room(30, Some(7)),
    ]),
    case("the numbers of an earlier request do not raise what is left", &[
        Send(0, "early", 0), Send(1000, "a", 0), Left(1100, "a", 5, 60, 60_000),
        Left(2000, "early", 50, 60, 60_000), Room(2000, Some(5)),
    ]),
    case("nor do they lower it where they are surely older", &[
        Send(0, "early", 0), Send(1000, "a", 0), Left(1100, "a", 50, 60, 60_000),
        Left(2000, "early", 5, 60, 60_000), Room(2000, Some(50)),
    ]),
    case("requests that overtook each other: the least of their numbers counts", &[
        Send(0, "a", 0), Send(100, "b", 0), Left(200, "b", 5, 60, 60_000), Room(200, Some(4)),
        Left(300, "a", 4, 60, 60_000), Room(300, Some(4)),
    ]),
    case("the least counts too where it came first", &[
        Send(0, "a", 0), Send(100, "b", 0), Left(200, "a", 4, 60, 60_000), Left(300, "b", 5, 60, 60_000),
        Room(300, Some(4)),
    ]),
    case("numbers of a window that has ended say nothing about the next", &[
        Send(900, "a", 0), Send(900, "old", 0), Left(950, "a", 1, 60, 1000), Room(1000, Some(59)),
        Left(1100, "old", 3, 60, 1000), Room(1100, Some(60)),
    ]),
    case("an answer that tells nothing stays subtracted until newer numbers come", &[
        Send(0, "a", 0), Left(10, "a", 9, 10, 60_000), Send(10, "lost", 0), Nothing(20, "lost"),
        Room(20, Some(8)), Send(30, "b", 0), Left(40, "b", 8, 10, 60_000), Room(40, Some(8)),
    ]),
    case("tokens count as requests do", &[
        Send(0, "a", 1000), Tokens(100, "a", 5000, 10_000, 30_000), Held(100, 5001, 30_000),
        Send(100, "b", 3000), Held(100, 2001, 30_000), Send(100, "c", 2000),
    ]),
    case("who asks for more than there ever is waits for all of it", &[
        Send(0, "a", 1000), Tokens(100, "a", 9000, 10_000, 30_000), Held(100, 50_000, 30_000),
        Send(30_000, "b", 50_000),
    ]),

    case(
        "a reset in years is one in a day",
        &[
            Send(0, "a", 0),
            Left(0, "a", 0, 60, 4_000_000_000_000),
            Held(0, 0, 86_400_000),
            Send(86_400_000, "b", 0),
        ],
    ),
    case("a limit of nothing is none", &[Send(0, "a", 0), Left(0, "a", 0, 0, 9), Send(0, "b", 0)]),

    case("who asks for no tokens does not wait for them", &[
        Send(0, "a", 1000), Send(0, "b", 3000), Tokens(100, "a", 1000, 10_000, 30_000),
        Held(100, 1, 30_000), Send(100, "c", 0),
    ]),

    case("what is not sent after all leaves its place to others", &[
        Send(0, "a", 0), Left(1000, "a", 1, 60, 31_000), Send(1000, "b", 0), Held(1000, 0, 31_000),
        Unsent("b"), Room(1000, Some(1)), Send(1000, "c", 0), Held(1000, 0, 31_000),
    ]),

    // After a refusal.
    case("nothing is sent until the retry time", &[
        Send(0, "a", 0), Send(0, "b", 0), Refused(100, "a", Some(7000)), Held(100, 0, 7100),
        Refused(200, "b", Some(5000)), Held(7099, 0, 7100), Send(7100, "c", 0),
    ]),
    case("without a retry time, until the reset of what was short", &[
        Send(0, "a", 0), RefusedWith(100, "a", 0, 60, 9000), Held(100, 0, 9000), Send(9000, "b", 0),
    ]),
    case("without either, for twice as long each time", &[
        Send(0, "a", 0), Refused(100, "a", None), Held(100, 0, 1100),
        Send(1100, "b", 0), Refused(1200, "b", None), Held(1200, 0, 3200),
        Send(3200, "c", 0), Refused(3200, "c", None), Held(3200, 0, 7200),
        Send(7200, "d", 0), Nothing(7300, "d"), Send(9200, "e", 0), Refused(9300, "e", None),
        Held(9300, 0, 10_300),
    ]),
    case("refusals of what was on its way do not double it", &[
        Send(0, "a", 0), Send(0, "b", 0), Send(0, "c", 0), Refused(100, "a", None),
        Refused(110, "b", None), Refused(120, "c", None), Held(120, 0, 1120),
    ]),
    case("a retry time has a bound", &[
        Send(0, "a", 0), Refused(0, "a", Some(u64::MAX / 1_000_000)), Held(0, 0, 86_400_000),
    ]),

    // Opening again.
    case("after a refusal without a limit it opens by one request a second", &[
        Send(0, "a", 0), Refused(0, "a", Some(1000)), Send(1000, "b", 0), Held(1000, 0, 3000),
        Send(3000, "c", 0), Held(3000, 0, 4000), Send(11_000, "d", 0), Send(11_000, "e", 0),
    ]),
    case("what was held back is spread after the reset", &[
        Send(0, "a", 0), Left(0, "a", 0, 100, 5000), Held(0, 0, 5000),
        Send(5000, "b", 0), Held(5000, 0, 5050), Send(5050, "c", 0), Held(5050, 0, 5075),
        Send(15_000, "d", 0), Send(15_000, "e", 0),
    ]),
    case("however long the window is, over no longer than the spread", &[
        Send(0, "a", 0), Left(0, "a", 0, 100, 60_000), Held(0, 0, 60_000),
        Send(60_000, "b", 0), Held(60_000, 0, 60_200), Send(60_200, "c", 0), Held(60_200, 0, 60_300),
        Send(70_000, "d", 0), Send(70_000, "e", 0),
    ]),
    case("what is not sent after all was not let out", &[
        Send(0, "a", 0), Refused(0, "a", Some(1000)), Send(1000, "b", 0), Held(1000, 0, 3000),
        Unsent("b"), Send(1500, "c", 0), Held(1500, 0, 3000),
    ]),
    case("nor was what was sent before it opened", &[
        Send(0, "early", 0), Send(0, "a", 0), Refused(0, "a", Some(1000)), Send(1000, "b", 0),
        Unsent("early"), Held(1000, 0, 3000),
    ]),
    case("where nobody was held back nothing is spread", &[
        Send(0, "a", 0), Left(0, "a", 0, 100, 5000), Send(5000, "b", 0), Send(5000, "c", 0),
    ]),

    // Buckets.
    evenly("what is left grows evenly", &[
        Send(0, "a", 0), Left(1000, "a", 0, 60, 61_000), Held(1000, 0, 2000),
        Room(2500, Some(1)), Send(2500, "b", 0), Room(2500, Some(0)), Held(2500, 0, 3000),
        Room(61_000, Some(59)),
    ]),
    evenly("tokens of a bucket are there when so many have come", &[
        Send(0, "a", 5000), Tokens(1000, "a", 1000, 10_000, 10_000), Held(1000, 6000, 6000),
        Held(5999, 6000, 6000), Send(6000, "b", 6000),
    ]),
];

struct Play {
    quota: Quota,
    running: BTreeMap<&'static str, Sent>,
}

#[test]
fn every_case_is_as_told() {
    let mut wrong = vec![];
    for case in CASES {
        let settings = QuotaSettings { refill: case.refill, ..QuotaSettings::default() };
        let mut play = Play { quota: Quota::new(settings), running: BTreeMap::new() };
        for (number, line) in case.lines.iter().enumerate() {
            if let Err(saw) = play.line(line) {
                wrong.push(format!("{}: line {}: {saw}", case.name, number + 1));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

impl Play {
    fn line(&mut self, line: &Line) -> Result<(), String> {
        match *line {
            Send(ms, name, tokens) => {
                let sent = self.quota.send(&demand(tokens), at(ms)).map_err(held)?;
                self.running.insert(name, sent);
            }
            Held(ms, tokens, until) => {
                let saw = self.quota.check(&demand(tokens), at(ms));
                return same(&saw.map_err(held), &Err(held(at(until))));
            }
            Left(ms, name, remaining, limit, reset) => {
                let requests = Some(reading(remaining, limit, reset));
                self.answer(ms, name, Announced { requests, ..Announced::default() });
            }
            Tokens(ms, name, remaining, limit, reset) => {
                let tokens = Some(reading(remaining, limit, reset));
                self.answer(ms, name, Announced { tokens, ..Announced::default() });
            }
            Unsent(name) => {
                let sent = self.running.remove(name).expect("it was sent");
                self.quota.unsent(sent);
            }
            Nothing(ms, name) => self.answer(ms, name, Announced::default()),
            Refused(ms, name, retry) => {
                let retry_after = retry.map(Duration::from_millis);
                let refused = Announced { throttled: true, retry_after, ..Announced::default() };
                self.answer(ms, name, refused);
            }
            RefusedWith(ms, name, remaining, limit, reset) => {
                let requests = Some(reading(remaining, limit, reset));
                let refused = Announced { requests, throttled: true, ..Announced::default() };
                self.answer(ms, name, refused);
            }
            Room(ms, room) => return same(&self.quota.room(Unit::Requests, at(ms)), &room),
        }
        Ok(())
    }

    fn answer(&mut self, ms: u64, name: &str, announced: Announced) {
        let sent = self.running.remove(name).expect("it was sent");
        self.quota.answered(sent, &announced, at(ms));
    }
}

#[test]
fn it_waits_longer_each_time_but_not_for_ever() {
    let mut quota = Quota::new(QuotaSettings::default());
    let (mut now, mut waits) = (Time::ZERO, vec![]);
    for _ in 0..100 {
        let sent = quota.send(&demand(0), now).expect("it is open");
        quota.answered(sent, &Announced { throttled: true, ..Announced::default() }, now);
        let until = quota.check(&demand(0), now).expect_err("it is closed");
        waits.push(until.since(now).as_secs());
        now = until;
    }
    assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
    assert!(waits[8..].iter().all(|wait| *wait == 60));
    assert!(waits.iter().all(|wait| *wait <= MAX_CLOSED.as_secs()));
}

#[test]
fn it_remembers_so_many_and_forgets_none() {
    let mut quota = Quota::new(QuotaSettings::default());
    let first = quota.send(&demand(0), at(0)).expect("nothing is known");
    let mut last = None;
    for ms in 0..5_000 {
        last = Some(quota.send(&demand(0), at(ms)).expect("nothing is known"));
        assert!(quota.remembered() <= MAX_SENT);
    }
    let requests = Some(reading(100_000, 100_000, 60_000));
    let announced = Announced { requests, ..Announced::default() };
    quota.answered(first, &announced, at(5_000));
    assert_eq!(quota.room(Unit::Requests, at(5_000)), Some(95_000));
    // All that are taken together count until the last of them is surely in the numbers.
    quota.answered(last.expect("it was sent"), &announced, at(5_100));
    let late = quota.send(&demand(0), at(5_499)).expect("there is room");
    quota.answered(late, &announced, at(5_500));
    assert_eq!(quota.remembered(), 1);
    assert_eq!(quota.room(Unit::Requests, at(5_500)), Some(100_000));
}

#[test]
fn while_nothing_is_announced_only_that_is_remembered_which_an_answer_may_not_count() {
    let mut quota = Quota::new(QuotaSettings::default());
    let pass = |quota: &mut Quota, times: std::ops::Range<u64>| {
        for ms in times {
            let sent = quota.send(&demand(0), at(ms)).expect("nothing is known");
            quota.answered(sent, &Announced::default(), at(ms));
        }
    };
    pass(&mut quota, 0..100);
    assert_eq!(quota.remembered(), 0);
    let slow = quota.send(&demand(0), at(100)).expect("nothing is known");
    pass(&mut quota, 101..111);
    // However slow that one is.
    pass(&mut quota, 5_000..5_001);
    assert_eq!(quota.remembered(), 12);
    let requests = Some(reading(100, 100, 60_000));
    quota.answered(slow, &Announced { requests, ..Announced::default() }, at(5_001));
    assert_eq!(quota.room(Unit::Requests, at(5_001)), Some(89));
}

#[test]
fn what_is_taken_together_is_forgotten_once_all_of_it_was_answered() {
    let mut quota = Quota::new(QuotaSettings::default());
    let slow = quota.send(&demand(0), at(0)).expect("nothing is known");
    let several: Vec<Sent> =
        (1..5_000).map(|ms| quota.send(&demand(0), at(ms)).expect("nothing is known")).collect();
    quota.answered(slow, &Announced::default(), at(5_000));
    for (nth, sent) in several.into_iter().enumerate() {
        assert!(quota.remembered() > 0, "before answer {nth}");
        match nth % 7 {
            1 => quota.unsent(sent),
            _ => quota.answered(sent, &Announced::default(), at(5_000)),
        }
    }
    assert_eq!(quota.remembered(), 0);
}

#[test]
fn the_late_answer_of_what_was_forgotten_is_none_of_what_is_taken_together() {
    let mut quota = Quota::new(QuotaSettings::default());
    let send = |quota: &mut Quota, ms| quota.send(&demand(0), at(ms)).expect("there is room");
    let early: Vec<Sent> = (1..MAX_SENT).map(|_| send(&mut quota, 0)).collect();
    let mut several: Vec<Sent> = (0..3).map(|_| send(&mut quota, 10_000)).collect();
    let requests = Some(reading(100_000, 100_000, 60_000));
    let announced = Announced { requests, ..Announced::default() };
    quota.answered(several.remove(0), &announced, at(10_010));
    assert_eq!(quota.remembered(), 1, "what was sent long before is in these numbers");
    for (nth, sent) in early.into_iter().enumerate() {
        match nth % 2 {
            0 => quota.answered(sent, &Announced::default(), at(10_020)),
            _ => quota.unsent(sent),
        }
    }
    let later = send(&mut quota, 10_100);
    quota.answered(later, &announced, at(10_110));
    assert_eq!(quota.room(Unit::Requests, at(10_110)), Some(100_000 - 3), "two are on their way");
}

#[test]
fn other_settings_keep_what_is_known_and_what_the_numbers_have_shown() {
    let with = |refill| QuotaSettings { refill, ..QuotaSettings::default() };
    let mut quota = Quota::new(with(Refill::Learned));
    for used in 10..=30 {
        let sent = quota.send(&demand(0), at(used)).expect("there is room");
        let requests = Some(reading(100 - used, 100, used + 600 * used));
        quota.answered(sent, &Announced { requests, ..Announced::default() }, at(used));
    }
    for (refill, room) in [(None, 80), (Some(Refill::AtReset), 70), (Some(Refill::Learned), 80)] {
        refill.into_iter().for_each(|refill| quota.reconfigure(with(refill)));
        assert_eq!(quota.room(Unit::Requests, at(6_030)), Some(room), "{refill:?}");
    }
}

fn demand(tokens: u64) -> Demand {
    Demand { input_tokens: tokens, ..Demand::ONE_REQUEST }
}

fn reading(remaining: u64, limit: u64, reset_ms: u64) -> Reading {
    Reading { limit: Some(limit), remaining: Some(remaining), reset_at: Some(at(reset_ms)) }
}

fn at(ms: u64) -> Time {
    Time::from_millis(ms)
}

fn held(until: Time) -> String {
    format!("held until {:?}", until.since(Time::ZERO))
}

fn same<T: PartialEq + std::fmt::Debug>(saw: &T, told: &T) -> Result<(), String> {
    if saw == told { Ok(()) } else { Err(format!("saw {saw:?} instead of {told:?}")) }
}
