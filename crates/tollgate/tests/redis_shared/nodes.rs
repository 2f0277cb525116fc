//! Several nodes over one server.

use std::time::Duration;

use redis_servers::Server;
use tollgate::{
    Clock, Crossings, Receipt, Store, StoreError,
    conformance::NOON,
    core::{
        Amounts, Attribute, Attributes, Decision, LimitId, NanoUsd, Order, Policy, ReservationId,
        Spent, Unit,
        policy::{Limit, Measure},
    },
    store::redis::{Counter, Ended, Exact, Shared, ended_heard, link::Heard},
};

use crate::support::{shared, shared_over};

pub(crate) const HOLD: Duration = Duration::from_secs(600);

/// A day's money and three slots of each user, and a bucket of all.
fn policy() -> Policy {
    let calendar =
        tollgate::core::Calendar::new(tollgate::core::PeriodUnit::Day, jiff::tz::TimeZone::UTC);
    let day = Measure::Period { calendar: calendar.into(), cap: 1_000 };
    let bucket = Measure::Bucket { rate: 1, per: Duration::from_secs(1), burst: 1_000 };
    Policy::new(vec![
        Limit::new("money", &[Attribute::User], Unit::Usd, day),
        Limit::new("slots", &[Attribute::User], Unit::Requests, Measure::Concurrency { cap: 3 }),
        Limit::new("bucket", &[], Unit::Usd, bucket),
    ])
    .unwrap()
}

pub(crate) struct Nodes {
    pub(crate) server: Server,
    policy: Policy,
    pub(crate) clock: Clock,
    who: Attributes,
    pub(crate) nodes: Vec<Shared>,
}

pub(crate) const fn costs(nanos: u64) -> Amounts {
    Amounts { cost: NanoUsd(nanos), ..Amounts::ONE_REQUEST }
}

impl Nodes {
    pub(crate) async fn start() -> Self {
        let server = Server::start().await.unwrap();
        let nodes = vec![shared(&server, 1).await, shared(&server, 2).await];
        let who = Attributes::new().with(Attribute::User, "ann");
        Self { server, policy: policy(), clock: Clock::set_at(NOON), who, nodes }
    }

    pub(crate) const fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn order(&self, id: u128, nanos: u64) -> Order<'_> {
        self.order_of(&self.who, id, nanos)
    }

    pub(crate) fn order_of<'a>(&'a self, who: &'a Attributes, id: u128, nanos: u64) -> Order<'a> {
        let now = self.clock.now();
        let (id, expires) = (ReservationId(id), now.time.after(HOLD));
        let mut order = self.policy.order(id, who, &costs(nanos), now, expires);
        order.keep = true;
        order
    }

    pub(crate) async fn admit(&self, node: usize, id: u128, nanos: u64) {
        let decided = self.nodes[node].reserve(&self.order(id, nanos), self.clock.now()).await;
        assert!(matches!(decided, Ok(Decision::Admit(_))), "{decided:?}");
    }

    pub(crate) async fn remaining(&self, node: usize) -> Vec<u64> {
        let order = self.order(0, 0);
        let standings = self.nodes[node].standings(&order, self.clock.now()).await.unwrap();
        standings.iter().map(|standing| standing.remaining).collect()
    }

    pub(crate) fn limit(&self, name: &str) -> LimitId {
        self.policy.limits().iter().find(|limit| limit.name == name).unwrap().id
    }

    /// What a node says it settled of ann's money today.
    async fn raise(&self, node: usize, settled: u64) {
        self.try_raise(node, settled).await.unwrap();
    }

    pub(crate) async fn try_raise(&self, node: usize, settled: u64) -> Result<(), StoreError> {
        self.raise_by(&self.nodes[node], settled).await
    }

    async fn raise_by(&self, node: &Shared, settled: u64) -> Result<(), StoreError> {
        let order = self.order(0, 0);
        let (start, end) = match order.charges[0].rule.kind {
            tollgate::core::Kind::Period { start, end } => (start, end),
            other => panic!("{other:?}"),
        };
        let spent = Spent { limit: self.limit("money"), start, end, settled };
        let group = &order.groups[0];
        let counter = Counter { scope: group.scope, key: group.key.clone(), spent };
        node.raise(&[counter], self.clock.now()).await
    }
}

#[tokio::test]
async fn what_one_node_made_another_one_extends_renews_and_ends() {
    let nodes = Nodes::start().await;
    nodes.admit(0, 1, 400).await;
    let (other, id) = (&nodes.nodes[1], ReservationId(1));
    let more = Amounts { requests: 0, ..costs(100) };
    assert!(matches!(other.extend(id, &more, nodes.clock.now()).await, Ok(Decision::Admit(_))));
    nodes.clock.advance(HOLD - Duration::from_secs(1));
    let now = nodes.clock.now();
    other.renew(id, now.time.after(HOLD), now).await.unwrap();
    nodes.clock.advance(HOLD - Duration::from_secs(1));
    assert_eq!(nodes.nodes[0].expire(nodes.clock.now()).await, Ok(0));
    assert_eq!(nodes.remaining(0).await, [500, 2, 1_000]);
    let receipt = other.settle(id, &costs(450), nodes.clock.now()).await.unwrap();
    assert_eq!(receipt, Receipt { usage: costs(450), overrun: Amounts::default() });
    let again = nodes.nodes[0].settle(id, &costs(1), nodes.clock.now()).await;
    assert_eq!(again, Ok(receipt), "whoever asks again is told the same");
    assert_eq!(nodes.nodes[0].ending(id).await, Ok(Some(receipt)));
    assert_eq!(nodes.remaining(0).await, [550, 3, 1_000]);
}

#[tokio::test]
async fn what_was_extended_hundreds_of_times_ends_as_one() {
    let nodes = Nodes::start().await;
    nodes.admit(0, 1, 1).await;
    let (node, id) = (&nodes.nodes[0], ReservationId(1));
    let more = Amounts { requests: 0, ..costs(1) };
    for _ in 0..299 {
        nodes.clock.advance(Duration::from_micros(1));
        let extended = node.extend(id, &more, nodes.clock.now()).await;
        assert!(matches!(extended, Ok(Decision::Admit(_))), "{extended:?}");
    }
    // A bucket takes back of each parcel what has not been refilled since, and so a little less.
    node.settle(id, &costs(20), nodes.clock.now()).await.unwrap();
    assert_eq!(nodes.remaining(1).await, [980, 3, 979]);
    let order = nodes.order(0, 0);
    let standings = node.standings(&order, nodes.clock.now()).await.unwrap();
    assert_eq!(standings[0].held, 0, "nothing is held any more");
}

#[tokio::test]
async fn what_a_dead_node_held_comes_back_after_its_lease() {
    let nodes = Nodes::start().await;
    nodes.admit(0, 1, 400).await;
    nodes.clock.advance(HOLD);
    assert_eq!(nodes.remaining(1).await, [600, 2, 1_000]);
    assert_eq!(nodes.nodes[1].expire(nodes.clock.now()).await, Ok(1));
    assert_eq!(nodes.remaining(1).await, [600, 3, 1_000], "its money counts until it is settled");
    let now = nodes.clock.now();
    let extended = nodes.nodes[0].extend(ReservationId(1), &costs(1), now).await;
    assert_eq!(extended, Err(StoreError::Ended { id: 1 }), "the node that made it lives still");
    nodes.nodes[0].settle(ReservationId(1), &costs(100), now).await.unwrap();
    assert_eq!(nodes.remaining(1).await, [900, 3, 1_000]);
}

#[tokio::test]
async fn a_slot_that_expired_is_had_by_who_asks_for_it_first() {
    let nodes = Nodes::start().await;
    for id in 1..=3 {
        nodes.admit(0, id, 0).await;
    }
    nodes.clock.advance(HOLD);
    nodes.admit(1, 4, 0).await;
    assert_eq!(nodes.remaining(1).await[1], 2);
}

#[tokio::test]
async fn each_node_has_a_counter_that_is_raised_and_never_lowered() {
    let nodes = Nodes::start().await;
    for (node, nanos) in [(0, 300), (1, 200)] {
        nodes.admit(node, node as u128 + 1, nanos).await;
        let id = ReservationId(node as u128 + 1);
        nodes.nodes[node].settle(id, &costs(nanos), nodes.clock.now()).await.unwrap();
    }
    assert_eq!(nodes.remaining(0).await[0], 500);
    for settled in [250, 300] {
        nodes.raise(0, settled).await;
        assert_eq!(nodes.remaining(0).await[0], 500, "nothing was lost");
    }
    nodes.raise(1, 260).await;
    assert_eq!(nodes.remaining(0).await[0], 440, "60 of the other node were");
    nodes.raise(1, 260).await;
    assert_eq!(nodes.remaining(0).await[0], 440);
    nodes.server.command(&["FLUSHALL"]).await.unwrap();
    nodes.raise(0, 300).await;
    nodes.raise(1, 260).await;
    assert_eq!(nodes.remaining(1).await[0], 440, "all of it was");
}

#[tokio::test]
async fn cells_do_not_grow_with_the_names_that_nodes_ever_had() {
    let nodes = Nodes::start().await;
    nodes.admit(0, 1, 100).await;
    nodes.nodes[0].settle(ReservationId(1), &costs(100), nodes.clock.now()).await.unwrap();
    let cells = nodes.keys("tg:{0}:c:").await;
    let cell = cells.iter().find(|key| key.ends_with(":ann")).unwrap();
    let bytes = nodes.server.command(&["STRLEN", cell]).await.unwrap();
    let named = |nth: u64| shared_over(nodes.nodes[0].link(), 1_000 + nth);
    for nth in 0..100 {
        nodes.raise_by(&named(nth), 5).await.unwrap();
    }
    nodes.raise_by(&named(50), 6).await.unwrap();
    assert_eq!(nodes.remaining(1).await[0], 1_000 - 100 - 500 - 1, "each counts once");
    assert_eq!(nodes.server.command(&["STRLEN", cell]).await.unwrap(), bytes);
    // A cell that was lost is begun anew with all that is told, whatever is left of its counters.
    nodes.server.command(&["DEL", cell]).await.unwrap();
    nodes.admit(0, 2, 0).await;
    nodes.raise_by(&named(50), 6).await.unwrap();
    assert_eq!(nodes.remaining(1).await[0], 1_000 - 6);
    nodes.server.command(&["DEL", cell]).await.unwrap();
    nodes.raise_by(&named(50), 6).await.unwrap();
    assert_eq!(nodes.remaining(1).await[0], 1_000 - 6);
}

#[tokio::test]
async fn what_a_node_granted_by_itself_is_taken_in_once_whether_or_not_there_is_room() {
    let nodes = Nodes::start().await;
    nodes.admit(1, 1, 900).await;
    let now = nodes.clock.now();
    for nanos in [400, 400, 500] {
        nodes.nodes[0].introduce(&nodes.order(2, nanos), now).await.unwrap();
    }
    let order = nodes.order(0, 0);
    let standing = nodes.nodes[1].standings(&order, now).await.unwrap()[0];
    assert_eq!((standing.held, standing.above), (1_400, 400));
    nodes.nodes[0].settle(ReservationId(2), &costs(450), now).await.unwrap();
    nodes.nodes[0].introduce(&nodes.order(2, 800), now).await.unwrap();
    assert_eq!(nodes.nodes[1].standings(&order, now).await.unwrap()[0].above, 350, "it has ended");
    let mut expired = nodes.order(3, 100);
    expired.expires = tollgate::core::Time::ZERO;
    nodes.nodes[0].introduce(&expired, now).await.unwrap();
    let standings = nodes.nodes[1].standings(&order, now).await.unwrap();
    assert_eq!((standings[0].above, standings[1].remaining), (450, 2), "its slot is free");
    nodes.nodes[0].settle(ReservationId(3), &costs(0), now).await.unwrap();
    assert_eq!(nodes.nodes[1].standings(&order, now).await.unwrap()[0].above, 350);
}

#[tokio::test]
async fn what_was_held_and_is_told_again_with_its_end_counts_once() {
    let nodes = Nodes::start().await;
    let (node, now) = (&nodes.nodes[0], nodes.clock.now());
    // Nobody is to ask for its end again, as the gateway holds; the answer is lost.
    let order = Order { keep: false, ..nodes.order(1, 400) };
    assert!(matches!(node.reserve(&order, now).await, Ok(Decision::Admit(_))));
    let told = Order { keep: true, ..order };
    for _ in 0..2 {
        node.introduce(&told, now).await.unwrap();
        node.settle(told.id, &costs(300), now).await.unwrap();
    }
    assert_eq!(nodes.remaining(1).await[0], 700);
}

#[tokio::test]
async fn other_nodes_hear_what_was_given_back_and_what_ended() {
    let nodes = Nodes::start().await;
    let other = &nodes.nodes[1];
    let channels = [other.freed_channel().to_owned(), other.ended_channel()];
    let mut heard = other.link().subscribe(&channels.each_ref().map(String::as_str));
    assert!(matches!(heard.next().await, Some(Heard::Begun)));
    nodes.admit(0, 1, 400).await;
    nodes.nodes[0].settle(ReservationId(1), &costs(400), nodes.clock.now()).await.unwrap();
    let Some(Heard::Message { channel, message }) = heard.next().await else { panic!("nothing") };
    assert_eq!(channel, channels[0]);
    assert_eq!(
        message,
        nodes.limit("slots").0.to_le_bytes().as_slice(),
        "only a slot was given back"
    );
    let ended = Ended {
        id: ReservationId(9),
        how: tollgate::store::memory::End::Void,
        usage: Amounts::default(),
    };
    nodes.nodes[0].announce(ended).await;
    let Some(Heard::Message { message, .. }) = heard.next().await else { panic!("nothing") };
    assert_eq!(ended_heard(&message), Some(ended));
    assert_eq!(other.take_crossings(), Crossings::default());
}

#[tokio::test]
async fn what_a_process_took_itself_is_undone_as_if_nobody_had_asked() {
    let nodes = Nodes::start().await;
    let [a, b] = &nodes.nodes[..] else { panic!("two nodes") };
    let now = nodes.clock.now();
    let order = Order { keep: true, ..nodes.order(7, 600) };
    let is_taken = async |store: &Shared, id| {
        let order = Order { id: ReservationId(id), ..nodes.order(7, 600) };
        let decision = store.check(&order, now).await.unwrap();
        matches!(decision, Decision::Refuse(_))
    };
    assert!(matches!(a.reserve(&order, now).await, Ok(Decision::Admit(_))));
    b.unask(order.id, now).await.unwrap();
    assert!(is_taken(a, 8).await, "another process took it");
    a.unask(order.id, now).await.unwrap();
    a.unask(order.id, now).await.unwrap();
    assert!(!is_taken(a, 8).await);
    assert!(matches!(b.reserve(&order, now).await, Ok(Decision::Admit(_))));
    assert!(is_taken(a, 8).await, "it is asked anew, and not answered by how it was undone");
}
