//! Looking after a node for as long as it is used.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use super::{
    Redis, ended_heard,
    link::{Heard, State},
};
use crate::Clock;

/// How often it is looked whether there is something to tell.
const LOOK: Duration = Duration::from_millis(50);

impl Redis {
    /// Looks after it until it is dropped: sees when Redis goes away and tells it what it does
    /// not know when it is back, and hears which of its reservations others have ended.
    pub fn keep(self: &Arc<Self>, clock: Clock) -> JoinHandle<()> {
        tokio::spawn(keep(Arc::downgrade(self), clock))
    }
}

async fn keep(node: Weak<Redis>, clock: Clock) {
    let Some((mut state, mut news)) = node.upgrade().map(|node| {
        let link = node.shared.link();
        (link.state(), link.subscribe(&[&node.shared.ended_channel()]))
    }) else {
        return;
    };
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let heard = tokio::select! {
            _ = look.tick() => None,
            Ok(()) = state.changed() => None,
            Some(heard) = news.next() => Some(heard),
        };
        let Some(node) = node.upgrade() else { return };
        if let Some(Heard::Message { message, .. }) = heard {
            if let Some(ended) = ended_heard(&message) {
                node.ended_elsewhere(&ended, clock.now());
            }
            continue;
        }
        let away = match &*state.borrow_and_update() {
            State::Up => None,
            State::Away { why, .. } => Some(why.to_string()),
        };
        match away {
            Some(why) => node.leave(&why, clock.now()),
            None => {
                node.recover(clock.now()).await;
            }
        }
    }
}
