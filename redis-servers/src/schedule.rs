//! Faults in an order that a seed determines, so that whatever went wrong goes wrong again.

use std::{fmt, time::Duration};

use rand::{Rng as _, RngExt as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;
use tokio::time::sleep;

use crate::{Error, Mode, Proxy, Server};

/// A fault of the network or of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A proxy does something else for a while.
    Network(Mode),
    /// A proxy breaks all connections.
    Cut,
    /// The server stands still.
    Pause,
    /// The server is killed, and comes back as it was, as far as it is durable.
    Restart,
    /// Everything is deleted.
    Flush,
}

/// One fault of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// How long nothing happens before it.
    pub after: Duration,
    /// What happens.
    pub fault: Fault,
    /// Before which of the proxies; before all if none is named.
    pub proxy: Option<usize>,
    /// How long it lasts.
    pub lasts: Duration,
}

/// Faults, one after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// What determines it.
    pub seed: u64,
    /// What happens.
    pub events: Vec<Event>,
}

/// What schedules are made of.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// What may happen.
    pub faults: &'a [Fault],
    /// How many faults there are.
    pub events: usize,
    /// The longest that one lasts, and that nothing happens.
    pub longest: Duration,
    /// How many proxies there are.
    pub proxies: usize,
}

impl Schedule {
    /// The schedule of a seed.
    pub fn of(seed: u64, plan: &Plan<'_>) -> Self {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let longest = u64::try_from(plan.longest.as_millis()).unwrap_or(u64::MAX).max(10);
        let event = |_| Event {
            after: Duration::from_millis(dice.random_range(1..=longest)),
            fault: plan.faults.choose(&mut dice).copied().unwrap_or(Fault::Cut),
            proxy: (dice.next_u32() % 2 == 0).then(|| dice.random_range(0..plan.proxies.max(1))),
            lasts: Duration::from_millis(dice.random_range(longest / 10..=longest)),
        };
        Self { seed, events: (0..plan.events).map(event).collect() }
    }

    /// Lets it happen. All is well again at the end.
    ///
    /// # Errors
    /// When the server cannot be started again.
    pub async fn play(&self, proxies: &[Proxy], server: &mut Server) -> Result<(), Error> {
        for event in &self.events {
            sleep(event.after).await;
            let hit = proxies.iter().enumerate();
            let hit = hit.filter(|(number, _)| event.proxy.is_none_or(|only| only == *number));
            let hit: Vec<&Proxy> = hit.map(|(_, proxy)| proxy).collect();
            event.happen(&hit, server).await?;
        }
        Ok(())
    }
}

impl Event {
    async fn happen(&self, proxies: &[&Proxy], server: &mut Server) -> Result<(), Error> {
        match self.fault {
            Fault::Network(mode) => {
                proxies.iter().for_each(|proxy| proxy.set(mode));
                sleep(self.lasts).await;
                proxies.iter().for_each(|proxy| proxy.set(Mode::Pass));
            }
            Fault::Cut => proxies.iter().for_each(|proxy| proxy.cut()),
            Fault::Pause => {
                server.pause();
                sleep(self.lasts).await;
                server.resume();
            }
            Fault::Restart => {
                server.kill();
                sleep(self.lasts).await;
                server.restart().await?;
            }
            Fault::Flush => drop(server.command(&["FLUSHALL"]).await?),
        }
        Ok(())
    }

    /// Whether it takes no time.
    fn is_instant(&self) -> bool {
        matches!(self.fault, Fault::Cut | Fault::Flush)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        self.events.iter().try_for_each(|event| writeln!(f, "{event}"))
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {} ms {}", self.after.as_millis(), self.fault)?;
        if let (Some(proxy), Fault::Network(_) | Fault::Cut) = (self.proxy, self.fault) {
            write!(f, " at proxy {proxy}")?;
        }
        if self.is_instant() { Ok(()) } else { write!(f, " for {} ms", self.lasts.as_millis()) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(Mode::Pass) => f.write_str("nothing"),
            Self::Network(Mode::Stall) => f.write_str("stall"),
            Self::Network(Mode::Delay(by)) => write!(f, "delay by {} ms", by.as_millis()),
            Self::Network(Mode::Refuse) => f.write_str("refuse"),
            Self::Network(Mode::Loading) => f.write_str("answer LOADING"),
            Self::Network(Mode::ReadOnly) => f.write_str("answer READONLY"),
            Self::Network(Mode::Moved) => f.write_str("answer MOVED"),
            Self::Network(Mode::NoScript) => f.write_str("answer NOSCRIPT"),
            Self::Network(Mode::Old) => f.write_str("tell an old version"),
            Self::Network(Mode::LoseAnswers) => f.write_str("lose answers"),
            Self::Cut => f.write_str("cut"),
            Self::Pause => f.write_str("pause the server"),
            Self::Restart => f.write_str("restart the server"),
            Self::Flush => f.write_str("flush"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAULTS: [Fault; 4] = [
        Fault::Network(Mode::Stall),
        Fault::Network(Mode::Delay(Duration::from_millis(50))),
        Fault::Cut,
        Fault::Restart,
    ];

    fn schedule(seed: u64) -> Schedule {
        let longest = Duration::from_millis(500);
        Schedule::of(seed, &Plan { faults: &FAULTS, events: 6, longest, proxies: 3 })
    }

    #[test]
    fn a_seed_determines_its_schedule_and_its_text_tells_all_of_it() {
        assert_eq!(schedule(7), schedule(7));
        assert_ne!(schedule(7), schedule(8));
        let text = schedule(7).to_string();
        assert_eq!(text.lines().count(), 7);
        assert!(text.starts_with("seed 7\nafter "), "{text}");
    }
}
