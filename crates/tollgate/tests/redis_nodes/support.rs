//! Nodes over a real server, in virtual time.

use std::time::Duration;

use redis_servers::Server;
use tollgate::{
    Memory, Store as _,
    conformance::NOON,
    store::redis::{Link, LinkSettings, Local, Members, Redis, Shared, SharedSettings, TimeSource},
};
use tollgate_core::{
    Amounts, Attributes, Calendar, NanoUsd, Now, Order, PeriodUnit, Policy, ReservationId, Unit,
    policy::{Limit, Measure, settings::OnStoreFailure},
};

pub(crate) const NOW: Now = Now::at(NOON);

/// One budget for all, and slots.
pub(crate) fn policy() -> Policy {
    let total = Calendar::new(PeriodUnit::Total, jiff::tz::TimeZone::UTC);
    let budget = Measure::Period { calendar: std::sync::Arc::new(total), cap: 100 };
    let slots = Measure::Concurrency { cap: 9 };
    Policy::new(vec![
        Limit::new("budget", &[], Unit::Usd, budget),
        Limit::new("slots", &[], Unit::Requests, slots),
    ])
    .unwrap()
}

/// A node of a name that decides by its share while the server is away; its calls may take so long.
pub(crate) async fn node(server: &Server, nth: u64, timeout: Duration) -> Redis {
    let mut link = LinkSettings::of(&server.url()).unwrap();
    link.timeout = timeout;
    node_by(link, nth).await
}

/// The same by settings of one's own.
pub(crate) async fn node_by(link: LinkSettings, nth: u64) -> Redis {
    let node = unasked_by(link, nth).await;
    node.note_members(Members { live: 2, rank: nth });
    assert!(node.recover(NOW).await);
    node
}

/// A node that has asked the server nothing yet, and was not told who there is.
pub(crate) async fn unasked(server: &Server, nth: u64, timeout: Duration) -> Redis {
    let mut link = LinkSettings::of(&server.url()).unwrap();
    link.timeout = timeout;
    unasked_by(link, nth).await
}

/// The same by settings of one's own.
pub(crate) async fn unasked_by(link: LinkSettings, nth: u64) -> Redis {
    let time = TimeSource::Caller;
    let node = format!("node-{nth}");
    let settings = SharedSettings { node, owner: nth, time, ..SharedSettings::default() };
    let shared = Shared::new(Link::connect(&link).await.unwrap(), &settings);
    Redis::new(shared, Memory::default(), OnStoreFailure::Share, &policy())
}

pub(crate) const fn costs(nanos: u64) -> Amounts {
    Amounts { cost: NanoUsd(nanos), ..Amounts::ONE_REQUEST }
}

pub(crate) fn order<'a>(policy: &Policy, who: &'a Attributes, id: u128, nanos: u64) -> Order<'a> {
    let expires = NOON.after(Duration::from_secs(600));
    let order = policy.order(ReservationId(id), who, &costs(nanos), NOW, expires);
    Order { keep: true, report: true, ..order }
}

/// What the shared store says is used of the budget and of the slots.
pub(crate) async fn shared(node: &Redis) -> Vec<u64> {
    let (policy, who) = (policy(), Attributes::new());
    let order = order(&policy, &who, 0, 1);
    let standings = node.shared().standings(&order, NOW).await.unwrap();
    standings.iter().map(|it| (it.cap - it.remaining + it.above).max(it.held)).collect()
}

/// The same by the books of nodes, together.
pub(crate) fn in_books(nodes: &[&Redis]) -> Vec<u64> {
    let (policy, who) = (policy(), Attributes::new());
    let order = order(&policy, &who, 0, 1);
    let mut sums = vec![0; order.charges.len()];
    for node in nodes {
        let Local::Memory(books) = node.local() else { panic!("they are in memory") };
        for (sum, it) in sums.iter_mut().zip(books.standings_now(&order, NOW)) {
            *sum += (it.cap - it.remaining + it.above).max(it.held);
        }
    }
    sums
}
