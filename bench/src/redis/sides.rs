//! What is asked of one server: nothing, a write, decisions, and none where they are leased.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use parking_lot::Mutex;
use redis_servers::Server;
use tollgate::{
    Clock, Memory, Store,
    core::{
        Attribute, Attributes, Calendar, Decision, Demand, NanoUsd, PeriodUnit, Policy,
        ReservationId, Unit,
        policy::{
            Limit, Measure,
            settings::{OnStoreFailure, SyncMode},
        },
    },
    new_id,
    store::redis::{
        Leases, LeasesSettings, Link, LinkSettings, Redis, Shared, SharedSettings,
        link::{Arg, Script},
    },
};

/// Does nothing.
static EMPTY: Script = Script::new("empty", "return 1");

/// As long as a call may take on a machine that does much else.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Empty,
    Set,
    Exact,
    /// A decision about one account of all, in Redis.
    Hot,
    /// The same by what this node has leased.
    Leased,
}

impl Side {
    pub(super) const ALL: [Self; 5] =
        [Self::Empty, Self::Set, Self::Exact, Self::Hot, Self::Leased];

    /// How often it asks where others ask once, so that a round is no moment.
    pub(super) const fn times(self) -> usize {
        match self {
            Self::Leased => 4,
            _ => 1,
        }
    }
}

/// A server, and those that ask it.
#[derive(Clone)]
pub(super) struct Sides(Arc<Inner>);

struct Inner {
    server: Server,
    link: Link,
    shared: Shared,
    node: Redis<Leases>,
    policy: Policy,
    hot: Policy,
    clock: Clock,
    users: Vec<String>,
    made: Mutex<Vec<(Side, ReservationId)>>,
}

impl Sides {
    pub(super) async fn start(connections: usize, users: usize) -> Result<Self> {
        let server = Server::start().await.context("no server to measure")?;
        let mut settings = LinkSettings::of(&server.url())?;
        (settings.timeout, settings.max_connections) = (TIMEOUT, connections);
        let link = Link::connect(&settings).await?;
        let shared = Shared::new(link.clone(), &SharedSettings::default());
        let users = (0..users).map(|nth| format!("user-{nth}")).collect();
        let (policy, clock) = (Policy::new(limits())?, Clock::system());
        let (node, hot) = leased(link.clone(), &clock).await?;
        let made = Mutex::default();
        let inner = Inner { server, link, shared, node, policy, hot, clock, users, made };
        Ok(Self(Arc::new(inner)))
    }

    /// Asks once; `nth` tells whose turn it is.
    pub(super) async fn ask(&self, side: Side, nth: usize) -> Result<()> {
        let inner = &*self.0;
        let user = &inner.users[nth.wrapping_mul(7_919) % inner.users.len()];
        match side {
            Side::Empty => {
                inner.link.run::<&str>(&EMPTY, 0, &[], &[] as &[Arg<'_>]).await?;
            }
            Side::Set => {
                let mut set = ::redis::cmd("SET");
                set.arg(user).arg("a value as long as a small account");
                inner.link.command(&set).await?;
            }
            Side::Exact => {
                let who = Attributes::new().with(Attribute::User, user.as_str());
                inner.decide(side, (&inner.shared, &inner.policy), &who).await?;
            }
            Side::Hot => {
                inner.decide(side, (&inner.shared, &inner.hot), &Attributes::new()).await?;
            }
            Side::Leased => {
                inner.decide(side, (&inner.node, &inner.hot), &Attributes::new()).await?;
            }
        }
        Ok(())
    }

    /// Settles what was admitted, beside the measured time.
    pub(super) async fn end_all(&self) -> Result<()> {
        let made = std::mem::take(&mut *self.0.made.lock());
        let usage = Demand { cost: NanoUsd(200_000), ..Demand::ONE_REQUEST };
        for (side, id) in made {
            let now = self.0.clock.now();
            match side {
                Side::Leased => self.0.node.settle(id, &usage, now).await?,
                _ => self.0.shared.settle(id, &usage, now).await?,
            };
        }
        Ok(())
    }

    /// Calls of scripts that the server has executed, and all other commands.
    pub(super) async fn executed(&self) -> Result<(u64, u64)> {
        let stats = self.0.server.text(&["INFO", "commandstats"]).await;
        let (mut calls, mut commands) = (0, 0);
        for line in stats.lines() {
            let Some((name, rest)) = line.split_once(":calls=") else { continue };
            let count: u64 = rest.split(',').next().unwrap_or_default().parse().unwrap_or(0);
            match name {
                "cmdstat_evalsha" | "cmdstat_eval" => calls += count,
                "cmdstat_ping" | "cmdstat_info" => {}
                _ => commands += count,
            }
        }
        Ok((calls, commands))
    }
}

impl Inner {
    async fn decide(
        &self,
        side: Side,
        (store, policy): (&impl Store, &Policy),
        who: &Attributes,
    ) -> Result<()> {
        let demand = Demand { cost: NanoUsd(260_600), ..Demand::ONE_REQUEST };
        let now = self.clock.now();
        let id = new_id(now.time);
        let expires = now.time.after(Duration::from_secs(600));
        let order = policy.order(id, who, &demand, now, expires);
        match store.reserve(&order, now).await? {
            Decision::Admit(_) => self.made.lock().push((side, id)),
            other => bail!("a decision that was to be admitted was not: {other:?}"),
        }
        Ok(())
    }
}

/// A node with its books, as a gateway has one, and the limits that it leases.
async fn leased(link: Link, clock: &Clock) -> Result<(Redis<Leases>, Policy)> {
    let window = Measure::Window { length: Duration::from_secs(60), cap: 1 << 40 };
    let bucket = Measure::Bucket { rate: 1 << 30, per: Duration::from_secs(1), burst: 1 << 30 };
    let limits = [("hot-bucket", bucket), ("hot-minute", window)];
    let limits = limits.map(|(name, measure)| {
        let limit = Limit::new(name, &[], Unit::Requests, measure);
        Limit { sync: SyncMode::Leased, ..limit }
    });
    let policy = Policy::new(limits.into())?;
    let settings = SharedSettings { owner: 1, node: "leased".to_owned(), ..Default::default() };
    let leases = Leases::new(Shared::new(link, &settings), &LeasesSettings::of(clock));
    let node = Redis::new(leases, Memory::default(), OnStoreFailure::Closed, &policy);
    anyhow::ensure!(node.recover(clock.now()).await, "the node does not find its Redis");
    Ok((node, policy))
}

/// Six limits of a user and one of all, with amounts that admit everything.
fn limits() -> Vec<Limit> {
    let user = [Attribute::User];
    let window = |seconds| Measure::Window { length: Duration::from_secs(seconds), cap: 1 << 40 };
    let bucket = Measure::Bucket { rate: 1 << 20, per: Duration::from_secs(1), burst: 1 << 20 };
    let calendar = Calendar::new(PeriodUnit::Day, jiff::tz::TimeZone::UTC);
    let day = Measure::Period { calendar: calendar.into(), cap: 1 << 50 };
    let slots = Measure::Concurrency { cap: 1 << 30 };
    vec![
        Limit::new("bucket", &user, Unit::Requests, bucket),
        Limit::new("minute", &user, Unit::Requests, window(60)),
        Limit::new("hour", &user, Unit::Requests, window(3_600)),
        Limit::new("day", &user, Unit::Tokens, window(86_400)),
        Limit::new("slots", &user, Unit::Requests, slots.clone()),
        Limit::new("spend", &user, Unit::Usd, day),
        Limit::new("all-slots", &[], Unit::Requests, slots),
    ]
}
