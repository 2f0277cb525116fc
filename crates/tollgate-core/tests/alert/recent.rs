//! What a counter grew by of late, beside a list of all that it ever was.

use std::time::Duration;

use proptest::prelude::*;
use tollgate_core::{
    Time,
    alert::{Recent, STEPS},
};

const SPAN: Duration = Duration::from_secs(300);

proptest! {
    #[test]
    fn it_tells_the_last_while_short_of_a_step_and_remembers_a_step_each(
        steps in prop::collection::vec((1..9_000_u64, 0..50_u64), 1..400),
    ) {
        let mut now = Time::from_millis(1_000);
        let mut recent = Recent::new(SPAN, now);
        let mut all = vec![(now, 0_u64)];
        for (millis, more) in steps {
            now = now.after(Duration::from_millis(millis));
            let total = all.last().expect("one").1 + more;
            all.push((now, total));
            recent.note(total, now);
            let since = |from: Time| {
                let before = all.iter().rev().find(|(at, _)| *at <= from);
                total - before.map_or(0, |(_, total)| *total)
            };
            // Between two samples are a step, and what passes before the next look.
            let short = SPAN - SPAN / STEPS - Duration::from_secs(9);
            prop_assert!(recent.grown() <= since(now.before(SPAN)));
            prop_assert!(recent.grown() >= since(now.before(short)));
            prop_assert!(recent.remembered() <= STEPS as usize + 2);
        }
    }
}

#[test]
fn what_is_older_than_the_span_is_forgotten_and_what_fell_begins_anew() {
    let at = |seconds: u64| Time::from_millis(seconds * 1_000);
    let mut recent = Recent::new(SPAN, at(0));
    recent.note(10_u64, at(1));
    assert_eq!((recent.grown(), recent.known(at(1))), (10, Duration::from_secs(1)));
    recent.note(10, at(6));
    recent.note(12, at(301));
    assert_eq!(recent.grown(), 2);
    recent.note(12, at(700));
    assert_eq!(recent.grown(), 0);
    recent.note(3, at(701));
    assert_eq!(recent.grown(), 3);
    let mut from = Recent::from(SPAN, 7_u64, at(0));
    from.note(9, at(1));
    assert_eq!(from.grown(), 2);
}
