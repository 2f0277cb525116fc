//! Those who are told of alerts: a bounded queue and a worker for each.
//!
//! A worker tells one thing after the other, so that nobody hears of an end before the beginning,
//! and no more runs at once than there are sinks. Where a queue is full, what comes is dropped,
//! counted and logged; nobody who looks for alerts ever waits for a sink.

mod command;
mod sign;
mod template;
#[cfg(test)]
mod tests;
mod webhook;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::mpsc, task::JoinHandle};
use tollgate::Clock;
use tollgate_core::policy::settings::{Sink, SinkKind};

use super::{Kind, Notice};
use webhook::Webhook;

/// The sinks of the policy in force.
#[derive(Debug, Default)]
pub(crate) struct Sinks {
    running: Mutex<Vec<Running>>,
    /// Workers of sinks that are no more, until they have told what they had.
    ending: Mutex<Vec<JoinHandle<()>>>,
    outcomes: Arc<Outcomes>,
}

#[derive(Debug)]
struct Running {
    settings: Sink,
    queue: mpsc::Sender<Notice>,
    worker: JoinHandle<()>,
}

/// What came of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// It was taken.
    Delivered,
    /// It was not, however often it was tried.
    Failed,
    /// It was not tried: too many waited, or the process ended.
    Dropped,
}

/// How often what came of notifications, by sink.
#[derive(Debug, Default)]
struct Outcomes(Mutex<BTreeMap<(String, Outcome), u64>>);

/// How a notification is told to a sink.
enum Way {
    Webhook(Box<Webhook>),
    Command(Vec<String>, Duration),
}

/// How long a stop waits for what is on its way.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Sinks that are counted by name, over all reloads.
const MAX_NAMES: usize = 64;

impl Outcome {
    /// In a word.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

impl Sinks {
    /// These are those who are told from now on; those that did not change go on.
    pub(crate) fn adopt(&self, sinks: &[Sink], clock: &Clock) {
        let mut running = self.running.lock();
        let is_same = running.len() == sinks.len()
            && running.iter().zip(sinks).all(|(running, sink)| running.settings == *sink);
        if is_same {
            return;
        }
        let mut before = std::mem::take(&mut *running);
        for sink in sinks {
            let same = before.iter().position(|it| it.settings == *sink);
            let goes_on = same.map(|place| before.swap_remove(place));
            running.push(goes_on.unwrap_or_else(|| self.begin(sink, clock)));
        }
        // Their queues end with them; what is in them is still told.
        let mut ending = self.ending.lock();
        ending.retain(|worker| !worker.is_finished());
        ending.extend(before.into_iter().map(|it| it.worker));
    }

    fn begin(&self, sink: &Sink, clock: &Clock) -> Running {
        let (queue, waiting) = mpsc::channel(sink.queue.max(1) as usize);
        let way = Way::of(sink, clock);
        let outcomes = Arc::clone(&self.outcomes);
        let worker = tokio::spawn(work(sink.name.clone(), way, waiting, outcomes));
        Running { settings: sink.clone(), queue, worker }
    }

    /// Tells those who want to know.
    pub(crate) fn send(&self, notice: &Notice) {
        for sink in self.running.lock().iter().filter(|sink| wants(&sink.settings, notice)) {
            if sink.queue.try_send(notice.clone()).is_err() {
                self.outcomes.count(&sink.settings.name, Outcome::Dropped);
                tracing::error!(
                    sink = sink.settings.name,
                    alert = notice.firing.name.name(),
                    "an alert is dropped: too many wait for this sink",
                );
            }
        }
    }

    /// What came of notifications so far, by sink.
    pub(crate) fn outcomes(&self) -> Vec<(String, Outcome, u64)> {
        let all = self.outcomes.0.lock();
        all.iter().map(|((sink, outcome), count)| (sink.clone(), *outcome, *count)).collect()
    }

    /// Waits briefly for what is on its way, and drops the rest.
    pub(crate) async fn close(&self) {
        let running = std::mem::take(&mut *self.running.lock());
        let mut workers = std::mem::take(&mut *self.ending.lock());
        workers.extend(running.into_iter().map(|sink| sink.worker));
        let told = async {
            for worker in &mut workers {
                // One that panicked has told what it could.
                let _ = worker.await;
            }
        };
        if tokio::time::timeout(STOP_GRACE, told).await.is_ok() {
            return;
        }
        let late = workers.iter().filter(|worker| !worker.is_finished()).count();
        tracing::error!(sinks = late, "alerts are dropped: the process ends before they were told",);
        workers.iter().for_each(JoinHandle::abort);
    }
}

impl Outcomes {
    fn count(&self, sink: &str, outcome: Outcome) {
        let mut all = self.0.lock();
        let key = (sink.to_owned(), outcome);
        if all.len() < MAX_NAMES * 3 || all.contains_key(&key) {
            *all.entry(key).or_default() += 1;
        }
    }
}

fn wants(sink: &Sink, notice: &Notice) -> bool {
    let is_told = notice.kind == Kind::Fired || sink.clears;
    is_told && sink.wants(notice.firing.name, notice.firing.severity)
}

/// Tells a sink one thing after the other.
async fn work(
    sink: String,
    way: Way,
    mut waiting: mpsc::Receiver<Notice>,
    outcomes: Arc<Outcomes>,
) {
    while let Some(notice) = waiting.recv().await {
        let alert = notice.firing.name.name();
        match way.tell(&notice).await {
            Ok(()) => {
                outcomes.count(&sink, Outcome::Delivered);
                tracing::debug!(sink, alert, "an alert was told");
            }
            Err(why) => {
                outcomes.count(&sink, Outcome::Failed);
                tracing::error!(sink, alert, "an alert can't be told: {why}");
            }
        }
    }
}

/// Tells a sink one thing now.
///
/// # Errors
/// A sentence that says why it could not be.
pub(crate) async fn deliver(sink: &Sink, notice: &Notice, clock: &Clock) -> Result<(), String> {
    Way::of(sink, clock).tell(notice).await
}

impl Way {
    fn of(sink: &Sink, clock: &Clock) -> Self {
        match sink.kind {
            SinkKind::Webhook => Self::Webhook(Box::new(Webhook::new(sink, clock.clone()))),
            SinkKind::Command => Self::Command(sink.command.clone(), sink.timeout),
        }
    }

    async fn tell(&self, notice: &Notice) -> Result<(), String> {
        match self {
            Self::Webhook(webhook) => webhook.tell(notice).await,
            Self::Command(command, timeout) => command::run(command, *timeout, notice).await,
        }
    }
}
