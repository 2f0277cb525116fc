//! Sends a trace's requests when they are due, whatever became of the earlier ones.

use std::{future::Future, pin::pin, str::FromStr, sync::Arc, time::Duration};

use tokio::sync::{Semaphore, mpsc};

use super::{
    Client, Dealer, Requests, Trace,
    client::Exchange,
    outcome::{Ending, Outcome},
};

/// How many times faster than it was recorded a trace is played.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(crate) struct Pace(f64);

/// Sends requests when they are due.
pub(crate) struct Player {
    pub(crate) client: Client,
    pub(crate) requests: Arc<Requests>,
    pub(crate) pace: Pace,
    /// The most requests in flight; what is due beyond that is not sent, but counted.
    pub(crate) max_in_flight: usize,
}

impl Player {
    /// Plays `trace` and tells every outcome to `outcomes`; ends early when `stop` does.
    ///
    /// It returns when the last request was sent, not when it was answered: the channel
    /// closes by itself after the last outcome.
    pub(crate) async fn play(
        self,
        trace: &Trace,
        mut dealer: Dealer,
        outcomes: mpsc::Sender<Outcome>,
        stop: impl Future<Output = ()>,
    ) {
        let slots = Arc::new(Semaphore::new(self.max_in_flight));
        let mut stop = pin!(stop);
        let mut timer = pin!(tokio::time::sleep(Duration::ZERO));
        let start = timer.deadline();
        let began = self.client.clock().now().time;
        for (number, row) in trace.rows().iter().enumerate() {
            let due = self.pace.play(row.at);
            timer.as_mut().reset(start + due);
            tokio::select! {
                biased;
                () = &mut stop => return,
                () = timer.as_mut() => {}
            }
            let deal = dealer.deal();
            let most = self.requests.most(row, deal);
            let clock = self.client.clock().clone();
            let outcome = move |exchange: Exchange| Outcome {
                row: number,
                deal,
                due,
                ended: clock.now().time.since(began),
                most,
                ending: exchange.ending,
                status: exchange.status,
                id: exchange.id,
                timing: exchange.timing,
            };
            let outcomes = outcomes.clone();
            // Whoever stopped listening does not want the outcome.
            let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                let _ = outcomes.send(outcome(Exchange::without_answer(Ending::Unsent))).await;
                continue;
            };
            let request = self.requests.request(row, deal);
            let client = self.client.clone();
            tokio::spawn(async move {
                let exchange = client.send(request, began.after(due)).await;
                let _ = outcomes.send(outcome(exchange)).await;
                drop(slot);
            });
        }
    }
}

impl Pace {
    /// When something recorded at `at` is played, from the start.
    fn play(self, at: Duration) -> Duration {
        at.div_f64(self.0)
    }
}

impl FromStr for Pace {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(times) if (0.001..=1_000_000.0).contains(&times) => Ok(Self(times)),
            _ => Err("a speed is a number from 0.001 to 1000000, like 60"),
        }
    }
}
