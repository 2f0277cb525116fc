//! What happens when: requests, looks, calls and their answers, ends.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    time::Duration,
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp, Zipf};
use tollgate_core::{
    Time,
    lease::{Grant, Terms},
};

use super::{
    Leases,
    accounts::{ACCOUNTS, Shared, TIGHT, rules},
    node::{ASKED, Call, Node},
};

/// Tags of keys, which a cluster's servers share out among themselves.
pub(super) const TAGS: usize = 256;

/// What was seen while it counted.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) decisions: u64,
    pub(super) refused: u64,
    /// What would have been refused if all was decided exactly.
    pub(super) exactly_refused: u64,
    pub(super) admitted_beyond: u64,
    pub(super) waited: u64,
    pub(super) lease_calls: u64,
    pub(super) hot_users: u64,
    /// Sum of unused parts of the tight limit, and how often it was looked.
    pub(super) unused: (f64, u64),
    /// Decisions by the user's tag.
    pub(super) tags: Vec<u64>,
}

enum Event {
    Request(u32),
    Look(u32),
    Arrive(u32, Box<Call>),
    Answer(u32, Box<(Call, [Option<Grant>; ACCOUNTS])>),
    Sample,
}

pub(super) struct World<'a> {
    settings: &'a Leases,
    terms: Terms,
    nodes: Vec<Node>,
    accounts: [Shared; ACCOUNTS],
    rng: ChaCha8Rng,
    due: BinaryHeap<Reverse<(Time, u64)>>,
    events: BTreeMap<u64, Event>,
    next: u64,
    seen: Seen,
}

const BEGIN: Time = Time::from_millis(1_795_262_400_000);
const WARM_UP: Duration = Duration::from_secs(3);
const SAMPLES: Duration = Duration::from_millis(50);

impl<'a> World<'a> {
    pub(super) fn play(settings: &'a Leases, nodes: u32) -> Seen {
        let rules = rules(u64::from(nodes) * u64::from(settings.rate), u64::from(settings.tight));
        let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
        let mut world = Self {
            settings,
            terms: Terms::default(),
            nodes: (0..nodes).map(|_| Node::new(rng.random_range(-1..=1))).collect(),
            accounts: rules.map(Shared::new),
            rng,
            due: BinaryHeap::new(),
            events: BTreeMap::new(),
            next: 0,
            seen: Seen { tags: vec![0; TAGS], ..Seen::default() },
        };
        for node in 0..nodes {
            let first = world.terms.every.mul_f64(world.rng.random());
            world.after(BEGIN, first, Event::Look(node));
            world.request_follows(node, BEGIN);
        }
        world.after(BEGIN, WARM_UP, Event::Sample);
        let end = BEGIN.after(WARM_UP).after(settings.length());
        while let Some(Reverse((now, nth))) = world.due.pop()
            && now < end
        {
            if let Some(event) = world.events.remove(&nth) {
                world.happens(event, now);
            }
        }
        world.seen
    }

    fn after(&mut self, now: Time, wait: Duration, event: Event) {
        self.next += 1;
        self.due.push(Reverse((now.after(wait), self.next)));
        self.events.insert(self.next, event);
    }

    fn request_follows(&mut self, node: u32, now: Time) {
        let wait = self.chance(1.0 / f64::from(self.settings.rate));
        self.after(now, wait, Event::Request(node));
    }

    /// A length of time of so many seconds on average.
    fn chance(&mut self, mean: f64) -> Duration {
        // The mean is a positive number, so there is such a distribution.
        let seconds = Exp::new(1.0 / mean).map_or(mean, |law| law.sample(&mut self.rng));
        Duration::from_secs_f64(seconds)
    }

    /// One way of a call: half a round trip, give or take half of that.
    fn way(&mut self) -> Duration {
        let half = Duration::from_micros(self.settings.round_trip) / 2;
        half.mul_f64(self.rng.random_range(0.5..1.5))
    }

    fn counts(&self, now: Time) -> bool {
        now >= BEGIN.after(WARM_UP)
    }

    fn happens(&mut self, event: Event, now: Time) {
        match event {
            Event::Request(node) => {
                self.request_follows(node, now);
                self.request(node, now);
            }
            Event::Look(node) => {
                let call = self.nodes[node as usize].call(&self.terms, now);
                self.send(node, call, now);
                self.after(now, self.terms.every, Event::Look(node));
            }
            Event::Arrive(node, call) => {
                let by = self.nodes.len() as u32;
                let mut grants = [None; ACCOUNTS];
                for ((grant, ask), account) in
                    grants.iter_mut().zip(&call.asks).zip(&mut self.accounts)
                {
                    *grant = ask.as_ref().map(|ask| account.ask(by, ask, &self.terms, now));
                }
                let way = self.way();
                self.after(now, way, Event::Answer(node, Box::new((*call, grants))));
            }
            Event::Answer(node, answer) => self.answer(node, &answer.0, &answer.1, now),
            Event::Sample => {
                let cap = self.accounts[TIGHT].rule.cap;
                let free: u64 = self.nodes.iter().map(|node| node.free(TIGHT, now)).sum();
                self.seen.unused.0 += free as f64 / cap as f64;
                self.seen.unused.1 += 1;
                self.after(now, SAMPLES, Event::Sample);
            }
        }
    }

    fn request(&mut self, node: u32, now: Time) {
        // Numbers of users and exponents that make no law ask as one user.
        let law = Zipf::new(self.settings.users as f64, self.settings.zipf);
        let user = law.map_or(0, |law| law.sample(&mut self.rng) as u64);
        let mixed = user.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let is_hot = self.nodes[node as usize].is_hot(mixed, now);
        if self.counts(now) {
            self.seen.decisions += 1;
            self.seen.tags[mixed as usize % TAGS] += 1;
            self.seen.hot_users += u64::from(is_hot);
        }
        self.decide_exactly(now);
        if self.nodes[node as usize].take(now) {
            self.admit(now);
        } else if self.nodes[node as usize].waits() {
            self.seen.waited += u64::from(self.counts(now));
            let call = self.nodes[node as usize].wait(&self.terms, now);
            self.send(node, call, now);
        } else {
            self.seen.refused += u64::from(self.counts(now));
        }
    }

    /// What becomes of it beside, without leases and without any delay.
    fn decide_exactly(&mut self, now: Time) {
        if !self.accounts.iter().all(|it| it.exact.has_room(&it.rule, ASKED, now)) {
            self.seen.exactly_refused += u64::from(self.counts(now));
            return;
        }
        self.accounts.iter_mut().for_each(|it| it.exact.take(&it.rule, ASKED, now));
    }

    fn admit(&mut self, now: Time) {
        let had_room = self.accounts.iter().all(|it| it.truth.has_room(&it.rule, ASKED, now));
        self.seen.admitted_beyond += u64::from(!had_room);
        self.accounts.iter_mut().for_each(|it| it.truth.take(&it.rule, ASKED, now));
    }

    fn send(&mut self, node: u32, call: Option<Call>, now: Time) {
        if let Some(call) = call {
            self.seen.lease_calls += u64::from(self.counts(now));
            let way = self.way();
            self.after(now, way, Event::Arrive(node, Box::new(call)));
        }
    }

    fn answer(&mut self, node: u32, call: &Call, grants: &[Option<Grant>; ACCOUNTS], now: Time) {
        let answered = self.nodes[node as usize].answer(call, grants, &self.terms, now);
        for _ in 0..answered.admitted {
            self.admit(now);
        }
        if self.counts(now) {
            self.seen.refused += answered.refused;
        }
        self.send(node, answered.call, now);
    }
}
