//! Accounts survive changed limits: what was counted goes on counting, on the safe side.

use proptest::{collection::vec, prelude::*};

use super::{Cell, Ending, NotACell};
use crate::{Charge, Kind, LimitId, Now, Retry, Rule, Time, Unit, Warn};

const LIMIT: LimitId = LimitId(7);

fn window(cap: u64, length_ns: u64, amount: u64) -> Charge {
    let rule = Rule { kind: Kind::Window { length_ns }, cap };
    Charge { limit: LIMIT, rule, unit: Unit::Tokens, amount, shadow: false, warn: Warn::NEVER }
}

fn at(nanos: u64) -> Now {
    Now::at(Time::from_nanos(1_790_000_000_000_000_000 + nanos))
}

#[test]
fn an_overrun_widens_the_counts_and_loses_none() {
    let (mut cell, cap) = (Cell::default(), 200);
    let charge = window(cap, 60_000, 150);
    cell.hold(0, &mut charge.clone(), "", at(0));
    let ending = Ending { held: 150, used: 1_000_000, at: at(0), expired: false };
    cell.settle(0, &charge, &ending, at(500));
    // Held in the first sub-bucket and overrun in the same one: free when it is gone.
    let one = window(cap, 60_000, 1);
    let free = 1_790_000_000_000_000_000 / 1_000 * 1_000 + 61_000;
    assert_eq!(cell.check(0, &one, "", at(501)), Err(Retry::At(Time::from_nanos(free))));
    let all = window(2_000_000, 60_000, 1_000_000);
    assert_eq!(cell.check(0, &all, "", at(501)), Ok(()), "exactly a million are counted");
    assert!(cell.check(0, &window(2_000_000, 60_000, 1_000_001), "", at(501)).is_err());
}

#[test]
fn another_kind_begins_anew() {
    let mut cell = Cell::default();
    cell.hold(0, &mut window(5, 60_000, 5), "", at(0));
    let slots = Charge { rule: Rule { kind: Kind::Concurrency, cap: 2 }, ..window(2, 1, 1) };
    assert_eq!(cell.check(0, &slots, "", at(1)), Ok(()));
    cell.hold(0, &mut slots.clone(), "", at(1));
    // What the window still had to settle does not disturb the slots.
    let ending = Ending { held: 5, used: 0, at: at(0), expired: false };
    cell.settle(0, &window(5, 60_000, 5), &ending, at(2));
    assert_eq!(cell.standing(0, &slots, at(2)).remaining, 1);
}

#[test]
fn a_bucket_keeps_its_instant_when_the_rate_changes() {
    let bucket = |rate, amount| Charge {
        rule: Rule { kind: Kind::Bucket { rate, per_ns: 1_000 }, cap: 10 },
        ..window(10, 1, amount)
    };
    let mut cell = Cell::default();
    cell.hold(0, &mut bucket(1, 10), "", at(0));
    // Full again after 10,000 ns, also for a faster rate: half of it is free half-way.
    let free = Time::from_nanos(at(5_000).time.as_nanos());
    assert_eq!(cell.check(0, &bucket(1, 5), "", at(0)), Err(Retry::At(free)));
    let free = Time::from_nanos(at(7_500).time.as_nanos());
    assert_eq!(cell.check(0, &bucket(2, 5), "", at(0)), Err(Retry::At(free)));
}

#[test]
fn words_that_are_no_accounts_are_refused() {
    let mut cell = Cell::default();
    for (limit, cap) in [(1, 5), (2, 500), (3, 0)] {
        let charge = Charge { limit: LimitId(limit), ..window(cap, 60_000, 1) };
        cell.hold(0, &mut charge.clone(), "", at(0));
    }
    let good = serde_json::to_value(&cell).expect("a cell is plain data");
    assert_eq!(serde_json::from_value::<Cell>(good.clone()).expect("its own words"), cell);
    let words = good["packed"].as_array().expect("a list").len();
    for damaged in (0..words).step_by(2).map(|even| even + 1).take(3) {
        for wrong in [0_u64, 7, u64::MAX] {
            let mut bad = good.clone();
            bad["packed"][damaged] = wrong.into();
            assert!(serde_json::from_value::<Cell>(bad).is_err(), "word {damaged} is {wrong}");
        }
    }
    for kept in 1..words {
        let mut cut = good.clone();
        cut["packed"].as_array_mut().expect("a list").truncate(kept);
        assert!(serde_json::from_value::<Cell>(cut).is_err(), "{kept} words of {words}");
    }
}

#[test]
fn a_cell_comes_back_from_its_bytes_and_from_no_others() {
    let mut cell = Cell::default();
    let seats = Rule { kind: Kind::Sessions { idle_ns: 1_000_000 }, cap: 9 };
    let seats = Charge { limit: LimitId(u64::MAX), rule: seats, ..window(9, 1, 1) };
    for (nth, session) in ["", "a", "sitzung ä"].into_iter().enumerate() {
        cell.hold(0, &mut window(5_000, 60_000, 700), "", at(nth as u64 * 7_000));
        cell.hold(1, &mut seats.clone(), session, at(nth as u64 * 7_000));
    }
    for cell in [Cell::default(), cell] {
        let mut bytes = Vec::new();
        cell.write_to(&mut bytes);
        assert_eq!(Cell::read_from(&bytes), Ok(cell));
        for cut in 0..bytes.len() {
            assert_eq!(Cell::read_from(&bytes[..cut]), Err(NotACell), "{cut} bytes");
        }
        for nth in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[nth] ^= 0xff;
            // Another cell or none, but no panic and no endless memory.
            let _ = Cell::read_from(&damaged);
        }
        bytes.push(0);
        assert_eq!(Cell::read_from(&bytes), Err(NotACell), "one too many");
    }
}

proptest! {
    /// However a window's cap and length change, it never admits what its rule of the
    /// moment forbids, counted over every unit that no rule since has let go.
    #[test]
    fn no_reload_forgets_what_was_taken(
        steps in vec((prop_oneof![1_u64..64, 60_u64..70, 200_u64..300, 60_000_u64..70_000],
                      prop_oneof![Just(1_000_u64), Just(60_000), 1_u64..200_000],
                      0_u64..300, 0_u64..3_000), 1..60)
    ) {
        let mut cell = Cell::default();
        let mut taken: Vec<(u64, u64)> = vec![];
        let mut now = 0;
        for (cap, length, amount, wait) in steps {
            now += wait;
            let charge = window(cap, length, amount);
            taken.retain(|(at, _)| at + length > now);
            match cell.check(0, &charge, "", at(now)) {
                Ok(()) => {
                    cell.hold(0, &mut charge.clone(), "", at(now));
                    taken.push((now, amount));
                    let sum: u64 = taken.iter().map(|(_, amount)| amount).sum();
                    // A cap that was lowered below what is taken admits only nothing.
                    prop_assert!(sum <= cap || amount == 0, "{sum} of {cap} in {length}");
                }
                Err(Retry::At(promised)) => {
                    let promised = Now::at(promised);
                    prop_assert_eq!(cell.check(0, &charge, "", promised), Ok(()));
                }
                Err(Retry::Never) => prop_assert!(amount > cap),
                Err(other) => prop_assert!(false, "a window promises an instant: {other:?}"),
            }
        }
    }
}

proptest! {
    /// What is told of a large window is the instant at which the next units come free.
    #[test]
    fn more_is_left_at_the_reset_and_not_before(
        cap in 65..100_000_u64,
        takes in vec((0..30_000_u64, 1..40_u64), 1..40),
        later in 0..70_000_u64,
    ) {
        let (mut cell, mut time) = (Cell::default(), 0);
        for (pause, amount) in takes {
            time += pause;
            cell.hold(0, &mut window(cap, 60_000, amount), "", at(time));
        }
        let asked = window(cap, 60_000, 1);
        let now = at(time + later);
        let told = cell.standing(0, &asked, now);
        let left_at = |cell: &mut Cell, time| cell.standing(0, &asked, Now::at(time)).remaining;
        if told.reset > now.time {
            let before = Time::from_nanos(told.reset.as_nanos() - 1);
            prop_assert_eq!(left_at(&mut cell, before), told.remaining);
            prop_assert!(left_at(&mut cell, told.reset) > told.remaining || told.remaining == 0);
        } else {
            prop_assert_eq!(told.remaining, cap);
        }
    }
}
