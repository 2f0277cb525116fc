//! The one place that reads clocks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tollgate_core::{Now, Time};

/// A source of the present: the machine's clocks, or a time that a test sets.
///
/// Cheap to clone; clones tell the same time.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System(Arc<System>),
    Set(Arc<SetTime>),
    Runtime(Runtime),
}

#[derive(Debug, Clone, Copy)]
struct Runtime {
    began: tokio::time::Instant,
    origin: Time,
}

#[derive(Debug)]
struct System {
    ticks: quanta::Clock,
    began: quanta::Instant,
    /// The engine's time when the clock was made.
    origin: u64,
    /// How far the wall clock is from the engine's time, and when that was last measured.
    wall_offset: AtomicU64,
    measured: AtomicU64,
}

#[derive(Debug)]
struct SetTime {
    time: AtomicU64,
    wall_offset: AtomicU64,
}

/// How old the measured distance to the wall clock may be.
const WALL_MAX_AGE: u64 = 10_000_000;

impl Clock {
    /// The machine's clocks.
    pub fn system() -> Self {
        Self::no_earlier_than(Time::ZERO)
    }

    /// The machine's clocks, but never before `floor`: what a ledger has seen has passed,
    /// even if somebody set the wall clock back while the process was down.
    pub fn no_earlier_than(floor: Time) -> Self {
        let ticks = quanta::Clock::new();
        let wall = wall_nanos();
        let origin = wall.max(floor.as_nanos());
        Self(Source::System(Arc::new(System {
            began: ticks.now(),
            ticks,
            origin,
            wall_offset: AtomicU64::new(wall.wrapping_sub(origin)),
            measured: AtomicU64::new(origin),
        })))
    }

    /// A clock that stands at `time` until it is moved.
    pub fn set_at(time: Time) -> Self {
        let set = SetTime { time: AtomicU64::new(time.as_nanos()), wall_offset: AtomicU64::new(0) };
        Self(Source::Set(Arc::new(set)))
    }

    /// The time of tokio's runtime, from `time` on; it stands still where that is paused. So
    /// timers and decisions agree in tests.
    pub fn of_runtime(time: Time) -> Self {
        Self(Source::Runtime(Runtime { began: runtime_now(), origin: time }))
    }

    /// The present.
    pub fn now(&self) -> Now {
        match &self.0 {
            Source::System(system) => system.now(),
            Source::Runtime(Runtime { began, origin }) => {
                Now::at(origin.after(runtime_now() - *began))
            }
            Source::Set(set) => {
                let time = set.time.load(Ordering::SeqCst);
                let wall = time.wrapping_add(set.wall_offset.load(Ordering::SeqCst));
                Now { time: Time::from_nanos(time), wall: Time::from_nanos(wall) }
            }
        }
    }

    /// Moves a set clock forward, its wall clock with it. A system clock moves by itself.
    pub fn advance(&self, by: Duration) {
        if let Source::Set(set) = &self.0 {
            let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
            set.time.fetch_add(by, Ordering::SeqCst);
        }
    }

    /// Sets the wall clock of a set clock, as an operator might; its time goes on.
    pub fn set_wall(&self, wall: Time) {
        if let Source::Set(set) = &self.0 {
            let offset = wall.as_nanos().wrapping_sub(set.time.load(Ordering::SeqCst));
            set.wall_offset.store(offset, Ordering::SeqCst);
        }
    }
}

impl System {
    fn now(&self) -> Now {
        let elapsed = self.ticks.now().duration_since(self.began).as_nanos() as u64;
        let time = self.origin.saturating_add(elapsed);
        // Reading the wall clock costs more than a decision may; nobody sees 10 ms of it.
        if time.wrapping_sub(self.measured.load(Ordering::Relaxed)) > WALL_MAX_AGE {
            self.wall_offset.store(wall_nanos().wrapping_sub(time), Ordering::Relaxed);
            self.measured.store(time, Ordering::Relaxed);
        }
        let wall = time.wrapping_add(self.wall_offset.load(Ordering::Relaxed));
        Now { time: Time::from_nanos(time), wall: Time::from_nanos(wall) }
    }
}

#[allow(clippy::disallowed_methods, reason = "this module is where clocks are read")]
fn runtime_now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

#[allow(clippy::disallowed_methods, reason = "this module is where clocks are read")]
fn wall_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_in_the_future_moves_time_but_not_the_wall() {
        let wall = Clock::system().now().wall;
        let floor = wall.after(Duration::from_secs(3600));
        let now = Clock::no_earlier_than(floor).now();
        assert!(now.time >= floor);
        assert!(now.wall < floor, "the wall clock is not bent");
    }

    #[test]
    fn setting_the_wall_leaves_time_alone() {
        let clock = Clock::set_at(Time::from_nanos(1_000));
        clock.set_wall(Time::from_nanos(10));
        clock.advance(Duration::from_nanos(5));
        let now = clock.now();
        assert_eq!((now.time.as_nanos(), now.wall.as_nanos()), (1_005, 15));
    }
}
