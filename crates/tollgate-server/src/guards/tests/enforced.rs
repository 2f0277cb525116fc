//! A provider that enforces its limits and announces them, in virtual time: how many of its
//! refusals a load meets that asks for more than there is.

use std::{collections::VecDeque, time::Duration};

use tollgate_core::Time;
use tollgate_meter::signals::Signals;

use super::{SERVED, World};
use crate::guards::{End, Pass, announced};

/// Requests in each of its minutes.
const LIMIT: u64 = 600;
const MINUTE_MS: u64 = 60_000;
const LATENCY_MS: u64 = 400;
const STEP_MS: u64 = 10;
const MINUTES: u64 = 30;

/// What came of a load.
#[derive(Debug, Default)]
struct Seen {
    served: u64,
    refused: u64,
}

/// Windows of a minute; each request counts when it arrives, a tenth of its time after it was
/// sent.
#[derive(Default)]
struct Provider {
    window: u64,
    used: u64,
}

impl Provider {
    /// Its answer to a request that arrives now: status and headers.
    fn answer(&mut self, now_ms: u64) -> (u16, Vec<(&'static str, String)>) {
        if now_ms / MINUTE_MS != self.window {
            (self.window, self.used) = (now_ms / MINUTE_MS, 0);
        }
        let is_full = self.used >= LIMIT;
        self.used += u64::from(!is_full);
        let reset_ms = (self.window + 1) * MINUTE_MS - now_ms;
        let mut headers = vec![
            ("x-ratelimit-limit-requests", LIMIT.to_string()),
            ("x-ratelimit-remaining-requests", (LIMIT - self.used).to_string()),
            ("x-ratelimit-reset-requests", format!("{reset_ms}ms")),
        ];
        if is_full {
            headers.push(("retry-after", reset_ms.div_ceil(1_000).to_string()));
        }
        (if is_full { 429 } else { 200 }, headers)
    }
}

/// A load of twice as much as there is, each of whose requests waits until it may be sent.
fn play(says: &str) -> Seen {
    let world = World::new(says);
    let mut provider = Provider::default();
    let mut on_their_way: VecDeque<(u64, Option<Announcement>, Pass)> = VecDeque::new();
    let mut waiting = 0_u64;
    let mut seen = Seen::default();
    let began = world.now();
    for step in 0..MINUTES * MINUTE_MS / STEP_MS {
        let ms = step * STEP_MS;
        let now = began.after(Duration::from_millis(ms));
        for (sent, answer, pass) in &mut on_their_way {
            if answer.is_none() && ms >= *sent + LATENCY_MS / 10 {
                *answer = Some(provider.answer(ms));
            }
            let _ = pass;
        }
        while on_their_way.front().is_some_and(|(sent, ..)| ms >= sent + LATENCY_MS) {
            let (_, answer, pass) = on_their_way.pop_front().expect("it is there");
            seen.take(pass, answer.expect("it arrived"), now);
        }
        // Twenty a second, where ten are to be had; no more than a minute's wait.
        waiting = (waiting + u64::from(step % 5 == 0)).min(LIMIT * 2);
        while waiting > 0 {
            world.clock.advance(now.since(world.now()));
            let Ok(pass) = world.ask("m") else { break };
            waiting -= 1;
            on_their_way.push_back((ms, None, pass));
        }
    }
    seen
}

type Announcement = (u16, Vec<(&'static str, String)>);

impl Seen {
    fn take(&mut self, mut pass: Pass, (status, headers): Announcement, now: Time) {
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        pass.headed(&announced(&Signals::read(status, headers, b"", now), now), now);
        if status == 200 {
            self.served += 1;
            pass.ended(SERVED, now);
        } else {
            self.refused += 1;
            pass.ended(End::Throttled { retry_after: None }, now);
        }
    }

    fn refused_share(&self) -> f64 {
        self.refused as f64 / (self.served + self.refused) as f64
    }

    fn used_share(&self) -> f64 {
        self.served as f64 / (LIMIT * MINUTES) as f64
    }
}

#[test]
fn nearly_all_that_is_announced_is_used_and_nearly_nothing_refused() {
    let (on, off) = (play(""), play("[providers.up.learn]\nannounced = false"));
    assert!(on.used_share() >= 0.95, "{on:?}: {}", on.used_share());
    assert!(on.refused_share() < 0.001, "{on:?}: {}", on.refused_share());
    assert!(off.refused_share() > 0.3, "{off:?}: {}", off.refused_share());
    println!(
        "learning on: {:.2} % used, {:.3} % refused; off: {:.2} % used, {:.1} % refused",
        100.0 * on.used_share(),
        100.0 * on.refused_share(),
        100.0 * off.used_share(),
        100.0 * off.refused_share(),
    );
}
