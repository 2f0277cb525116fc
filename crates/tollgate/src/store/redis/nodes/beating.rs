//! The heartbeat of this node.

use std::sync::Arc;

use redis::Value;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tollgate_core::Time;

use super::{
    Arg, BEAT, Facts, Members, Pace, TAG,
    entry::{Entry, process_text},
    key,
};
use crate::{Clock, store::redis::Link};

/// What beats.
#[derive(Debug)]
pub(super) struct Heart {
    link: Link,
    key: String,
    name: String,
    process: u64,
    clock: Clock,
    pace: Pace,
    /// The last beat that was sent, and the last that was acknowledged.
    sent: u64,
    acknowledged: u64,
    /// What stood there before the first beat, of a former process.
    former: Option<(u64, u64)>,
}

/// What a beat found where the last one should stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// What this node wrote.
    Own,
    /// Less: the server has lost it.
    Lost,
    /// What another living process wrote under the same name.
    Doubled,
}

impl Heart {
    pub(super) fn new(link: Link, name: String, process: u64, clock: Clock, pace: Pace) -> Self {
        let key = key(&link);
        Self { link, key, name, process, clock, pace, sent: 0, acknowledged: 0, former: None }
    }

    /// Beats for as long as it is not dropped.
    pub(super) async fn beat(
        mut self,
        mut facts: watch::Receiver<Facts>,
        members: watch::Sender<Arc<Members>>,
        losses: watch::Sender<u64>,
    ) {
        let mut ticks = interval(self.pace.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = Members::default();
        let mut is_told = true;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                changed = facts.changed(), if is_told => is_told = changed.is_ok(),
            }
            let told = serde_json::to_string(&*facts.borrow_and_update()).unwrap_or_default();
            // While Redis is away nothing new is known, and what was known stays.
            let Some((seen, found)) = self.once(&told, &last).await else { continue };
            if found == Found::Doubled && !last.is_doubled {
                tracing::error!(
                    node = %self.name,
                    "another process has the name of this node: give each a name of its own by [store] node",
                );
            }
            last = seen;
            members.send_replace(Arc::new(last.clone()));
            if found == Found::Lost {
                tracing::warn!(node = %self.name, "Redis has lost what this node wrote");
                losses.send_modify(|losses| *losses += 1);
            }
        }
    }

    /// One beat, and what it shows; nothing while Redis is away.
    async fn once(&mut self, facts: &str, last: &Members) -> Option<(Members, Found)> {
        self.sent += 1;
        let process = process_text(self.process);
        let forgotten = i64::try_from(self.pace.forgotten.as_micros()).unwrap_or(i64::MAX);
        let args = [
            Arg::from(self.name.as_str()),
            Arg::Int(i64::try_from(self.sent).unwrap_or(i64::MAX)),
            Arg::from(process.as_str()),
            Arg::from(facts),
            Arg::Int(forgotten),
        ];
        let begun = self.clock.now().time;
        let answer = self.link.run(&BEAT, TAG, &[&self.key], &args).await.ok()?;
        let ended = self.clock.now();
        let round_trip = ended.time.since(begun);
        let Answer { now, before, entries } = read(answer)?;
        let found = self.found(before.as_ref().map(|entry| (entry.process, entry.beat)));
        self.acknowledged = self.sent;
        let mut nodes: Vec<_> =
            entries.into_iter().map(|(name, entry)| entry.node(name, now, &self.pace)).collect();
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        let is_doubled = found == Found::Doubled;
        let ahead_micros = ahead(ended.wall.before(round_trip / 2), now);
        let (round_trip, beats) = (Some(round_trip), last.beats + 1);
        Some((Members { nodes, round_trip, ahead_micros, beats, is_doubled }, found))
    }

    /// As if that beat had been acknowledged.
    #[cfg(test)]
    pub(super) const fn acknowledge(&mut self, beat: u64) {
        self.acknowledged = beat;
    }

    /// What it means that this stood there, as process and beat.
    pub(super) fn found(&mut self, before: Option<(u64, u64)>) -> Found {
        if self.acknowledged == 0 {
            self.former = before.filter(|(process, _)| *process != self.process);
            return Found::Own;
        }
        match before {
            Some((process, beat)) if process == self.process => {
                if beat >= self.acknowledged {
                    Found::Own
                } else {
                    Found::Lost
                }
            }
            // A former process of this name: the server went back to before this one.
            Some((process, beat)) => match self.former {
                Some((former, last)) if former == process && beat <= last => Found::Lost,
                _ => Found::Doubled,
            },
            None => Found::Lost,
        }
    }
}

/// How far a wall clock is ahead of the server's, which shows so many microseconds.
fn ahead(wall: Time, server: u64) -> i64 {
    let micros = |number| i64::try_from(number).unwrap_or(i64::MAX);
    micros(wall.as_nanos() / 1_000) - micros(server)
}

/// What a beat is answered.
struct Answer {
    /// The server's instant.
    now: u64,
    /// What stood there of this node.
    before: Option<Entry>,
    /// All entries that make sense, by name.
    entries: Vec<(String, Entry)>,
}

fn read(answer: Value) -> Option<Answer> {
    let texts: Vec<String> = redis::from_redis_value(answer).ok()?;
    let (head, pairs) = texts.split_at_checked(2)?;
    let now = head[0].parse().ok()?;
    let entries = pairs.chunks_exact(2).filter_map(|pair| {
        let entry = Entry::read(&pair[1])?;
        Some((pair[0].clone(), entry))
    });
    Some(Answer { now, before: Entry::read(&head[1]), entries: entries.collect() })
}
