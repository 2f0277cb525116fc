//! A caller that always has something to send, a network that takes its time, and a provider.

use std::{collections::BTreeMap, time::Duration};

use proptest::{collection::vec, prelude::*};
use tollgate_core::{
    Demand, Time, Unit,
    quota::{Announced, Quota, QuotaSettings, Refill, SavedQuota, Sent},
};

use crate::provider::{Kind, Provider};

/// One request: its tokens, how long the caller thinks before it, and how long the network
/// takes to the provider and back, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Call {
    tokens: u64,
    think: u64,
    there: u64,
    back: u64,
}

enum Event {
    Try,
    Arrive(Sent, Call, Time),
    Answer(Sent, Announced, Time),
}

struct World {
    quota: Quota,
    /// Whether it asks the quota at all.
    learns: bool,
    provider: Provider,
    events: BTreeMap<(Time, u64), Event>,
    next: u64,
    /// The first event of this process; answers to earlier ones are lost.
    born: u64,
    knows_since: Option<Time>,
    refused_since: Option<Time>,
    /// Refusals of what was sent after something was known, and of all.
    avoidable: u64,
    refused: u64,
    sent: u64,
}

impl World {
    fn new(provider: Provider, settings: QuotaSettings, learns: bool) -> Self {
        let mut world = Self {
            quota: Quota::new(settings),
            learns,
            provider,
            events: BTreeMap::new(),
            next: 0,
            born: 0,
            knows_since: None,
            refused_since: None,
            avoidable: 0,
            refused: 0,
            sent: 0,
        };
        world.at(Time::ZERO, Event::Try);
        world
    }

    fn at(&mut self, at: Time, event: Event) {
        self.events.insert((at, self.next), event);
        self.next += 1;
    }

    fn run(&mut self, calls: &mut dyn Iterator<Item = Call>, until: Time) {
        let mut waiting = calls.next();
        while let Some(((now, nth), event)) = self.events.pop_first() {
            if now > until {
                self.events.insert((now, nth), event);
                return;
            }
            let is_lost = nth < self.born;
            match event {
                Event::Try => {
                    let Some(call) = waiting else { continue };
                    match self.send(call, now) {
                        Ok(()) => {
                            waiting = calls.next();
                            let think = waiting.map_or(0, |call| call.think);
                            self.at(now.after(ms(think)), Event::Try);
                        }
                        Err(when) => {
                            assert!(when > now, "it says when, and that is later");
                            self.at(when, Event::Try);
                        }
                    }
                }
                Event::Arrive(sent, call, began) => {
                    let announced = self.provider.arrive(call.tokens, now);
                    if is_lost {
                        continue;
                    }
                    self.at(now.after(ms(call.back)), Event::Answer(sent, announced, began));
                }
                Event::Answer(..) if is_lost => {}
                Event::Answer(sent, announced, began) => {
                    if announced.throttled {
                        self.refused += 1;
                        let known = |since: Option<Time>| since.is_some_and(|since| since < began);
                        self.avoidable +=
                            u64::from(known(self.knows_since) || known(self.refused_since));
                        self.refused_since.get_or_insert(now);
                    }
                    self.knows_since.get_or_insert(now);
                    self.quota.answered(sent, &announced, now);
                }
            }
        }
    }

    /// Another process goes on with what this one had saved, after so long.
    fn restart(
        &mut self,
        saved: Option<SavedQuota>,
        settings: QuotaSettings,
        (at, away): (Time, Duration),
    ) {
        let now = at.after(away);
        self.quota = match saved {
            Some(saved) => Quota::resume(settings, &saved, away, now),
            None => Quota::new(settings),
        };
        (self.born, self.refused_since) = (self.next, None);
        // Whoever does not tell anything for long is sent more of what nothing is known of.
        let units = [Unit::Requests, Unit::Tokens];
        let is_known = units.iter().all(|unit| self.quota.room(*unit, now).is_some());
        self.knows_since = is_known.then_some(now.before(ms(1)));
        self.at(now, Event::Try);
    }

    fn send(&mut self, call: Call, now: Time) -> Result<(), Time> {
        let demand = Demand { input_tokens: call.tokens, ..Demand::ONE_REQUEST };
        let mut blind = Quota::new(QuotaSettings::default());
        let quota = if self.learns { &mut self.quota } else { &mut blind };
        let sent = quota.send(&demand, now)?;
        self.sent += 1;
        self.at(now.after(ms(call.there)), Event::Arrive(sent, call, now));
        Ok(())
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let think = prop_oneof![4 => 0..50_u64, 2 => 0..2_000_u64, 1 => 0..100_000_u64];
    let call = (0..1_000_u64, think, 0..500_u64, prop_oneof![0..500_u64, 0..20_000_u64])
        .prop_map(|(tokens, think, there, back)| Call { tokens, think, there, back });
    vec(call, 0..300)
}

proptest! {
    /// What is sent after anything was known is never refused, however answers come.
    #[test]
    fn nothing_is_sent_that_would_be_refused(
        calls in calls(),
        window_ms in 1_000..90_000_u64,
        limits in (1..40_u64, 1_000..20_000_u64),
        windows in any::<bool>(),
        settings in prop_oneof![
            Just(Refill::AtReset), Just(Refill::Learned), Just(Refill::Evenly)
        ],
    ) {
        let kind = if windows { Kind::Windows } else { Kind::Buckets };
        let is_wrong = windows && settings == Refill::Evenly;
        let refill = if is_wrong { Refill::AtReset } else { settings };
        let provider = Provider::new(kind, ms(window_ms), limits.into());
        let settings = QuotaSettings { refill, ..QuotaSettings::default() };
        let mut world = World::new(provider, settings, true);
        world.run(&mut calls.iter().copied(), Time::MAX);
        prop_assert_eq!(world.avoidable, 0, "{} of {} were refused", world.refused, world.sent);
        prop_assert_eq!(world.sent, calls.len() as u64, "all were sent in the end");
    }
}

proptest! {
    /// Neither is what another process sends that goes on where this one ended.
    #[test]
    fn nothing_is_sent_after_a_restart_that_would_be_refused(
        (calls, later) in (calls(), calls()),
        (ends_ms, away_ms) in (0..200_000_u64, 0..100_000_u64),
        window_ms in 1_000..90_000_u64,
        limits in (1..40_u64, 1_000..20_000_u64),
        (windows, refill) in (any::<bool>(), prop_oneof![
            Just(Refill::AtReset), Just(Refill::Learned), Just(Refill::Evenly)
        ]),
    ) {
        let kind = if windows { Kind::Windows } else { Kind::Buckets };
        let is_wrong = windows && refill == Refill::Evenly;
        let refill = if is_wrong { Refill::AtReset } else { refill };
        let provider = Provider::new(kind, ms(window_ms), limits.into());
        let settings = QuotaSettings { refill, ..QuotaSettings::default() };
        let mut world = World::new(provider, settings.clone(), true);
        let (ends, away) = (Time::from_millis(ends_ms), ms(away_ms));
        world.run(&mut calls.iter().copied(), ends);
        let saved = world.quota.saved(ends);
        let told = serde_json::to_string(&saved).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<Option<SavedQuota>>(&told).expect(&told), saved);
        // Who waited is told by nobody any more, so only what is under way goes on.
        world.events.retain(|_, event| !matches!(event, Event::Try));
        let before = world.avoidable;
        world.restart(saved, settings, (ends, away));
        world.run(&mut later.iter().copied(), Time::MAX);
        prop_assert_eq!((before, world.avoidable), (0, 0));
    }
}

/// As many requests as a provider takes in ten minutes, with learning and without.
fn ten_minutes(kind: Kind, refill: Refill, limit: u64, learns: bool) -> (f64, World) {
    let provider = Provider::new(kind, ms(60_000), [limit, u64::from(u32::MAX)]);
    let settings = QuotaSettings { refill, ..QuotaSettings::default() };
    let mut world = World::new(provider, settings, learns);
    // It asks for a tenth more than there is, and answers take up to two seconds.
    let think = 60_000 * 10 / (limit * 11);
    let mut calls = (0..u64::MAX).map(|number| Call {
        tokens: 100,
        think,
        there: number * 37 % 60,
        back: number * 7_919 % 2_000,
    });
    world.run(&mut calls, Time::from_millis(600_000));
    // A bucket is full at the start.
    let full = if kind == Kind::Buckets { 11 } else { 10 };
    (world.provider.admitted as f64 / (limit * full) as f64, world)
}

#[test]
fn a_provider_is_used_to_its_capacity_and_refuses_nothing() {
    for (kind, refill, least) in [
        (Kind::Windows, Refill::AtReset, 0.95),
        // Whoever waits for a bucket's reset finds it full at last, and has waited too long.
        (Kind::Buckets, Refill::AtReset, 0.9),
        (Kind::Buckets, Refill::Evenly, 0.95),
        (Kind::Windows, Refill::Learned, 0.95),
        (Kind::Buckets, Refill::Learned, 0.95),
    ] {
        for limit in [60, 600] {
            let (used, world) = ten_minutes(kind, refill, limit, true);
            let (_, off) = ten_minutes(kind, refill, limit, false);
            println!(
                "{kind:?} {refill:?} {limit}/min: {:.1} % used, {} of {} refused; learning off: \
                 {} of {}",
                used * 100.0,
                world.refused,
                world.sent,
                off.refused,
                off.sent
            );
            assert!(used >= least, "{kind:?} {refill:?} {limit}: {used}");
            assert_eq!(world.refused, 0);
            assert!(off.refused > 0, "it would refuse");
        }
    }
}
