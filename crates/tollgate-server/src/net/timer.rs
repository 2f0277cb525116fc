//! A timer that is started and stopped often.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

/// A timer that rests or runs; its memory is taken at its first start and kept.
///
/// A start costs no registration as a rule: what is registered stays when the timer rests, and
/// the instant is looked at when that comes.
#[derive(Debug)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// Nothing while it rests.
    due: Option<Instant>,
}

impl Timer {
    /// A timer at rest.
    pub(super) const fn new() -> Self {
        Self { sleep: None, due: None }
    }

    /// Stops it. It may still wake its task once, for nothing: cheaper than to unregister.
    pub(super) const fn rest(&mut self) {
        self.due = None;
    }

    /// Ready `after` the first poll since it rested; then it rests again.
    pub(super) fn poll(&mut self, after: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let due = match self.due {
            Some(due) => due,
            None => self.start(after),
        };
        let Some(sleep) = &mut self.sleep else { return Poll::Pending };
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= due {
                self.due = None;
                return Poll::Ready(());
            }
            sleep.as_mut().reset(due);
        }
    }

    /// Sees to it that its task is woken when it is due or before.
    fn start(&mut self, after: Duration) -> Instant {
        let sleep = tokio::time::sleep(after);
        let due = sleep.deadline();
        match &mut self.sleep {
            Some(earlier) if earlier.deadline() <= due => {}
            Some(later) => later.set(sleep),
            None => self.sleep = Some(Box::pin(sleep)),
        }
        self.due = Some(due);
        due
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// Whether it is due before so many seconds have passed.
    async fn is_due(timer: &mut Timer, after_s: u64, within_s: u64) -> bool {
        let due = poll_fn(|cx| timer.poll(Duration::from_secs(after_s), cx));
        tokio::time::timeout(Duration::from_secs(within_s), due).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_is_due_by_its_latest_start_whatever_was_registered_before() {
        let mut timer = Timer::new();
        assert!(!is_due(&mut timer, 10, 9).await);
        timer.rest();
        assert!(!is_due(&mut timer, 10, 9).await, "it starts anew");
        assert!(is_due(&mut timer, 10, 2).await, "it has run on");
        assert!(!is_due(&mut timer, 60, 1).await, "it rests once it was due");
        timer.rest();
        assert!(!is_due(&mut timer, 3, 2).await);
        assert!(is_due(&mut timer, 3, 2).await, "earlier than what was registered");
    }
}
