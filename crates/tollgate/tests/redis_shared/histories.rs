//! What histories are drawn from.

use std::{sync::Arc, time::Duration};

use proptest::{collection::vec, prelude::*};
use tollgate::core::{
    Attribute, Calendar, PeriodUnit, Policy, Unit, Warn,
    policy::{Limit, Measure},
};

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Ask {
        who: Who,
        amount: u64,
        hold_seconds: u64,
        keep: bool,
    },
    Extend {
        which: usize,
        amount: u64,
    },
    Settle {
        which: usize,
        percent: u64,
    },
    Void {
        which: usize,
    },
    Renew {
        which: usize,
        seconds: u64,
    },
    EndSession {
        who: Who,
    },
    Expire,
    Wait {
        us: u64,
    },
    SetWall {
        seconds: i64,
    },
    /// The policy's amounts are changed.
    Reload,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Who {
    pub(crate) user: u8,
    pub(crate) team: u8,
    pub(crate) session: u8,
}

/// A limit, and what it becomes when the policy is changed.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    per: &'static [Attribute],
    unit: Unit,
    measures: [Measure; 2],
    shadow: bool,
}

/// Two windows. Their lengths differ only where they are so long that none is ever idle, which may
/// be forgotten or not.
fn windows() -> impl Strategy<Value = [Measure; 2]> {
    // Sub-buckets are whole microseconds.
    let short = (1_u64..300_000).prop_map(|parts| [60 * parts, 60 * parts]);
    let long = || (60_000_000_u64..90_000_000).prop_map(|part| 60 * part);
    let cap = || prop_oneof![1_u64..30, 60_u64..300];
    (prop_oneof![3 => short, 1 => [long(), long()]], [cap(), cap()]).prop_map(|(lengths, caps)| {
        [0, 1].map(|nth| Measure::Window {
            length: Duration::from_micros(lengths[nth]),
            cap: caps[nth],
        })
    })
}

/// Two of one kind. A bucket's rate stays: one that is changed is rounded to what a store counts in.
fn measures() -> impl Strategy<Value = [Measure; 2]> {
    let day = Arc::new(Calendar::new(PeriodUnit::Day, jiff::tz::TimeZone::UTC));
    let total = Arc::new(Calendar::new(PeriodUnit::Total, jiff::tz::TimeZone::UTC));
    let period = move |cap, endless: bool| {
        let calendar = if endless { Arc::clone(&total) } else { Arc::clone(&day) };
        Measure::Period { calendar, cap }
    };
    let idle = Duration::from_secs(9);
    prop_oneof![
        3 => (1_u64..50, 1_u64..9_000_000_000, [1_u64..40, 1_u64..40]).prop_map(|(rate, per, caps)| {
            let per = Duration::from_nanos(per);
            caps.map(|burst| Measure::Bucket { rate, per, burst })
        }),
        4 => windows(),
        3 => (1_u64..200, prop_oneof![Just(None), (1_u64..200).prop_map(Some)], any::<bool>()).prop_map(
            move |(cap, other, endless)| [cap, other.unwrap_or(cap)].map(|cap| period(cap, endless))
        ),
        2 => [1_u64..6, 1_u64..6].prop_map(|caps| caps.map(|cap| Measure::Concurrency { cap })),
        1 => [1_u64..3, 1_u64..3].prop_map(move |caps| caps.map(|cap| Measure::Sessions { cap, idle })),
    ]
}

pub(crate) fn rules(with_shadows: bool) -> impl Strategy<Value = Vec<Rule>> {
    let per = prop_oneof![
        Just(&[][..]),
        Just(&[Attribute::User][..]),
        Just(&[Attribute::Team, Attribute::User][..]),
    ];
    let unit = prop_oneof![Just(Unit::Requests), Just(Unit::Tokens), Just(Unit::Usd)];
    let shadow = prop::bool::weighted(if with_shadows { 0.15 } else { 0.0 });
    let rule = (per, unit, measures(), shadow).prop_map(|(per, unit, measures, shadow)| {
        let is_slot = matches!(measures[0], Measure::Concurrency { .. } | Measure::Sessions { .. });
        let unit = if is_slot { Unit::Requests } else { unit };
        Rule { per, unit, measures, shadow }
    });
    vec(rule, 1..8)
}

pub(crate) fn policy(rules: &[Rule], which: usize) -> Policy {
    let limits = rules.iter().enumerate().map(|(nth, rule)| {
        let name = format!("limit-{nth}");
        let mut limit = Limit::new(&name, rule.per, rule.unit, rule.measures[which].clone());
        limit.shadow = rule.shadow;
        // Of several that expire at once under different caps, the order would tell.
        if matches!(rule.measures[which], Measure::Period { .. }) && is_fixed(rule) {
            limit.warn = Warn::at([50, 80, 100]);
        }
        limit
    });
    Policy::new(limits.collect()).unwrap()
}

fn is_fixed(rule: &Rule) -> bool {
    rule.measures[0] == rule.measures[1]
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = any::<usize>;
    let who = || {
        (0_u8..3, 0_u8..2, 0_u8..4).prop_map(|(user, team, session)| Who { user, team, session })
    };
    let ask = (who(), 0_u64..25, 1_u64..40, any::<bool>()).prop_map(
        |(who, amount, hold_seconds, keep)| Step::Ask { who, amount, hold_seconds, keep },
    );
    let step = prop_oneof![
        12 => ask,
        3 => (which(), 0_u64..12).prop_map(|(which, amount)| Step::Extend { which, amount }),
        6 => (which(), 0_u64..140).prop_map(|(which, percent)| Step::Settle { which, percent }),
        2 => which().prop_map(|which| Step::Void { which }),
        1 => (which(), 0_u64..40).prop_map(|(which, seconds)| Step::Renew { which, seconds }),
        1 => who().prop_map(|who| Step::EndSession { who }),
        1 => Just(Step::Expire),
        6 => prop_oneof![0_u64..1_000, 0_u64..3_000_000, 0_u64..30_000_000].prop_map(|us| Step::Wait { us }),
        1 => (-7_200_i64..90_000).prop_map(|seconds| Step::SetWall { seconds }),
        1 => Just(Step::Reload),
    ];
    vec(step, 1..100)
}
