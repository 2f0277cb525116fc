//! A provider that makes each token more slowly when it has more than so many requests at
//! once, in virtual time: how many a load is held to that always has one more.

use std::time::Duration;

use super::{FAILED, World};
use crate::guards::{End, Pass, Served};

/// Requests at once at the full pace of a token each step.
const BEARS: usize = 8;
const STEP: Duration = Duration::from_millis(10);
const TOKENS: u64 = 32;
const STEPS: u64 = 120 * 100;

struct Running {
    pass: Pass,
    made: f64,
}

/// What a load of as many as may be is held to; every `fails`-th fails at once.
fn play(world: &World, fails: u64) -> Vec<usize> {
    let mut running: Vec<Running> = Vec::new();
    let (mut asked, mut held) = (0, Vec::new());
    for _ in 0..STEPS {
        // As many as a crowd may ask for in so short a time.
        for _ in 0..100 {
            let Ok(pass) = world.ask("m") else { break };
            asked += 1;
            if asked % fails == 0 {
                pass.ended(FAILED, world.now());
            } else {
                running.push(Running { pass, made: 0.0 });
            }
        }
        held.push(running.len());
        world.clock.advance(STEP);
        let pace = (BEARS as f64 / running.len() as f64).min(1.0);
        for one in &mut running {
            one.made += pace;
            if one.made >= 1.0 {
                one.pass.begun(world.now());
            }
        }
        let served = End::Served(Served { tokens: TOKENS, streamed: true });
        for one in running.extract_if(.., |one| one.made >= TOKENS as f64) {
            one.pass.ended(served, world.now());
        }
    }
    held
}

#[test]
fn what_grows_slow_beyond_a_number_is_held_near_it_whatever_fails_at_once() {
    for signal in ["per_token", "first_token"] {
        let world = World::new(&format!(
            "breaker = {{ mode = \"closed\" }}\nlearn = {{ concurrency = {{ signal = \"{signal}\", initial = 2 }} }}"
        ));
        for fails in [u64::MAX, 2] {
            let held = play(&world, fails);
            let later = &held[held.len() / 2..];
            let mean = later.iter().sum::<usize>() as f64 / later.len() as f64;
            println!("{signal}, one of {fails} fails: {mean:.1} at once");
            // Where the pace is half as much again and a few wait: twice as many, at so few.
            assert!((BEARS as f64..2.2 * BEARS as f64).contains(&mean), "{signal}: {mean}");
        }
    }
}
