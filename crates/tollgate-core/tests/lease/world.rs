//! Nodes that share one account over a network that takes its time.

use std::{collections::BTreeMap, time::Duration};

use proptest::{collection::vec, prelude::*};
use tollgate_core::{
    Kind, Rule, Time,
    lease::{Account, Ask, Grant, Holding, Taken, Terms},
};

use crate::model::Model;

/// One request: what it takes and uses of it, who asks how long after the one before, how long
/// it runs, and how long calls take that are sent then; all in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    node: usize,
    think: u64,
    amount: u64,
    used: u64,
    runs: u64,
    there: u64,
    back: u64,
}

/// What goes wrong with a call, by turns; `Crash` is the node's that sent it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    None,
    LostThere,
    LostBack,
    Crash,
}

enum Event {
    Request(Call),
    Look(usize),
    Ask(usize),
    Arrive(Sent),
    Answer(Sent, Grant),
    GiveUp(Sent),
    End { born: u64, taken: Taken, nth: usize, held: u64, used: u64 },
}

#[derive(Clone)]
struct Sent {
    born: u64,
    /// Which of the node's asks it is.
    number: u64,
    ask: Ask,
    at: Time,
    back: u64,
    is_answered: bool,
}

struct Node {
    /// Its name, which it does not have again after a crash.
    born: u64,
    /// How many thousandths its clock runs fast.
    clock: i64,
    holding: Holding,
    waiting: Vec<Call>,
    /// Of those who wait, how many the ask on its way is for.
    asked_for: usize,
    asking: Option<u64>,
    /// How often it has asked.
    asked: u64,
    travel: (u64, u64),
}

pub(crate) struct World {
    rule: Rule,
    pub(crate) model: Model,
    account: Account,
    nodes: Vec<Node>,
    faults: Vec<Fault>,
    events: BTreeMap<(Time, u64), Event>,
    next: u64,
    is_over: bool,
}

const BEGIN: u64 = 1_795_305_597_000;
/// When a node gives up waiting for an answer.
const TIMEOUT: u64 = 200;

const TERMS: Terms = Terms {
    term: Duration::from_secs(1),
    least: Duration::from_millis(100),
    every: Duration::from_millis(50),
};

pub(crate) fn rules() -> impl Strategy<Value = Rule> {
    let second = 1_000_000_000;
    prop_oneof![
        Just(Kind::Window { length_ns: 6 * second }),
        Just(Kind::Window { length_ns: 60 * second }),
        Just(Kind::Bucket { rate: 100, per_ns: second }),
        Just(Kind::Bucket { rate: 7, per_ns: second / 30 }),
    ]
    .prop_flat_map(|kind| (70_u64..200).prop_map(move |cap| Rule { kind, cap }))
}

pub(crate) fn calls() -> impl Strategy<Value = Vec<Call>> {
    let travel = || prop_oneof![8 => 0_u64..20, 1 => 0_u64..2_500];
    let call = (0..4_usize, 0_u64..30, 1_u64..12, 0_u64..=12, 0_u64..2_000, travel(), travel());
    let call = call.prop_map(|(node, think, amount, used, runs, there, back)| Call {
        node,
        think,
        amount,
        used: used.min(amount),
        runs,
        there,
        back,
    });
    // Some pauses are long, so that leases end and nodes become idle.
    vec((call, prop::bool::weighted(0.02)), 1..250).prop_map(|calls| {
        let pause = |(call, long): (Call, bool)| Call {
            think: call.think * if long { 60 } else { 1 },
            ..call
        };
        calls.into_iter().map(pause).collect()
    })
}

pub(crate) fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let one = prop_oneof![
        20 => Just(Fault::None),
        2 => Just(Fault::LostThere),
        2 => Just(Fault::LostBack),
        1 => Just(Fault::Crash),
    ];
    vec(one, 0..40)
}

impl Call {
    pub(crate) const fn without_delay(&self) -> Self {
        Self { there: 0, back: 0, ..*self }
    }
}

impl World {
    pub(crate) fn play(rule: Rule, clocks: &[i64], calls: &[Call], faults: &[Fault]) -> Self {
        let node = |(nth, clock): (usize, &i64)| Node::new(nth as u64 + 1, *clock);
        let mut world = Self {
            rule,
            model: Model::new(rule),
            account: Account::new(&rule),
            nodes: clocks.iter().enumerate().map(node).collect(),
            faults: faults.iter().rev().copied().collect(),
            events: BTreeMap::new(),
            next: 100,
            is_over: false,
        };
        let mut at = 0;
        for call in calls {
            at += call.think;
            world.at(Time::from_millis(BEGIN + at), Event::Request(*call));
        }
        for nth in 0..world.nodes.len() {
            world.at(Time::from_millis(BEGIN + nth as u64), Event::Look(nth));
        }
        let end = Time::from_millis(BEGIN + at + 10);
        world.run_until(end);
        world
    }

    /// Lets all work end, and all nodes give back what they have: what there is room for then, and
    /// what is used.
    pub(crate) fn finish(&mut self) -> (u64, u64) {
        let last = self.events.keys().next_back().map_or(Time::from_millis(BEGIN), |key| key.0);
        let last = last.after(Duration::from_secs(1));
        self.run_until(last);
        self.is_over = true;
        self.faults.clear();
        // Two looks each: one ask may still have been on its way.
        let end = last.after(Duration::from_secs(2));
        self.run_until(end);
        assert!(self.nodes.iter().all(|node| node.holding.is_idle()), "nothing is kept");
        (self.account.room(&self.rule, end), self.model.counted(end))
    }

    /// What there is room for when all that was used has left.
    pub(crate) fn room_later(&mut self) -> u64 {
        let now = self.events.keys().next().map_or(Time::ZERO, |key| key.0);
        self.account.room(&self.rule, now.after(Duration::from_secs(70)))
    }

    fn run_until(&mut self, end: Time) {
        while let Some(entry) = self.events.first_entry()
            && entry.key().0 <= end
        {
            let ((now, _), event) = entry.remove_entry();
            self.happens(event, now);
        }
    }

    fn at(&mut self, at: Time, event: Event) {
        self.next += 1;
        self.events.insert((at, self.next), event);
    }

    fn after(&mut self, now: Time, millis: u64, event: Event) {
        self.at(now.after(Duration::from_millis(millis)), event);
    }

    fn happens(&mut self, event: Event, now: Time) {
        match event {
            Event::Request(call) => {
                let nth = call.node % self.nodes.len();
                self.nodes[nth].travel = (call.there, call.back);
                if !self.admit(nth, &call, now) {
                    let node = &mut self.nodes[nth];
                    let at = node.sees(now);
                    // Who comes a moment after a refusal is refused without a call.
                    if node.holding.wait_for(call.amount, at) {
                        node.waiting.push(call);
                        self.ask(nth, now);
                    }
                }
            }
            Event::Ask(nth) => self.ask(nth, now),
            Event::Look(nth) => {
                self.ask(nth, now);
                self.after(now, 50, Event::Look(nth));
            }
            Event::Arrive(sent) => self.arrive(sent, now),
            Event::Answer(sent, grant) => self.answer(&sent, Some(&grant), now),
            Event::GiveUp(sent) => self.answer(&sent, None, now),
            Event::End { born, taken, nth, held, used } => {
                self.model.end(nth, used);
                let Some(node) = self.nodes.iter_mut().find(|node| node.born == born) else {
                    return;
                };
                let at = node.sees(now);
                node.holding.settle(taken, held, used, at);
            }
        }
    }

    fn admit(&mut self, nth: usize, call: &Call, now: Time) -> bool {
        let node = &mut self.nodes[nth];
        let at = node.sees(now);
        let Some(taken) = node.holding.take(call.amount, at) else { return false };
        let born = node.born;
        let nth = self.model.admit(call.amount, now);
        let (held, used) = (call.amount, call.used);
        self.after(now, call.runs, Event::End { born, taken, nth, held, used });
        true
    }

    fn ask(&mut self, nth: usize, now: Time) {
        let is_over = self.is_over;
        let node = &mut self.nodes[nth];
        let at = node.sees(now);
        let plan = if is_over { node.holding.let_go(at) } else { node.holding.plan(&TERMS, at) };
        let Some(ask) = plan else { return };
        node.asked_for = node.waiting.len();
        node.asked += 1;
        node.asking = Some(node.asked);
        let (there, back) = if is_over { (0, 0) } else { node.travel };
        let sent = Sent { born: node.born, number: node.asked, ask, at, back, is_answered: true };
        self.after(now, TIMEOUT, Event::GiveUp(sent.clone()));
        match self.faults.pop().unwrap_or(Fault::None) {
            Fault::None => self.after(now, there, Event::Arrive(sent)),
            Fault::LostThere => {}
            Fault::LostBack => {
                self.after(now, there, Event::Arrive(Sent { is_answered: false, ..sent }));
            }
            Fault::Crash => {
                self.after(now, there, Event::Arrive(sent));
                self.crash(nth);
            }
        }
    }

    /// Whoever ran there has ended, having used all; who waited is refused.
    fn crash(&mut self, nth: usize) {
        let clock = self.nodes[nth].clock;
        self.next += 1;
        let born = self.nodes[nth].born;
        let gone = |event: &Event| match event {
            Event::End { born: of, nth, held, .. } if *of == born => Some((*nth, *held)),
            _ => None,
        };
        let gone: Vec<_> = self.events.values().filter_map(gone).collect();
        gone.into_iter().for_each(|(nth, held)| self.model.end(nth, held));
        self.events.retain(|_, event| !matches!(event, Event::End { born: of, .. } if *of == born));
        self.nodes[nth] = Node::new(self.next, clock);
    }

    fn arrive(&mut self, sent: Sent, now: Time) {
        let nodes = self.nodes.len() as u32;
        let grant = self.account.ask(&self.rule, nodes, &sent.ask, &TERMS, now);
        if sent.is_answered {
            self.after(now, sent.back, Event::Answer(sent, grant));
        }
    }

    fn answer(&mut self, sent: &Sent, grant: Option<&Grant>, now: Time) {
        let is_its = |node: &Node| node.born == sent.born && node.asking == Some(sent.number);
        let Some(nth) = self.nodes.iter().position(is_its) else { return };
        let node = &mut self.nodes[nth];
        node.asking = None;
        let at = node.sees(now);
        match grant {
            Some(grant) => node.holding.granted(&sent.ask, grant, &TERMS, (sent.at, at)),
            None => node.holding.lost(&sent.ask),
        }
        let waited: Vec<_> = node.waiting.drain(..node.asked_for).collect();
        for call in waited {
            if self.admit(nth, &call, now) {
                continue;
            }
            let holding = &mut self.nodes[nth].holding;
            let may_find_more = grant.is_some_and(|grant| holding.may_find_more(&sent.ask, grant));
            if may_find_more && holding.wait_for(call.amount, at) {
                self.nodes[nth].waiting.push(call);
            } else {
                self.model.refuse(call.amount, now);
            }
        }
        if self.nodes[nth].holding.later(at).is_some() {
            self.after(now, 2, Event::Ask(nth));
        } else if !self.nodes[nth].waiting.is_empty() {
            self.ask(nth, now);
        }
    }
}

impl Node {
    fn new(born: u64, clock: i64) -> Self {
        let mut node = Self {
            born,
            clock,
            holding: Holding::new(Time::ZERO),
            waiting: Vec::new(),
            asked_for: 0,
            asking: None,
            asked: 0,
            travel: (0, 0),
        };
        node.holding = Holding::new(node.sees(Time::from_millis(BEGIN)));
        node
    }

    /// What its clock shows: every one has another origin and another pace.
    fn sees(&self, now: Time) -> Time {
        let elapsed = now.since(Time::from_millis(BEGIN)).as_nanos() as i64;
        let shown = elapsed + elapsed / 1_000 * self.clock;
        Time::from_nanos(self.born * 1_000_000_000_000 + shown.unsigned_abs())
    }
}
