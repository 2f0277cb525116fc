//! Looking after a node for as long as it is used.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};

use tollgate_core::Time;

use super::{
    Exact, Members, Redis, Shared,
    away::Return,
    ended_heard, freed_heard,
    link::{Heard, State, Why},
    nodes::{self, Nodes},
};
use crate::Clock;

/// How often it is looked whether there is something to tell.
const LOOK: Duration = Duration::from_millis(50);

/// Looks after which it is looked whether something was lost.
const LOOKS: u32 = 5;

impl<X: Exact + AsRef<Shared> + 'static> Redis<X> {
    /// Looks after it until it is dropped: sees when Redis goes away and tells it what it does
    /// not know when it is back, and hears which of its reservations others have ended.
    pub fn keep(self: &Arc<Self>, clock: Clock) -> JoinHandle<()> {
        tokio::spawn(keep(Arc::downgrade(self), clock))
    }

    /// Follows which nodes live, and what their heartbeat finds lost, until it is dropped.
    pub fn follow(self: &Arc<Self>, nodes: &Nodes, clock: Clock) -> JoinHandle<()> {
        let (members, losses) = (nodes.members(), nodes.losses());
        let name = nodes.name().to_owned();
        tokio::spawn(follow(Arc::downgrade(self), members, losses, name, clock))
    }
}

/// For how long a node that has seen a loss decides by itself: the others see it and tell what
/// they know meanwhile, without which too much would seem to be left.
const TOGETHER: Duration = Duration::from_secs(1);

/// How nodes come back together after a loss.
#[derive(Debug, Default)]
struct Together {
    /// How many losses were seen, and until when the last one is waited for.
    seen: Option<u64>,
    until: Option<Time>,
}

impl Together {
    fn wait<X: Exact>(&mut self, node: &Redis<X>, now: Time) {
        let seen = node.damage.seen();
        let is_new = self.seen.replace(seen).is_some_and(|before| before != seen);
        if is_new && node.has_others() {
            self.until = Some(now.after(TOGETHER));
            node.note_others_whole(false);
        }
        if self.until.take_if(|until| now >= *until).is_some() {
            node.note_others_whole(true);
        }
    }
}

/// Who lives, and what the heartbeat finds lost.
async fn follow<X: Exact>(
    node: Weak<Redis<X>>,
    mut members: watch::Receiver<Arc<nodes::Members>>,
    mut losses: watch::Receiver<u64>,
    name: String,
    clock: Clock,
) {
    loop {
        let lost = tokio::select! {
            Ok(()) = members.changed() => false,
            Ok(()) = losses.changed() => true,
            else => return,
        };
        let Some(node) = node.upgrade() else { return };
        let seen = Members::of(&members.borrow_and_update(), &name);
        node.note_members(seen);
        if lost {
            node.note_loss("the heartbeat found writes lost", clock.now());
        }
    }
}

async fn keep<X: Exact + AsRef<Shared>>(node: Weak<Redis<X>>, clock: Clock) {
    let Some((mut state, mut news, freed)) = node.upgrade().map(|node| {
        let shared = node.shared.as_ref();
        let (link, freed) = (shared.link(), shared.freed_channel().to_owned());
        (link.state(), link.subscribe(&[&shared.ended_channel(), &freed]), freed)
    }) else {
        return;
    };
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut looks, mut together, mut back) = (0_u32, Together::default(), Return::default());
    loop {
        let mut is_look = false;
        let heard = tokio::select! {
            _ = look.tick() => {
                is_look = true;
                None
            }
            Ok(()) = state.changed() => None,
            Some(heard) = news.next() => Some(heard),
        };
        let Some(node) = node.upgrade() else { return };
        if let Some(Heard::Message { channel, message }) = heard {
            if channel == freed {
                node.shared.note_freed(&freed_heard(&message));
            } else if let Some(ended) = ended_heard(&message) {
                node.ended_elsewhere(&ended, clock.now());
            }
            continue;
        }
        let (away, is_sure) = match &*state.borrow_and_update() {
            State::Up => (None, false),
            State::Away { why, .. } => (Some(why.to_string()), *why != Why::Timeout),
        };
        let now = clock.now();
        // Whoever is back after that may have lost something, which is looked for first.
        if let Some(why) = away.as_deref().filter(|_| is_sure || !node.switch.is_found()) {
            node.miss(why, now);
        }
        if is_look && node.switch.look(away.as_deref(), now.time) {
            node.alone(now);
        }
        if away.is_none() {
            together.wait(&node, now.time);
        }
        if node.switch.is_up() {
            back.is_back(now.time);
        } else if node.has_left() {
            // It is told everything at once, and decides when it was well for a while.
            let is_well = away.is_none() && node.is_well().await;
            node.switch.note_steady(back.may_be(is_well, now.time));
        }
        if away.is_none() {
            looks = looks.wrapping_add(1);
            if looks.is_multiple_of(LOOKS) && node.switch.is_up() {
                node.look_now(clock.now()).await;
            }
            node.recover(clock.now()).await;
        }
    }
}

impl<X: Exact + AsRef<Shared>> Redis<X> {
    /// Whether it decides by itself since the shared store went away, and not since it began.
    fn has_left(&self) -> bool {
        self.failures().switches > 0
    }

    /// Whether the shared store answers, and soon enough to decide.
    async fn is_well(&self) -> bool {
        let soon = self.shared.as_ref().link().settings().timeout.mul_f64(0.8);
        matches!(timeout(soon, self.shared.reach()).await, Ok(Ok(())))
    }
}
