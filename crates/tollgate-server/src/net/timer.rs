//! A timer that is started and stopped often.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::Sleep;

/// A timer that rests or runs; its memory is taken at its first start and kept.
#[derive(Debug)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    running: bool,
}

impl Timer {
    /// A timer at rest.
    pub(super) const fn new() -> Self {
        Self { sleep: None, running: false }
    }

    /// Stops it. It may still wake its task once, for nothing: cheaper than to unregister.
    pub(super) const fn rest(&mut self) {
        self.running = false;
    }

    /// Ready `after` the first poll since it rested; then it rests again.
    pub(super) fn poll(&mut self, after: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                if !self.running {
                    sleep.set(tokio::time::sleep(after));
                }
                sleep
            }
            None => self.sleep.insert(Box::pin(tokio::time::sleep(after))),
        };
        self.running = true;
        ready!(sleep.as_mut().poll(cx));
        self.running = false;
        Poll::Ready(())
    }
}
