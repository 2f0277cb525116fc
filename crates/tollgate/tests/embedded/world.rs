//! A ledger in a folder of its own, a clock that a test sets, and a policy of all kinds.

use std::{path::PathBuf, sync::Arc, time::Duration};

use jiff::tz::TimeZone;
use tempfile::TempDir;
use tollgate::{
    Clock, Embedded, Store as _,
    core::{
        Attribute, Attributes, Calendar, Decision, Demand, NanoUsd, Now, PeriodUnit, Policy,
        ReservationId, Standing, Time, Unit,
        policy::{Limit, Measure},
    },
    store::embedded::{EmbeddedBounds, LedgerError},
};

/// Midday, so that no test meets midnight by chance.
pub(crate) const NOON: Time = Time::from_millis(1_795_262_400_000);

pub(crate) struct World {
    folder: TempDir,
    pub(crate) policy: Policy,
    retention: Option<Duration>,
    groups_per_commit: u32,
}

/// An open store with its clock.
pub(crate) struct Open {
    pub(crate) store: Embedded,
    pub(crate) clock: Clock,
}

pub(crate) fn limit(name: &str, per: &[Attribute], unit: Unit, measure: Measure) -> Limit {
    Limit::new(name, per, unit, measure)
}

pub(crate) fn window(cap: u64, seconds: u64) -> Measure {
    Measure::Window { length: Duration::from_secs(seconds), cap }
}

pub(crate) fn daily(cap: u64) -> Measure {
    Measure::Period { calendar: Arc::new(Calendar::new(PeriodUnit::Day, TimeZone::UTC)), cap }
}

pub(crate) fn total(cap: u64) -> Measure {
    Measure::Period { calendar: Arc::new(Calendar::new(PeriodUnit::Total, TimeZone::UTC)), cap }
}

/// A limit of every kind.
pub(crate) fn every_kind() -> Vec<Limit> {
    let user = &[Attribute::User];
    let bucket = Measure::Bucket { rate: 1, per: Duration::from_secs(10), burst: 8 };
    let sessions = Measure::Sessions { cap: 2, idle: Duration::from_secs(1800) };
    vec![
        limit("minute", user, Unit::Requests, window(10, 60)),
        limit("tokens", user, Unit::Tokens, window(100_000, 3600)),
        limit("spend", user, Unit::Usd, daily(5_000_000_000)),
        limit("slots", &[], Unit::Requests, Measure::Concurrency { cap: 4 }),
        limit("burst", user, Unit::Requests, bucket),
        limit("seats", &[], Unit::Requests, sessions),
        limit("all", &[], Unit::Usd, daily(100_000_000_000)),
        limit("ever", user, Unit::Usd, total(900_000_000_000)),
    ]
}

/// One request with tokens and money.
pub(crate) const DEMAND: Demand = Demand {
    requests: 1,
    input_tokens: 100,
    output_tokens: 50,
    cost: NanoUsd(250_000_000),
    millis: 0,
};

/// Whether the long form of a test was asked for.
pub(crate) fn is_long() -> bool {
    std::env::var_os("TOLLGATE_LONG").is_some()
}

impl World {
    pub(crate) fn new(limits: Vec<Limit>) -> Self {
        // In memory where there is such a thing: a killed process leaves its files there too,
        // and what a loss of power leaves is for the tests of survival.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let folder = folder.expect("a folder for the ledger");
        let policy = Policy::new(limits).expect("limits of different names");
        let groups_per_commit = EmbeddedBounds::default().groups_per_commit;
        Self { folder, policy, retention: None, groups_per_commit }
    }

    /// The same, where rows are kept for so long.
    pub(crate) fn keeping(self, retention: Option<Duration>) -> Self {
        Self { retention, ..self }
    }

    /// The same, where so many groups of rows make a transaction.
    pub(crate) fn committing_after(self, groups_per_commit: u32) -> Self {
        Self { groups_per_commit, ..self }
    }

    /// What a crash would leave of this world: its files as they are now.
    pub(crate) fn crashed(&self) -> Self {
        let crashed = Self::new(self.policy.limits().to_vec());
        for end in ["tollgate.db", "tollgate.db-wal", "tollgate.db-redo"] {
            let (from, to) = (self.folder.path().join(end), crashed.folder.path().join(end));
            std::fs::copy(from, to).expect("a copy");
        }
        crashed
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("tollgate.db")
    }

    /// Opens the ledger at an instant, no earlier than what it knows.
    pub(crate) fn try_open(&self, at: Time) -> Result<Open, LedgerError> {
        let clock = |floor: Time| Clock::set_at(at.max(floor));
        // So few that accounts are written down in the middle of everything, and no grants,
        // so that a crash leaves what was written and nothing else.
        let retention = self.retention;
        let bounds = EmbeddedBounds {
            max_replay: 40,
            max_grants: 0,
            retention,
            groups_per_commit: self.groups_per_commit,
            ..EmbeddedBounds::default()
        };
        let (store, clock) = Embedded::open(&self.path(), bounds, clock)?;
        store.note_policy(&self.policy);
        Ok(Open { store, clock })
    }

    pub(crate) fn open(&self, at: Time) -> Open {
        self.try_open(at).expect("a ledger that opens")
    }

    /// Asks for `demand` under a kept id.
    pub(crate) async fn reserve(&self, open: &Open, id: u128, user: &str) -> Decision {
        let who = who(user);
        let now = open.clock.now();
        let expires = now.time.after(Duration::from_secs(600));
        let mut order = self.policy.order(ReservationId(id), &who, &DEMAND, now, expires);
        (order.keep, order.report) = (true, true);
        open.store.reserve(&order, now).await.expect("a store that answers")
    }

    /// Where the accounts of a user stand, in the order of the order's charges.
    pub(crate) async fn standings(&self, open: &Open, user: &str) -> Vec<Standing> {
        let (who, now) = (who(user), open.clock.now());
        let order = self.policy.order(ReservationId(0), &who, &DEMAND, now, now.time);
        open.store.standings(&order, now).await.expect("a store that answers").to_vec()
    }

    /// What is left of one limit.
    pub(crate) async fn remaining(&self, open: &Open, user: &str, name: &str) -> u64 {
        let id = self.policy.limits().iter().find(|limit| limit.name == name).expect(name).id;
        let standings = self.standings(open, user).await;
        standings.iter().find(|standing| standing.limit == id).expect(name).remaining
    }
}

pub(crate) fn who(user: &str) -> Attributes {
    Attributes::new().with(Attribute::User, user).with(Attribute::Session, format!("s-{user}"))
}

impl Open {
    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }
}
