//! Which limits nodes can hold parts of.

use std::time::Duration;

use crate::{
    Time,
    lease::{MAX_EXACT, Terms},
    policy::Measure,
};

/// Why a limit is decided exactly whatever its `sync` says; nothing where it can be leased.
pub(super) fn why_exact(measure: &Measure, shadow: bool) -> Option<String> {
    if shadow {
        return Some("a limit in shadow refuses nobody: it has no leases".to_owned());
    }
    let rule = measure.rule(Time::ZERO);
    if Terms::default().allows(&rule) {
        return None;
    }
    Some(match measure {
        Measure::Sessions { .. } => {
            "sessions are told apart one by one: they have no leases".to_owned()
        }
        Measure::Concurrency { .. } => {
            "slots are held until their requests end: they have no leases".to_owned()
        }
        Measure::Period { .. } => {
            "budgets of calendar periods are decided exactly: they have no leases".to_owned()
        }
        _ if rule.cap <= MAX_EXACT => format!(
            "a limit of {} is decided exactly, so that each unit counts: leases begin at {}",
            rule.cap,
            MAX_EXACT + 1
        ),
        Measure::Window { .. } => format!(
            "a lease lasts no longer than a sixtieth of its window, which is too short here: it takes {} s or more",
            (Terms::default().least * 60).as_secs()
        ),
        Measure::Bucket { rate, per, .. } => format!(
            "a lease lasts no longer than a quarter of the burst takes to refill, which is too short here: it takes a burst of {} or more",
            least_burst(*rate, *per)
        ),
    })
}

/// The burst of which a quarter refills just long enough.
fn least_burst(rate: u64, per: Duration) -> u128 {
    let scaled = u128::from(rate) * Terms::default().least.as_nanos();
    (4 * scaled.div_ceil(per.as_nanos().max(1))).max(u128::from(MAX_EXACT) + 1)
}
