//! Serving: the next in line of each ready room is tried, until its room has nothing for it.
//!
//! One serves at a time, so nobody is overtaken by a slower look; whoever comes meanwhile
//! leaves the room marked as ready. Nothing is locked while the store decides.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use smallvec::SmallVec;
use tollgate_core::{
    Admission, Attributes, Decision, Demand, Kind, LimitId, Now, Order, Policy, Refusal,
    ReservationId, Retry, Time,
};

use super::{
    Planner, Stay, alarm,
    guest::{GuestId, Told, Unclaimed},
    hall::{Hall, RoomId, State, queue_of},
};
use crate::{
    Permit, Store, StoreError,
    tollgate::{Cause, Inner, Refused},
};

type Rooms = SmallVec<[RoomId; 2]>;

/// One look at the next in line of a room.
#[derive(Debug)]
struct Attempt {
    room: RoomId,
    guest: GuestId,
    who: Arc<Attributes>,
    demand: Demand,
    planner: Option<Arc<dyn Planner>>,
    id: ReservationId,
    keep: bool,
}

/// Serves the ready rooms, unless somebody does already. A store in this process is done
/// when this returns; another is waited for in the background.
pub(crate) fn serve<S: Store + 'static>(inner: &Arc<Inner<S>>) {
    if !inner.hall.begin() {
        return;
    }
    let mut serving = Box::pin(all_ready(Arc::clone(inner)));
    let mut context = Context::from_waker(Waker::noop());
    if let Poll::Pending = pin!(serving.as_mut()).poll(&mut context)
        && let Ok(runtime) = tokio::runtime::Handle::try_current()
    {
        runtime.spawn(serving);
    }
}

async fn all_ready<S: Store + 'static>(inner: Arc<Inner<S>>) {
    while let Some(mut attempt) = inner.hall.next(inner.clock.now().time) {
        if let Some(planner) = &attempt.planner {
            attempt.demand = planner.plan();
        }
        let now = inner.clock.now();
        let policy = inner.policy();
        let expires = now.time.after(inner.hold);
        let mut order = policy.order(attempt.id, &attempt.who, &attempt.demand, now, expires);
        (order.report, order.keep) = (true, attempt.keep);
        let decided = inner.store.reserve(&order, now).await;
        match decided {
            Ok(Decision::Admit(admission)) => {
                admit(&inner, &attempt, &policy, &order, (admission, now)).await;
            }
            Ok(Decision::Refuse(refusal)) => {
                inner.hall.not_yet(&attempt, &policy, &order, refusal, now);
            }
            Ok(Decision::Wait(waiting)) => {
                let retry = Retry::NotBefore(waiting.until.unwrap_or(now.time));
                inner.hall.not_yet(&attempt, &policy, &order, bare(waiting.limit, retry), now);
            }
            Err(error) => inner.hall.failed(&attempt, error),
        }
    }
    if inner.hall.has_alarm() {
        alarm::set(&inner);
    }
}

async fn admit<S: Store + 'static>(
    inner: &Arc<Inner<S>>,
    attempt: &Attempt,
    policy: &Arc<Policy>,
    order: &Order<'_>,
    (admission, now): (Admission, Now),
) {
    let Some((stay, tell)) = inner.hall.start(attempt, now.time) else {
        // It went away while the store decided; nothing of it was used.
        if let Err(error) = inner.store.void(attempt.id, now).await {
            tracing::error!(%error, "a permit that nobody waits for any more is not voided");
        }
        inner.hall.look_at(policy, order);
        return;
    };
    let (shared, policy) = (Arc::clone(inner), Arc::clone(policy));
    let permit = Permit::new(shared, attempt.id, policy, admission, attempt.demand, stay);
    // Where nobody takes it, it voids itself.
    let _ = tell.send(Told::Admit(Unclaimed::new(permit)));
}

impl<S: Store + 'static> Hall<S> {
    /// Whether the caller is the one to serve.
    fn begin(&self) -> bool {
        if self.waiting() == 0 {
            return false;
        }
        let mut state = self.lock();
        let begins = !state.is_served && !state.ready.is_empty();
        state.is_served |= begins;
        begins
    }

    /// The next in line of a ready room; with none left, serving is over.
    fn next(&self, now: Time) -> Option<Attempt> {
        let mut locked = self.lock();
        let state = &mut *locked;
        while let Some(room) = state.ready.first().copied() {
            let chamber = state.rooms.get(&room);
            let next = chamber.and_then(|chamber| Some(*chamber.room.next(now)?.payload));
            let Some(guest) = next else {
                state.ready.remove(&room);
                continue;
            };
            if state.gives_way(guest, room, now) {
                continue;
            }
            // What is let go from here on marks the room again.
            state.ready.remove(&room);
            if let Some(waiting) = state.guests.get(&guest) {
                let (who, demand) = (Arc::clone(&waiting.who), waiting.demand);
                let (planner, id, keep) = (waiting.planner.clone(), waiting.id, waiting.keep);
                return Some(Attempt { room, guest, who, demand, planner, id, keep });
            }
        }
        state.is_served = false;
        None
    }

    /// A guest starts: it leaves its rooms, and its tenant is charged in each.
    fn start(
        &self,
        attempt: &Attempt,
        now: Time,
    ) -> Option<(Stay, tokio::sync::oneshot::Sender<Told<S>>)> {
        let mut state = self.lock();
        let guest = state.guests.remove(&attempt.guest)?;
        let mut stay = Stay { waited: now.since(guest.entered), ..Stay::default() };
        for place in &guest.places {
            let Some(chamber) = state.rooms.get_mut(&place.room) else { continue };
            let started = chamber.room.start(place.id, now);
            let started = started.or_else(|| chamber.room.start_elsewhere(place.id, now));
            stay.rooms.push(place.room);
            stay.bills.extend(started.map(|started| (place.room, place.unit, started.bill)));
        }
        for place in &guest.places {
            state.look_at(place.room);
        }
        drop(state);
        self.discount();
        Some((stay, guest.tell))
    }

    /// A guest is refused for now: it competes where a limit is in its way, and stands aside
    /// elsewhere. Where no queue leads past a limit, it is refused for good.
    fn not_yet(
        &self,
        attempt: &Attempt,
        policy: &Arc<Policy>,
        order: &Order<'_>,
        refusal: Refusal,
        now: Now,
    ) {
        let obstacles = obstacles(order, &refusal);
        let mut locked = self.lock();
        let state = &mut *locked;
        // A limit that came with another policy may be one that it has no place before.
        let has_place = |obstacle: &Obstacle| state.has_place(attempt.guest, obstacle.limit);
        if !can_wait(policy, &obstacles, refusal.retry) || !obstacles.iter().all(has_place) {
            let gone = self.remove(state, attempt.guest);
            state.look_at(attempt.room);
            drop(locked);
            if let Some(gone) = gone {
                let (refusal, cause) = told(policy, order, refusal);
                let policy = Arc::clone(policy);
                let refused = Refused { refusal, policy, now, cause };
                let _ = gone.tell.send(Told::Refuse(Box::new(refused)));
            }
            return;
        }
        let Some(guest) = state.guests.get_mut(&attempt.guest) else { return };
        guest.limit = refusal.limit;
        let (mut changed, mut full) = (Rooms::new(), Rooms::new());
        for place in &mut guest.places {
            let Some(chamber) = state.rooms.get_mut(&place.room) else { continue };
            let is_full = obstacles.iter().any(|obstacle| obstacle.limit == chamber.limit);
            if is_full {
                chamber.room.join(place.id);
            } else {
                chamber.room.step_aside(place.id);
            }
            if is_full {
                full.push(place.room);
            }
            if is_full != place.competes {
                changed.push(place.room);
            }
            place.competes = is_full;
        }
        // Where it gives its turn up, the next one may have it; and where it stands in line
        // from now on, nobody told of what was let go while the store decided.
        for room in changed {
            state.look_at(room);
        }
        if let Some(at) = promised(refusal.retry, now.time) {
            full.into_iter().for_each(|room| state.ring(room, at));
        }
    }

    fn failed(&self, attempt: &Attempt, error: StoreError) {
        if let Some(gone) = self.leave(attempt.guest) {
            let _ = gone.tell.send(Told::Failed(error));
        }
    }
}

impl<S: Store + 'static> State<S> {
    /// Whether others compete elsewhere for what the next in line of a room needs too, and
    /// are before it there. Then it stands in their line, and aside in this one.
    fn gives_way(&mut self, guest: GuestId, room: RoomId, now: Time) -> bool {
        let Some(waiting) = self.guests.get_mut(&guest) else { return false };
        let mut is_behind = false;
        for place in waiting.places.iter_mut().filter(|place| place.room != room) {
            let Some(chamber) = self.rooms.get_mut(&place.room) else { continue };
            if chamber.room.competing() == 0 {
                continue;
            }
            chamber.room.join(place.id);
            place.competes = true;
            is_behind |= chamber.room.next(now).is_none_or(|next| next.id != place.id);
        }
        if is_behind
            && let Some(place) = waiting.places.iter_mut().find(|place| place.room == room)
            && let Some(chamber) = self.rooms.get_mut(&room)
        {
            chamber.room.step_aside(place.id);
            place.competes = false;
        }
        is_behind
    }
}

/// When a refusal is worth a look without anything happening before.
fn promised(retry: Retry, now: Time) -> Option<Time> {
    match retry {
        Retry::At(at) | Retry::NotBefore(at) if at > now => Some(at),
        _ => None,
    }
}

/// A limit that stands in an order's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Obstacle {
    pub(super) limit: LimitId,
    /// Whether only what others have reserved stands in the way.
    pub(super) is_held: bool,
}

pub(super) type Obstacles = SmallVec<[Obstacle; 4]>;

/// The limits that stand in an order's way, the one of the refusal first.
pub(super) fn obstacles(order: &Order<'_>, refusal: &Refusal) -> Obstacles {
    let mut obstacles: Obstacles =
        SmallVec::from_slice(&[Obstacle { limit: refusal.limit, is_held: false }]);
    let asked = order.charges.iter().zip(&refusal.standings);
    for (charge, standing) in asked.filter(|(charge, standing)| charge.limit == standing.limit) {
        let is_held = standing.has_room_beside_holds(charge.amount);
        if charge.limit == refusal.limit {
            obstacles[0].is_held = is_held;
            continue;
        }
        // A session that lives has its slot, however few are left.
        let counts = !charge.shadow && !matches!(charge.rule.kind, Kind::Sessions { .. });
        if counts && standing.remaining < charge.amount {
            obstacles.push(Obstacle { limit: charge.limit, is_held });
        }
    }
    obstacles
}

/// Whether every obstacle has a queue for it, and waiting helps at all.
pub(super) fn can_wait(policy: &Policy, obstacles: &[Obstacle], retry: Retry) -> bool {
    let has_queue = |obstacle: &Obstacle| {
        queue_of(policy, obstacle.limit).is_some_and(|queue| obstacle.is_held || !queue.for_holds)
    };
    retry != Retry::Never && obstacles.iter().all(has_queue)
}

/// A refusal as it is told to somebody who does not wait. What others have reserved and may
/// give back is not spent: then the limit that really is in the way is told, or that all of
/// the budget is reserved. What a dial forbids is not forbidden for good.
pub(crate) fn told(policy: &Policy, order: &Order<'_>, mut refusal: Refusal) -> (Refusal, Cause) {
    refusal.retry = order.retry_of(&refusal);
    let obstacles = obstacles(order, &refusal);
    let is_budget = |limit| queue_of(policy, limit).is_some_and(|queue| queue.for_holds);
    let is_reserved = |obstacle: &&Obstacle| obstacle.is_held && is_budget(obstacle.limit);
    if !obstacles.first().is_some_and(|first| is_reserved(&first)) {
        return (refusal, Cause::Limit);
    }
    let Some(other) = obstacles.iter().find(|obstacle| !is_reserved(obstacle)) else {
        return (refusal, Cause::Reserved);
    };
    let standing = refusal.standings.iter().find(|standing| standing.limit == other.limit);
    refusal.retry = standing.map_or(refusal.retry, |standing| Retry::NotBefore(standing.reset));
    refusal.limit = other.limit;
    (refusal, Cause::Limit)
}

/// A refusal of which no more is known.
pub(crate) fn bare(limit: LimitId, retry: Retry) -> Refusal {
    Refusal { limit, retry, standings: SmallVec::new(), shadowed: SmallVec::new() }
}
