//! One history told to every store: they all say the same, and so the arithmetic of the scripts is
//! the core's. (`models` holds each of them against one that counts every charge anew.)
//!
//! Instants are whole microseconds here and windows' sub-buckets too, which is as fine as Redis
//! counts; promises are compared rounded up to them.

use std::time::Duration;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use redis_servers::{Cluster, Program, Server};
use tempfile::TempDir;
use tollgate::{
    Clock, Embedded, Memory, Receipt, Store, StoreError,
    core::{
        Admission, Amounts, Attribute, Attributes, Decision, LimitId, NanoUsd, Now, Policy,
        Refusal, ReservationId, Retry, Standing, Time,
    },
    store::embedded::EmbeddedBounds,
};

use crate::{
    histories::{Rule, Step, Who, policy, rules, steps},
    support::{emptied, histories, link, link_to, runtime, shared_over},
};

const BEGAN: Time = Time::from_millis(1_790_000_000_000);

/// What a store said to a step.
#[derive(Debug, Clone, PartialEq)]
enum Said {
    Decided(Box<Result<Decision, StoreError>>),
    Ended(Result<Receipt, StoreError>),
    Renewed(Result<(), StoreError>),
    EndedSession(bool),
    Expired(usize),
    Nothing,
}

/// All that is seen after a step: what was said, where everybody stands, what was crossed.
type Seen = (Said, Vec<Standing>, Vec<(LimitId, String, u8)>);

/// One store's part in a history.
struct Play<'a, S> {
    store: &'a S,
    policies: [Policy; 2],
    in_force: usize,
    now: Now,
    latest_wall: Time,
    made: Vec<(ReservationId, u64)>,
}

const fn demand(amount: u64) -> Amounts {
    Amounts { input_tokens: amount, cost: NanoUsd(amount), ..Amounts::ONE_REQUEST }
}

fn attributes(who: Who) -> Attributes {
    Attributes::new()
        .with(Attribute::User, format!("user-{}", who.user))
        .with(Attribute::Team, format!("team-{}", who.team))
        .with(Attribute::Session, format!("session-{}", who.session))
}

impl<'a, S: Store> Play<'a, S> {
    fn new(store: &'a S, rules: &[Rule]) -> Self {
        let policies = [policy(rules, 0), policy(rules, 1)];
        let (now, latest_wall) = (Now::at(BEGAN), BEGAN);
        Self { store, policies, in_force: 0, now, latest_wall, made: Vec::new() }
    }

    async fn step(&mut self, step: &Step) -> Seen {
        let said = self.say(step).await;
        let mut standings = Vec::new();
        for user in 0..3 {
            let who = attributes(Who { user, team: user % 2, session: 0 });
            let policy = &self.policies[self.in_force];
            let order = policy.order(ReservationId(0), &who, &demand(1), self.now, self.now.time);
            standings.extend(self.store.standings(&order, self.now).await.unwrap());
        }
        let crossed = self.store.take_crossings().known.into_iter();
        let crossed = crossed.map(|c| (c.limit, c.key.to_string(), c.percent));
        let mut crossed: Vec<_> = crossed.collect();
        crossed.sort();
        (said, standings.into_iter().map(coarse).collect(), crossed)
    }

    async fn say(&mut self, step: &Step) -> Said {
        let (store, now) = (self.store, self.now);
        // What has expired is counted before anything new is; when else is up to a store.
        let expired = store.expire(now).await.unwrap();
        let which = |which: usize| self.made.get(which % self.made.len().max(1)).copied();
        match *step {
            Step::Ask { who, amount, hold_seconds, keep } => {
                let (who, id) = (attributes(who), ReservationId(self.made.len() as u128 + 1));
                let expires = now.time.after(Duration::from_secs(hold_seconds));
                let policy = &self.policies[self.in_force];
                let mut order = policy.order(id, &who, &demand(amount), now, expires);
                (order.keep, order.report) = (keep, true);
                self.made.push((id, amount));
                Said::Decided(store.reserve(&order, now).await.map(coarsely).into())
            }
            Step::Extend { which: nth, amount } => {
                let Some((id, _)) = which(nth) else { return Said::Nothing };
                let more = Amounts { requests: 0, ..demand(amount) };
                Said::Decided(store.extend(id, &more, now).await.map(coarsely).into())
            }
            Step::Settle { which: nth, percent } => {
                let Some((id, asked)) = which(nth) else { return Said::Nothing };
                Said::Ended(store.settle(id, &demand(asked * percent / 100), now).await)
            }
            Step::Void { which: nth } => {
                let Some((id, _)) = which(nth) else { return Said::Nothing };
                Said::Ended(store.void(id, now).await)
            }
            Step::Renew { which: nth, seconds } => {
                let Some((id, _)) = which(nth) else { return Said::Nothing };
                let expires = now.time.after(Duration::from_secs(seconds));
                Said::Renewed(store.renew(id, expires, now).await)
            }
            Step::EndSession { who } => {
                let who = attributes(who);
                let policy = &self.policies[self.in_force];
                let order = policy.order(ReservationId(0), &who, &demand(0), now, now.time);
                // Whether one that is over is still known depends on when it is forgotten.
                let lives = store.session(&order, now).await.unwrap().is_some();
                let ended = store.end_session(&order, now).await.unwrap();
                Said::EndedSession(lives && ended)
            }
            Step::Expire => Said::Expired(expired),
            Step::Wait { us } => {
                let by = Duration::from_micros(us);
                self.now = Now { time: now.time.after(by), wall: now.wall.after(by) };
                Said::Nothing
            }
            Step::SetWall { seconds } => {
                let by = Duration::from_secs(seconds.unsigned_abs());
                let wall = if seconds < 0 { now.wall.before(by) } else { now.wall.after(by) };
                // What is idle is kept for clocks that lag by an hour.
                self.latest_wall = self.latest_wall.max(now.wall);
                self.now.wall = wall.max(self.latest_wall.before(Duration::from_secs(3_000)));
                Said::Nothing
            }
            Step::Reload => {
                self.in_force = 1 - self.in_force;
                Said::Nothing
            }
        }
    }
}

/// The next whole microsecond.
fn next_us(time: Time) -> Time {
    if time == Time::MAX { time } else { Time::from_nanos(time.as_nanos().div_ceil(1_000) * 1_000) }
}

/// What is idle may be forgotten, and says nothing of when it began.
fn coarse(standing: Standing) -> Standing {
    let is_idle = standing.remaining == standing.cap && standing.held == 0;
    let reset = if is_idle { Time::ZERO } else { next_us(standing.reset) };
    Standing { reset, ..standing }
}

fn coarsely(decision: Decision) -> Decision {
    match decision {
        Decision::Admit(admission) => {
            let standings = admission.standings.into_iter().map(coarse).collect();
            let mut shadowed = admission.shadowed;
            shadowed.sort_unstable();
            Decision::Admit(Admission { standings, shadowed })
        }
        Decision::Refuse(refusal) => Decision::Refuse(Refusal {
            retry: match refusal.retry {
                Retry::At(at) => Retry::At(next_us(at)),
                Retry::NotBefore(at) => Retry::NotBefore(next_us(at)),
                Retry::Never => Retry::Never,
            },
            standings: refusal.standings.into_iter().map(coarse).collect(),
            ..refusal
        }),
        waiting @ Decision::Wait(_) => waiting,
    }
}

/// Plays a history to two stores and compares what they say after every step.
async fn compare<A: Store, B: Store>(
    (one, other): (&A, &B),
    rules: &[Rule],
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let (mut one, mut other) = (Play::new(one, rules), Play::new(other, rules));
    for (nth, step) in steps.iter().enumerate() {
        let (said, expected) = (other.step(step).await, one.step(step).await);
        prop_assert_eq!(said, expected, "step {}: {:?}", nth, step);
    }
    Ok(())
}

/// Draws histories. Clocks never lag in them: of what is idle, a store in memory forgets how late it
/// was used, and Redis does not.
fn for_each(with_shadows: bool, play: impl Fn(&[Rule], &[Step]) -> Result<(), TestCaseError>) {
    let config = Config {
        cases: histories(if with_shadows { 1_000 } else { 300 }),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    // Part by part, what a shadow limit has counted of a refused order may displace older times.
    let drawn = (rules(with_shadows), steps());
    let played = TestRunner::new(config).run(&drawn, |(rules, steps)| play(&rules, &steps));
    if let Err(failed) = played {
        panic!("{failed}");
    }
}

#[test]
fn redis_says_what_memory_says() {
    let runtime = runtime();
    let server = runtime.block_on(Server::start()).unwrap();
    let link = runtime.block_on(link(&server));
    for_each(true, |rules, steps| {
        runtime.block_on(async {
            server.command(&["FLUSHALL"]).await.unwrap();
            let redis = shared_over(&link, 1);
            compare((&Memory::default(), &redis), rules, steps).await
        })
    });
}

#[test]
fn a_cluster_says_what_memory_says() {
    let runtime = runtime();
    let cluster = runtime.block_on(Cluster::start(Program::Redis, 1000)).unwrap();
    let link = runtime.block_on(link_to(&cluster));
    for_each(false, |rules, steps| {
        // What was held part by part for a refused order has begun its periods; that is seen where
        // the wall clock is set back.
        let steps = steps.iter().filter(|step| !matches!(step, Step::SetWall { .. }));
        let steps: Vec<Step> = steps.cloned().collect();
        runtime.block_on(async {
            emptied(&cluster).await;
            let redis = shared_over(&link, 1);
            compare((&Memory::default(), &redis), rules, &steps).await
        })
    });
}

#[test]
fn a_ledger_says_what_memory_says() {
    let runtime = runtime();
    for_each(true, |rules, steps| {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("tollgate.db");
        let clock = |_| Clock::set_at(BEGAN);
        let (ledger, _) = Embedded::open(&path, EmbeddedBounds::default(), clock).unwrap();
        runtime.block_on(compare((&Memory::default(), &ledger), rules, steps))
    });
}
