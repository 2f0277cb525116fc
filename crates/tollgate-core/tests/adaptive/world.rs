//! A provider that shares its speed among those that are too many, and is as uneven as real
//! ones are: how many it is sent by a load that always has one more, and what that costs.

use std::time::Duration;

use tollgate_core::{
    Time,
    adaptive::{Concurrency, ConcurrencySettings, Pace, Signal},
};

const STEP: Duration = Duration::from_millis(10);
/// Tokens of an answer, at one in each step.
const TOKENS: f64 = 32.0;

/// What is as it is in one story.
#[derive(Debug, Clone, Copy)]
struct World {
    /// Requests at once at the full pace.
    bears: f64,
    /// How uneven it is: so many e-folds are usual.
    uneven: f64,
    /// Whether it is half as quick for five seconds of each thirty, whatever it is sent.
    gusts: bool,
}

/// One of its requests.
struct Running {
    sent: Time,
    in_flight: u32,
    /// What it takes in all and to its first token, in steps at the full pace.
    takes: f64,
    first: f64,
    made: f64,
    first_at: Option<Time>,
}

/// How it went.
#[derive(Debug)]
struct Went {
    /// Of half of the time no more.
    median: usize,
    /// Of what the provider could have made.
    used: f64,
}

/// Numbers that look random, the same in each run.
struct Dice(u64);

impl Dice {
    fn even(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal: the sum of twelve.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.even()).sum::<f64>() - 6.0
    }
}

impl World {
    fn begun(&self, dice: &mut Dice, sent: Time, in_flight: u32) -> Running {
        let slower = (self.uneven * dice.normal()).exp();
        let first = (self.uneven * dice.normal()).exp() * 10.0;
        Running {
            sent,
            in_flight,
            takes: TOKENS * slower + first,
            first,
            made: 0.0,
            first_at: None,
        }
    }

    /// What becomes of a load that always has one more.
    fn play(&self, limit: &mut Concurrency, from_second: u64, seconds: u64) -> Went {
        let mut dice = Dice(7);
        let (mut running, mut held) = (Vec::<Running>::new(), Vec::new());
        let (mut made, mut could) = (0.0, 0.0);
        for step in from_second * 100..(from_second + seconds) * 100 {
            let sent = Time::from_millis(step * 10);
            while running.len() < limit.limit() as usize {
                let in_flight = running.len() as u32 + 1;
                running.push(self.begun(&mut dice, sent, in_flight));
            }
            held.push(running.len());
            let now = sent.after(STEP);
            let pace = if self.gusts && step / 100 % 30 < 5 { 0.5 } else { 1.0 };
            let share = pace * (self.bears / running.len() as f64).min(1.0);
            could += pace * self.bears;
            for one in &mut running {
                one.made += share;
                made += share;
                if one.made >= one.first {
                    one.first_at.get_or_insert(now);
                }
            }
            for one in running.extract_if(.., |one| one.made >= one.takes) {
                let first = one.first_at.expect("it has begun");
                let took = now.since(first);
                limit.succeeded(Pace::FirstToken(first.since(one.sent)), one.in_flight, now);
                limit.succeeded(Pace::Tokens { took, tokens: 32 }, one.in_flight, now);
            }
        }
        let late = &mut held[(seconds * 50) as usize..];
        late.sort_unstable();
        Went { median: late[late.len() / 2], used: made / could }
    }
}

/// Both signals with all of these.
fn all_of(bears: &[f64], uneven: &[f64]) -> Vec<(Signal, f64, f64)> {
    let with = |signal| {
        bears
            .iter()
            .flat_map(move |bears| uneven.iter().map(move |uneven| (signal, *bears, *uneven)))
    };
    SIGNALS.into_iter().flat_map(with).collect()
}

fn few(signal: Signal) -> Concurrency {
    Concurrency::new(ConcurrencySettings { signal, initial: 4, ..ConcurrencySettings::default() })
}

const SIGNALS: [Signal; 2] = [Signal::PerToken, Signal::FirstToken];

#[test]
fn it_is_held_near_what_a_provider_bears_however_uneven_that_is() {
    for (signal, bears, uneven) in all_of(&[2.0, 8.0, 40.0], &[0.0, 0.1, 0.3, 0.6]) {
        let (mut limit, world) = (few(signal), World { bears, uneven, gusts: false });
        let learning = world.play(&mut limit, 0, 300);
        let went = world.play(&mut limit, 300, 600);
        let told = format!("{signal:?}, {world:?}: {learning:?}, then {went:?}");
        let most = if uneven < 0.5 { bears + 2.0 } else { bears + 3.0 };
        let most = most.max(bears * 1.25);
        assert!((bears..=most).contains(&(went.median as f64)), "{told}");
        assert!(went.used >= 0.97 && learning.used >= 0.75, "{told}");
    }
}

#[test]
fn it_does_not_collapse_where_some_answers_take_ten_times_as_long_as_others() {
    for signal in SIGNALS {
        let (mut limit, world) = (few(signal), World { bears: 8.0, uneven: 1.0, gusts: false });
        world.play(&mut limit, 0, 300);
        let went = world.play(&mut limit, 300, 600);
        assert!((8..=16).contains(&went.median) && went.used >= 0.97, "{signal:?}: {went:?}");
    }
}

#[test]
fn a_provider_that_is_slow_now_and_then_is_neither_left_nor_flooded() {
    for signal in SIGNALS {
        let (mut limit, world) = (few(signal), World { bears: 8.0, uneven: 0.3, gusts: true });
        world.play(&mut limit, 0, 300);
        let went = world.play(&mut limit, 300, 600);
        assert!((8..=16).contains(&went.median) && went.used >= 0.92, "{signal:?}: {went:?}");
    }
}
