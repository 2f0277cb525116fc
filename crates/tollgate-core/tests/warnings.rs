//! A budget warns once of each threshold in each period, whatever happens in between.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};
use tollgate_core::{Cell, Charge, Ending, Kind, LimitId, Now, Rule, Time, Unit, Warn};

const DAY: u64 = 86_400_000_000_000;
const PERCENTS: [u8; 3] = [50, 80, 100];

fn charge(day: u64, cap: u64, amount: u64) -> Charge {
    let kind = Kind::Period { start: day * DAY, end: (day + 1) * DAY };
    let warn = Warn::at(PERCENTS).softly();
    let rule = Rule { kind, cap };
    Charge { limit: LimitId(1), rule, unit: Unit::Usd, amount, shadow: true, warn }
}

const fn at(day: u64) -> Now {
    Now::at(Time::from_nanos(day * DAY + DAY / 2))
}

fn settled(cell: &mut Cell, charge: &Charge, used: u64, expired: bool) -> Vec<u8> {
    let ending = Ending { held: charge.amount, used, at: at(0), expired };
    let crossed = cell.settle(0, charge, &ending, at(0));
    crossed.map_or_else(Vec::new, |crossed| charge.warn.of(crossed).collect())
}

fn held(cell: &mut Cell, mut charge: Charge) -> Charge {
    cell.hold(0, &mut charge, "", at(0));
    charge
}

#[test]
fn holds_warn_of_nothing_and_one_settlement_of_all_that_it_crosses() {
    let mut cell = Cell::default();
    let all = held(&mut cell, charge(1, 100, 200));
    assert_eq!(settled(&mut cell, &all, 79, false), [50]);
    let one = held(&mut cell, charge(1, 100, 1));
    assert_eq!(settled(&mut cell, &one, 1, false), [80], "at 80 of 100");
    let more = held(&mut cell, charge(1, 100, 50));
    assert_eq!(settled(&mut cell, &more, 50, false), [100]);
    let next = held(&mut cell, charge(2, 100, 100));
    assert_eq!(settled(&mut cell, &next, 100, false), PERCENTS, "a new day begins anew");
}

#[test]
fn a_raised_cap_warns_again_and_only_of_what_is_new() {
    let mut cell = Cell::default();
    let first = held(&mut cell, charge(1, 100, 85));
    assert_eq!(settled(&mut cell, &first, 85, false), [50, 80]);
    let second = held(&mut cell, charge(1, 200, 20));
    assert_eq!(settled(&mut cell, &second, 20, false), [50], "105 of 200");
    let third = held(&mut cell, charge(1, 100, 1));
    assert!(settled(&mut cell, &third, 1, false).is_empty(), "106 of 100, which it was before");
}

#[derive(Debug, Clone)]
struct Step {
    day: u64,
    held: u64,
    used: u64,
    expires: bool,
}

proptest! {
    /// However holds overrun, expire, are settled late and across midnight.
    #[test]
    fn every_threshold_is_told_once_in_each_period(
        steps in vec((0..3_u64, 0..40_u64, 0..60_u64, any::<bool>())
            .prop_map(|(day, held, used, expires)| Step { day, held, used, expires }), 1..60),
        cap in 0..150_u64,
    ) {
        let mut cell = Cell::default();
        let (mut told, mut most) = (BTreeSet::new(), [0_u64; 40]);
        let (mut last_day, mut sums) = (1, [0_u64; 40]);
        for Step { day, held: amount, used, expires } in steps {
            // Days go forward now and then.
            last_day += u64::from(day == 2);
            let hold = held(&mut cell, charge(last_day, cap, amount));
            let endings = if expires { vec![(amount, false), (used, true)] } else { vec![(used, false)] };
            let mut before = 0;
            for (used, late) in endings {
                let day = last_day as usize;
                sums[day] = sums[day] + used - before.min(sums[day]);
                before = used;
                most[day] = most[day].max(sums[day]);
                for percent in settled(&mut cell, &hold, used, late) {
                    prop_assert!(told.insert((last_day, percent)), "{percent} % twice in a day");
                }
                for percent in PERCENTS {
                    let reached = most[day] > 0 && most[day] * 100 >= u64::from(percent) * cap;
                    prop_assert_eq!(told.contains(&(last_day, percent)), reached);
                }
            }
        }
    }
}
