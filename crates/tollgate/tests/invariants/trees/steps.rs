//! What trees and histories are drawn from.

use std::sync::Arc;

use jiff::tz::TimeZone;
use proptest::{collection::vec, prelude::*, sample::select};
use tollgate::core::{
    Attribute, Attributes, Calendar, PeriodUnit, Policy, Unit,
    policy::{Limit, Measure},
};

/// Who spends.
pub(crate) const TENANTS: usize = 64;

/// Which attributes the three levels are kept per, from a tenant's own to the widest.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Levels {
    /// A user's, a team's, and all.
    UserTeamAll,
    /// A key's, a user's, and a team's.
    KeyUserTeam,
}

/// Budgets of three levels.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    levels: Levels,
    /// One or two of each level.
    budgets: [Vec<Budget>; 3],
}

#[derive(Debug, Clone)]
struct Budget {
    unit: Unit,
    period: PeriodUnit,
    zone: &'static str,
    /// Of a tenant's demands of the usual size, how many it is enough for.
    demands: u64,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A tenant asks, with a clock that may lag behind what the store has seen.
    Reserve {
        tenant: usize,
        amount: u64,
        hold_seconds: u64,
        keep: bool,
        lag_nanos: u64,
    },
    Extend {
        which: usize,
        amount: u64,
    },
    /// With so many percent of what was reserved.
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
    /// Settles what has ended.
    Again {
        which: usize,
    },
    Expire,
    Wait {
        nanos: u64,
    },
    /// To the end of one of the budgets' periods, or a nanosecond before or after it.
    ToEnd {
        which: usize,
        before: bool,
        after: bool,
    },
}

/// The most that one request asks, in nano-dollars; a token costs two.
pub(crate) const MOST: u64 = 40;

fn budget(demands: std::ops::Range<u64>) -> impl Strategy<Value = Budget> {
    use PeriodUnit::{Day, Month, Total, Week};
    let unit =
        prop_oneof![3 => Just(Unit::Usd), 1 => Just(Unit::Tokens), 1 => Just(Unit::Requests)];
    let period = prop_oneof![3 => Just(Day), 1 => Just(Week), 1 => Just(Month), 1 => Just(Total)];
    let zone = select(vec!["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"]);
    (unit, period, zone, demands).prop_map(|(unit, period, zone, demands)| Budget {
        unit,
        period,
        zone,
        demands,
    })
}

pub(crate) fn trees() -> impl Strategy<Value = Tree> {
    let levels = prop_oneof![Just(Levels::UserTeamAll), Just(Levels::KeyUserTeam)];
    let own = vec(budget(1..6), 1..3);
    let middle = vec(budget(3..20), 1..3);
    let wide = vec(budget(10..80), 1..3);
    (levels, own, middle, wide)
        .prop_map(|(levels, own, middle, wide)| Tree { levels, budgets: [own, middle, wide] })
}

pub(crate) fn steps(count: usize) -> impl Strategy<Value = Vec<Step>> {
    let which = any::<usize>;
    let second = 1_000_000_000_u64;
    let amount = || prop_oneof![9 => 0..=MOST, 1 => Just(MOST * 50)];
    let lag = prop_oneof![9 => Just(0), 1 => 0..2 * second];
    let reserve = (0..TENANTS, amount(), 1_u64..7_200, any::<bool>(), lag).prop_map(
        |(tenant, amount, hold_seconds, keep, lag_nanos)| Step::Reserve {
            tenant,
            amount,
            hold_seconds,
            keep,
            lag_nanos,
        },
    );
    let waits = prop_oneof![0..second, 0..600 * second, 0..20_000 * second];
    let step = prop_oneof![
        40 => reserve,
        10 => (which(), amount()).prop_map(|(which, amount)| Step::Extend { which, amount }),
        20 => (which(), 0_u64..130).prop_map(|(which, percent)| Step::Settle { which, percent }),
        5 => which().prop_map(|which| Step::Void { which }),
        3 => (which(), 0_u64..7_200).prop_map(|(which, seconds)| Step::Renew { which, seconds }),
        2 => which().prop_map(|which| Step::Again { which }),
        4 => Just(Step::Expire),
        14 => waits.prop_map(|nanos| Step::Wait { nanos }),
        2 => (which(), any::<bool>(), any::<bool>())
            .prop_map(|(which, before, after)| Step::ToEnd { which, before, after }),
    ];
    vec(step, count)
}

impl Tree {
    pub(crate) fn policy(&self) -> Policy {
        let mut limits = Vec::new();
        for (level, budgets) in self.budgets.iter().enumerate() {
            for (nth, budget) in budgets.iter().enumerate() {
                let zone = TimeZone::get(budget.zone).expect("a zone");
                let calendar = Arc::new(Calendar::new(budget.period, zone));
                let size = match budget.unit {
                    Unit::Usd => MOST,
                    Unit::Tokens => MOST / 2,
                    _ => 1,
                };
                let cap = budget.demands * size;
                let measure = Measure::Period { calendar, cap };
                let name = format!("level-{level}-{nth}");
                limits.push(Limit::new(&name, self.per(level), budget.unit, measure));
            }
        }
        Policy::new(limits).expect("names differ")
    }

    const fn per(&self, level: usize) -> &'static [Attribute] {
        match (self.levels, level) {
            (Levels::UserTeamAll, 0) | (Levels::KeyUserTeam, 1) => &[Attribute::User],
            (Levels::UserTeamAll, 1) | (Levels::KeyUserTeam, _) if level > 0 => &[Attribute::Team],
            (Levels::KeyUserTeam, _) => &[Attribute::Key],
            (Levels::UserTeamAll, _) => &[],
        }
    }

    /// Who a tenant is: eight share a parent in the one tree, four in the other.
    pub(crate) fn tenant(&self, nth: usize) -> Attributes {
        let (user, team) = match self.levels {
            Levels::UserTeamAll => (nth, nth / 8),
            Levels::KeyUserTeam => (nth / 4, nth / 16),
        };
        Attributes::new()
            .with(Attribute::Key, format!("key-{nth}"))
            .with(Attribute::User, format!("user-{user}"))
            .with(Attribute::Team, format!("team-{team}"))
    }
}
