//! The two sides of the comparison: governor and Tollgate.

use std::{num::NonZeroU32, ops::Range, time::Duration};

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use rand::{RngExt, SeedableRng};
use tollgate::{Clock, Memory, new_id};
use tollgate_core::{
    Attribute, Attributes, Calendar, Decision, Demand, NanoUsd, PeriodUnit, Policy, Unit,
    policy::{Limit, Measure},
};

use super::USERS;

/// Governor with the users' names as keys.
pub(crate) struct Governor {
    names: Vec<String>,
    keyed: [DefaultKeyedRateLimiter<String>; 2],
    direct: DefaultDirectRateLimiter,
}

impl Governor {
    pub(crate) fn new() -> Self {
        let most = NonZeroU32::MAX;
        Self {
            names: (0..USERS).map(name).collect(),
            keyed: [
                RateLimiter::keyed(Quota::per_minute(most)),
                RateLimiter::keyed(Quota::per_hour(most)),
            ],
            direct: RateLimiter::direct(Quota::per_second(most)),
        }
    }

    pub(crate) fn two_keyed(&self, picks: &[u32]) {
        for pick in picks {
            let name = &self.names[*pick as usize];
            for limiter in &self.keyed {
                std::hint::black_box(limiter.check_key(name).is_ok());
            }
        }
    }

    pub(crate) fn direct(&self, count: usize) {
        for _ in 0..count {
            std::hint::black_box(self.direct.check().is_ok());
        }
    }
}

/// Tollgate's store in memory under a policy.
pub(crate) struct Tollgates {
    names: Vec<String>,
    pub(crate) policy: Policy,
    pub(crate) store: Memory,
    clock: Clock,
    demand: Demand,
}

impl Tollgates {
    /// The seven limits of the `assistant` policy, with amounts that admit nearly all.
    pub(crate) fn seven_limits() -> Self {
        let mut limits = per_user_limits(60, 5_000);
        limits.extend(global_limits());
        Self::new(limits)
    }

    /// Those of the seven that are kept per user.
    pub(crate) fn per_user() -> Self {
        Self::new(per_user_limits(60, 5_000))
    }

    /// The same with the amounts that `assistant` really has.
    pub(crate) fn per_user_as_shipped() -> Self {
        Self::new(per_user_limits(10, 500))
    }

    /// One bucket for everybody.
    pub(crate) fn one_bucket() -> Self {
        let per = Duration::from_secs(1);
        let measure = Measure::Bucket { rate: 1 << 32, per, burst: 1 << 32 };
        Self::new(vec![Limit::new("bucket", &[], Unit::Requests, measure)])
    }

    fn new(limits: Vec<Limit>) -> Self {
        Self {
            names: (0..USERS).map(name).collect(),
            policy: Policy::new(limits).expect("names differ"),
            store: Memory::default(),
            clock: Clock::system(),
            demand: Demand { cost: NanoUsd(260_600), ..Demand::ONE_REQUEST },
        }
    }

    /// Decides and settles one request for each pick; how many were admitted.
    pub(crate) fn decide(&self, picks: &[u32]) -> usize {
        let mut admitted = 0;
        for pick in picks {
            let name = self.names[*pick as usize].as_str();
            admitted += usize::from(self.ask(&Attributes::new().with(Attribute::User, name)));
        }
        admitted
    }

    /// Decides and settles that many requests of nobody in particular.
    pub(crate) fn decide_unnamed(&self, count: usize) {
        let nobody = Attributes::new();
        for _ in 0..count {
            std::hint::black_box(self.ask(&nobody));
        }
    }

    /// Decides one request, and settles it if it is admitted.
    fn ask(&self, who: &Attributes) -> bool {
        let now = self.clock.now();
        let expires = now.time.after(Duration::from_secs(600));
        let order = self.policy.order(new_id(now.wall), who, &self.demand, now, expires);
        let Ok(Decision::Admit(_)) = self.store.reserve_now(&order, now) else { return false };
        self.store.settle_now(order.id, &self.demand, now).is_ok()
    }

    /// Keys that are left two days later, when every shard was looked through.
    pub(crate) fn keys_after_two_days(&self) -> usize {
        let (now, by) = (self.clock.now(), Duration::from_secs(2 * 86_400));
        let later = tollgate_core::Now { time: now.time.after(by), wall: now.wall.after(by) };
        for _ in 0..100 {
            self.store.expire_now(later);
        }
        self.store.keys()
    }
}

fn per_user_limits(a_minute: u64, a_day: u64) -> Vec<Limit> {
    let user = [Attribute::User];
    let window = |seconds, cap| Measure::Window { length: Duration::from_secs(seconds), cap };
    vec![
        Limit::new("user-minute", &user, Unit::Requests, window(60, a_minute)),
        Limit::new("user-hour", &user, Unit::Requests, window(3_600, 100)),
        Limit::new("user-day", &user, Unit::Requests, window(86_400, a_day)),
        Limit::new("user-spend", &user, Unit::Usd, dollars_a_day(5_000)),
    ]
}

fn global_limits() -> Vec<Limit> {
    let hour = Duration::from_secs(3_600);
    vec![
        Limit::new("global-slots", &[], Unit::Requests, Measure::Concurrency { cap: 100 }),
        Limit::new(
            "global-hour",
            &[],
            Unit::Requests,
            Measure::Window { length: hour, cap: 1 << 40 },
        ),
        Limit::new("global-spend", &[], Unit::Usd, dollars_a_day(100_000_000)),
    ]
}

fn dollars_a_day(dollars: u64) -> Measure {
    let calendar = Calendar::new(PeriodUnit::Day, jiff::tz::TimeZone::UTC);
    Measure::Period { calendar: calendar.into(), cap: dollars * 1_000_000_000 }
}

fn name(nth: usize) -> String {
    format!("user-{nth:07}")
}

/// Users to ask for, at random.
pub(crate) fn picks(seed: u64, count: usize) -> Vec<u32> {
    picks_within(seed, count, 0..USERS)
}

/// Users of a range to ask for, at random.
pub(crate) fn picks_within(seed: u64, count: usize, range: Range<usize>) -> Vec<u32> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| rng.random_range(range.clone()) as u32).collect()
}
