//! Several nodes while their store comes and goes, in virtual time.
//!
//! While the store answers, or where a limit is closed, nothing is passed; by `share`, no more
//! than the bound that the nodes publish; and when all is well again, the store's numbers are
//! the sums of the nodes' books.

use std::{collections::HashMap, sync::Arc, time::Duration};

use proptest::{collection::vec, prelude::*};
use tollgate::{
    Memory, Store, StoreError,
    conformance::NOON,
    store::redis::{Local, Members, Redis},
};
use tollgate_core::{
    Amounts, Attribute, Attributes, Calendar, Decision, Demand, Kind, NanoUsd, Now, Order,
    PeriodUnit, Policy, ReservationId, Unit, Usage,
    policy::{Limit, Measure, settings::OnStoreFailure},
};

use crate::hub::{Fault, Hub, Line, books, used};

const NODES: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    Ask { node: usize, user: u8, amount: u64 },
    More { which: usize, amount: u64 },
    Settle { which: usize, percent: u64, elsewhere: bool },
    Void { which: usize },
    Fault { node: Option<usize>, mute: bool },
    Heal { node: Option<usize> },
    Recover,
    Wait { millis: u64 },
    FailOver { lagging: bool },
}

fn steps(with_failovers: bool) -> impl Strategy<Value = Vec<Step>> {
    let node = || 0..NODES;
    let some = || proptest::option::of(0..NODES);
    let step = prop_oneof![
        12 => (node(), 0_u8..2, 1_u64..30)
            .prop_map(|(node, user, amount)| Step::Ask { node, user, amount }),
        2 => (any::<usize>(), 1_u64..20).prop_map(|(which, amount)| Step::More { which, amount }),
        6 => (any::<usize>(), 0_u64..=100, any::<bool>())
            .prop_map(|(which, percent, elsewhere)| Step::Settle { which, percent, elsewhere }),
        2 => any::<usize>().prop_map(|which| Step::Void { which }),
        3 => (some(), any::<bool>()).prop_map(|(node, mute)| Step::Fault { node, mute }),
        3 => some().prop_map(|node| Step::Heal { node }),
        4 => Just(Step::Recover),
        2 => (1_u64..30_000).prop_map(|millis| Step::Wait { millis }),
        u32::from(with_failovers) => any::<bool>().prop_map(|lagging| Step::FailOver { lagging }),
    ];
    vec(step, 1..80)
}

fn policy() -> Policy {
    let total = Calendar::new(PeriodUnit::Total, jiff::tz::TimeZone::UTC);
    let user = [Attribute::User];
    let minute = Duration::from_secs(60);
    Policy::new(vec![
        Limit::new(
            "budget",
            &user,
            Unit::Usd,
            Measure::Period { calendar: Arc::new(total), cap: 100 },
        ),
        Limit::new("slots", &user, Unit::Requests, Measure::Concurrency { cap: 6 }),
        Limit::new("all", &[], Unit::Usd, Measure::Window { length: minute, cap: 150 }),
        Limit::new("few", &[], Unit::Requests, Measure::Window { length: minute, cap: 20 }),
        Limit::new("bucket", &[], Unit::Usd, Measure::Bucket { rate: 1, per: minute, burst: 90 }),
    ])
    .expect("names differ")
}

const fn costs(nanos: u64) -> Demand {
    Amounts { cost: NanoUsd(nanos), ..Amounts::ONE_REQUEST }
}

struct Live {
    id: ReservationId,
    node: usize,
    amount: u64,
}

struct World {
    hub: Arc<Hub>,
    nodes: Vec<Redis<Line>>,
    policy: Policy,
    mode: OnStoreFailure,
    now: Now,
    live: Vec<Live>,
    next: u128,
    /// Ends that had no answer.
    again: Vec<(ReservationId, usize, Usage)>,
    faults: [Fault; NODES],
    /// Whether the store may hold more for somebody who heard nothing of it: until that ends.
    doubt: bool,
    /// What may be beyond each account's cap by now.
    beyond: HashMap<(u8, usize), u64>,
    users: Vec<Attributes>,
}

impl World {
    async fn new(mode: OnStoreFailure) -> Self {
        let (hub, policy) = (Hub::new(NODES, 8), policy());
        let mut nodes = Vec::new();
        for nth in 0..NODES {
            let node = Redis::new(hub.line(nth), books(), mode, &policy);
            node.note_members(Members { live: NODES as u64, rank: nth as u64 });
            assert!(node.recover(Now::at(NOON)).await);
            nodes.push(node);
        }
        let users = ["ann", "bob"].map(|name| Attributes::new().with(Attribute::User, name));
        Self {
            hub,
            nodes,
            policy,
            mode,
            now: Now::at(NOON),
            live: Vec::new(),
            next: 1,
            again: Vec::new(),
            faults: [Fault::None; NODES],
            doubt: false,
            beyond: HashMap::new(),
            users: users.into(),
        }
    }

    fn order(&self, user: u8, amount: u64, id: u128) -> Order<'_> {
        let expires = self.now.time.after(Duration::from_secs(6_000));
        let who = &self.users[usize::from(user)];
        let mut order =
            self.policy.order(ReservationId(id), who, &costs(amount), self.now, expires);
        (order.report, order.keep) = (true, true);
        order
    }

    /// An outage begins, or may: each node may add what it publishes.
    fn count_bounds(&mut self) {
        let mut more = Vec::new();
        for user in 0..2 {
            let order = self.order(user, 1, 0);
            let each: Vec<_> = self.nodes.iter().map(|it| it.may_add(&order, self.now)).collect();
            for (nth, charge) in order.charges.iter().enumerate() {
                let sum: u64 = each.iter().map(|all| all[nth].at_most.unwrap_or(0)).sum();
                more.push(((user, nth), sum.min(charge.rule.cap)));
            }
        }
        for (account, more) in more {
            *self.beyond.entry(account).or_default() += more;
        }
    }

    async fn step(&mut self, step: &Step) {
        match *step {
            Step::Ask { node, user, amount } => self.ask(node, user, amount).await,
            Step::More { which, amount } => {
                if let Some(place) = self.pick(which) {
                    let Live { id, node, .. } = self.live[place];
                    self.doubt |= self.faults[node] == Fault::Mute;
                    let more = Amounts { cost: NanoUsd(amount), ..Amounts::default() };
                    if let Ok(Decision::Admit(_)) =
                        self.nodes[node].extend(id, &more, self.now).await
                    {
                        self.live[place].amount += amount;
                    }
                }
            }
            Step::Settle { which, percent, elsewhere } => {
                if let Some(place) = self.pick(which) {
                    let Live { id, node, amount } = self.live[place];
                    let node = (node + usize::from(elsewhere)) % NODES;
                    // Whoever asks again asks the same.
                    let asked = self.again.iter().find(|(asked, ..)| *asked == id);
                    let usage = asked.map_or(costs(amount * percent / 100), |(.., usage)| *usage);
                    match self.nodes[node].settle(id, &usage, self.now).await {
                        Ok(_) => drop(self.live.remove(place)),
                        // Whoever asked will ask again.
                        Err(StoreError::Away(_)) if elsewhere => {
                            self.again.push((id, node, usage));
                        }
                        // What the store does not know yet, only its node does.
                        Err(StoreError::Unknown { .. }) if elsewhere => {}
                        Err(error) => panic!("not settled: {error}"),
                    }
                    self.hear();
                }
            }
            Step::Void { which } => {
                if let Some(place) = self.pick(which) {
                    let Live { id, node, .. } = self.live[place];
                    if self.again.iter().any(|(asked, ..)| *asked == id) {
                        return;
                    }
                    self.live.remove(place);
                    self.nodes[node].void(id, self.now).await.expect("voided");
                }
            }
            Step::Fault { node, mute } => {
                self.count_bounds();
                self.set(node, if mute { Fault::Mute } else { Fault::Cut });
            }
            Step::Heal { node } => self.set(node, Fault::None),
            Step::Recover => self.recover().await,
            Step::Wait { millis } => {
                // No replica lags behind for as long as nodes remember what they told.
                self.hub.replicate();
                let by = Duration::from_millis(millis);
                self.now = Now { time: self.now.time.after(by), wall: self.now.wall.after(by) };
            }
            Step::FailOver { lagging } => self.fail_over(lagging),
        }
        self.check();
    }

    fn pick(&self, which: usize) -> Option<usize> {
        (!self.live.is_empty()).then(|| which % self.live.len())
    }

    /// What is told between the nodes arrives.
    fn hear(&self) {
        for (from, ended) in self.hub.news.lock().drain(..) {
            for (nth, node) in self.nodes.iter().enumerate() {
                assert!(nth != from || !node.ended_elsewhere(&ended, self.now));
                node.ended_elsewhere(&ended, self.now);
            }
        }
    }

    fn set(&mut self, node: Option<usize>, fault: Fault) {
        for nth in 0..NODES {
            if node.is_none_or(|node| node == nth) {
                self.faults[nth] = fault;
                self.nodes[nth].shared().set(fault);
            }
        }
    }

    async fn recover(&self) {
        for node in &self.nodes {
            node.recover(self.now).await;
        }
    }

    async fn ask(&mut self, node: usize, user: u8, amount: u64) {
        let id = self.next;
        self.next += 1;
        let order = self.order(user, amount, id);
        let decision = self.nodes[node].reserve(&order, self.now).await;
        match decision {
            Ok(Decision::Admit(_)) => {
                self.live.push(Live { id: ReservationId(id), node, amount });
            }
            Ok(_) => {}
            Err(StoreError::Away(_)) => assert_eq!(self.mode, OnStoreFailure::Closed),
            Err(error) => panic!("no answer: {error}"),
        }
    }

    /// The next server takes over, with what it was told: it lags behind or does not. The nodes
    /// see it before they ask again.
    fn fail_over(&mut self, lagging: bool) {
        if self.hub.left() == 0 {
            return;
        }
        if !lagging {
            self.hub.replicate();
        }
        self.count_bounds();
        self.hub.fail_over();
        for node in &self.nodes {
            node.note_loss("a replica has taken over", self.now);
        }
    }

    /// What the nodes' own books say is used of each account, together.
    fn in_books(&self, order: &Order<'_>) -> Vec<u64> {
        let mut sums = vec![0; order.charges.len()];
        for node in &self.nodes {
            let Local::Memory(books) = node.local() else { panic!("they are in memory") };
            for (sum, standing) in sums.iter_mut().zip(books.standings_now(order, self.now)) {
                *sum += used(&standing);
            }
        }
        sums
    }

    fn check(&self) {
        // What has ended without an answer is still in the books.
        if !self.again.is_empty() {
            return;
        }
        for user in 0..2 {
            let order = self.order(user, 1, 0);
            for (nth, sum) in self.in_books(&order).into_iter().enumerate() {
                // Of a bucket, the sum of what each refills is not what all have used.
                if let Kind::Bucket { .. } = order.charges[nth].rule.kind {
                    continue;
                }
                let beyond = self.beyond.get(&(user, nth)).copied().unwrap_or(0);
                let cap = order.charges[nth].rule.cap;
                assert!(sum <= cap + beyond, "{sum} of {cap} and {beyond} ({user}, {nth})");
            }
        }
    }

    /// Everything is well again, and everything is told.
    async fn heal(&mut self) {
        self.set(None, Fault::None);
        for _ in 0..2 {
            for node in &self.nodes {
                assert!(node.recover(self.now).await);
                assert_eq!(node.untold(), (0, 0));
            }
        }
        for (id, node, usage) in std::mem::take(&mut self.again) {
            // Its own node has told by now what the store did not know of it.
            match self.nodes[node].settle(id, &usage, self.now).await {
                Ok(_) => self.live.retain(|live| live.id != id),
                // It has ended, and a failover has lost how.
                Err(StoreError::Unknown { .. }) => {}
                Err(error) => panic!("not settled: {error}"),
            }
            self.hear();
        }
    }

    fn agree(&self) {
        for user in 0..2 {
            let order = self.order(user, 1, 0);
            let (all, parts) = self.hub.used(&order, self.now);
            for (nth, charge) in order.charges.iter().enumerate() {
                if matches!(charge.rule.kind, Kind::Bucket { .. } | Kind::Window { .. }) {
                    continue;
                }
                let books: Vec<_> = self
                    .nodes
                    .iter()
                    .map(|node| {
                        let Local::Memory(books) = node.local() else {
                            panic!("they are in memory")
                        };
                        used(&books.standings_now(&order, self.now)[nth])
                    })
                    .collect();
                let told: Vec<_> = parts.iter().map(|part| part[nth]).collect();
                assert_eq!(books, told, "each node's part ({user}, {nth})");
                assert_eq!(all[nth], books.iter().sum::<u64>(), "the sum ({user}, {nth})");
            }
        }
    }

    async fn end_all(&mut self) {
        for Live { id, node, amount } in std::mem::take(&mut self.live) {
            self.nodes[node].settle(id, &costs(amount / 2), self.now).await.expect("settled");
        }
    }
}

fn play(mode: OnStoreFailure, steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut world = World::new(mode).await;
        for step in steps {
            world.step(step).await;
        }
        world.heal().await;
        if !world.doubt {
            world.agree();
        }
        world.end_all().await;
        world.agree();
        for node in &world.nodes {
            let Local::Memory(books) = node.local() else { panic!("they are in memory") };
            assert_eq!(Memory::reservations(books), 0);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn a_share_is_within_the_bound_and_the_numbers_agree_again(steps in steps(true)) {
        play(OnStoreFailure::Share, &steps);
    }

    #[test]
    fn what_is_closed_is_never_passed(steps in steps(false)) {
        play(OnStoreFailure::Closed, &steps);
    }
}
