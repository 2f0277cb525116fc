//! Three gateways, each with a proxy of its own before the one server.

use std::{fmt, sync::Arc, time::Duration};

use redis_servers::{Options, Proxy, Server, until};
use tokio::task::JoinHandle;
use tollgate::{
    Clock, Memory, Store as _,
    store::{
        memory::{Bounds, Forget},
        redis::{Link, LinkSettings, Members, Redis, Shared, SharedSettings, State, TimeSource},
    },
};
use tollgate_core::{
    Amounts, Attribute, Attributes, Calendar, NanoUsd, Order, PeriodUnit, Policy, ReservationId,
    Standing, Unit,
    policy::{Limit, Measure, settings::OnStoreFailure},
};

pub(crate) const GATEWAYS: usize = 3;

/// How long a call of Redis may take here; faults are some times as long.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(250);

/// All who are in the world; each has a budget and slots of its own. What the second asks for
/// costs nothing, so that its budget is never in the way of its slots.
pub(crate) const USERS: [&str; 2] = ["ann", "bob"];

pub(crate) const BUDGET: u64 = 400;
pub(crate) const SLOTS: u64 = 6;

pub(crate) struct Gateways {
    pub(crate) server: Server,
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) nodes: Vec<Arc<Redis>>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) clock: Clock,
    tasks: Vec<JoinHandle<()>>,
}

fn policy() -> Policy {
    let total = Calendar::new(PeriodUnit::Total, jiff::tz::TimeZone::UTC);
    let measure = Measure::Period { calendar: Arc::new(total), cap: BUDGET };
    let user = [Attribute::User];
    Policy::new(vec![
        Limit::new("budget", &user, Unit::Usd, measure),
        Limit::new("slots", &user, Unit::Requests, Measure::Concurrency { cap: SLOTS }),
    ])
    .unwrap()
}

/// An order of one of the users.
pub(crate) fn order<'a>(
    policy: &Policy,
    who: &'a Attributes,
    cost: u64,
    id: u128,
    clock: &Clock,
) -> Order<'a> {
    let now = clock.now();
    let demand = Amounts { cost: NanoUsd(cost), ..Amounts::ONE_REQUEST };
    let expires = now.time.after(Duration::from_secs(600));
    let mut order = policy.order(ReservationId(id), who, &demand, now, expires);
    // As the gateway's own, every other one leaves nothing behind when it ends.
    (order.report, order.keep) = (true, id.is_multiple_of(2));
    order
}

pub(crate) fn user(nth: usize) -> Attributes {
    Attributes::new().with(Attribute::User, USERS[nth])
}

/// What of an account is used or held.
pub(crate) fn used(standing: &Standing) -> u64 {
    (standing.cap - standing.remaining + standing.above).max(standing.held)
}

impl Gateways {
    /// Starts the server, which keeps all that it has acknowledged, and the gateways, whose
    /// limits say `mode` for when it is away.
    pub(crate) async fn start(mode: OnStoreFailure) -> Self {
        let server = Options::default().durable().start().await.unwrap();
        let (policy, clock) = (Arc::new(policy()), Clock::system());
        let (mut proxies, mut nodes, mut tasks) = (Vec::new(), Vec::new(), Vec::new());
        for rank in 0..GATEWAYS {
            let proxy = Proxy::before(server.port()).await.unwrap();
            let mut settings = LinkSettings::of(&proxy.url()).unwrap();
            (settings.timeout, settings.connect_timeout) = (TIMEOUT, TIMEOUT);
            settings.clock = clock.clone();
            let shared = SharedSettings {
                node: format!("node-{rank}"),
                owner: rank as u64,
                time: TimeSource::Server,
                ..SharedSettings::default()
            };
            let shared = Shared::new(Link::connect(&settings).await.unwrap(), &shared);
            let books = Memory::new(Bounds::default(), Forget);
            let node = Arc::new(Redis::new(shared, books, mode, &policy));
            node.note_members(Members { live: GATEWAYS as u64, rank: rank as u64 });
            tasks.push(node.keep(clock.clone()));
            proxies.push(proxy);
            nodes.push(node);
        }
        let gateways = Self { server, proxies, nodes, policy, clock, tasks };
        gateways.are_well().await;
        gateways
    }

    /// Waits until Redis decides for all of them, and knows all that they know.
    pub(crate) async fn are_well(&self) {
        for node in &self.nodes {
            until("Redis decides, and knows everything", async || {
                let is_up = *node.state().borrow() == State::Up;
                (is_up && node.untold() == (0, 0)).then_some(())
            })
            .await
            .unwrap();
        }
    }

    /// What the gateways publish: how far an account of each limit may go beyond it in an outage.
    pub(crate) fn bound(&self) -> [u64; 2] {
        let mut bound = [0; 2];
        for node in &self.nodes {
            for (sum, limit) in bound.iter_mut().zip(node.overspend().away) {
                *sum += limit.at_most.unwrap_or(u64::MAX);
            }
        }
        bound
    }

    /// How often it was decided without Redis.
    pub(crate) fn alone(&self) -> u64 {
        let alone = |node: &Arc<Redis>| {
            let failures = node.failures();
            failures.share + failures.open + failures.closed
        };
        self.nodes.iter().map(alone).sum()
    }

    /// What Redis says of a user's budget and slots.
    pub(crate) async fn in_redis(&self, nth: usize) -> [u64; 2] {
        let who = user(nth);
        let order = order(&self.policy, &who, 0, 0, &self.clock);
        let all = self.nodes[0].shared().standings(&order, self.clock.now()).await.unwrap();
        [used(&all[0]), used(&all[1])]
    }
}

impl fmt::Display for Gateways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.nodes.iter().try_for_each(|node| {
            let link = node.shared().link().state();
            let (decides, link) = (node.state(), link.borrow());
            let (decides, untold) = (decides.borrow(), node.untold());
            writeln!(f, "{:?}, untold {untold:?}, link {link:?}", *decides)
        })
    }
}

impl Drop for Gateways {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
