//! Who waits where: the rooms, their guests, and which rooms are to be looked at.

use std::{
    collections::{BTreeSet, HashMap},
    hash::BuildHasher as _,
    sync::atomic::Ordering,
};

use smallvec::SmallVec;
use tollgate_core::{
    LimitId, Order, Policy, Time, Unit, Usage,
    policy::{Measure, Queue},
    queue::{Departed, Room},
};

use super::{
    Alarm, QueueDepth, Stay,
    guest::{Guest, GuestId, Place, Told, cost},
};
use crate::{
    Store,
    sync::{AtomicUsize, Mutex},
    tollgate::Refused,
};

/// Everybody who waits before one gate.
#[derive(Debug)]
pub(crate) struct Hall<S: Store + 'static> {
    state: Mutex<State<S>>,
    /// How many guests there are. Whoever ends work looks at this without the lock; a guest
    /// is counted before it asks the store for the last time, so one of both sees the other.
    waiting: AtomicUsize,
    hasher: foldhash::quality::RandomState,
    pub(super) alarm: Alarm,
}

/// The room before one account of one limit. Those of narrower scopes come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RoomId(u64);

/// An account with a room that an order is charged to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Need<'a> {
    pub(super) room: RoomId,
    pub(super) limit: LimitId,
    pub(super) unit: Unit,
    pub(super) queue: &'a Queue,
}

/// The needs of one order, from the narrowest scope to the global one.
pub(super) type Needs<'a> = SmallVec<[Need<'a>; 4]>;

#[derive(Debug)]
pub(super) struct State<S: Store + 'static> {
    pub(super) rooms: HashMap<RoomId, Chamber>,
    pub(super) guests: HashMap<GuestId, Guest<S>>,
    next_guest: u64,
    /// Rooms whose next in line may have become able to start.
    pub(super) ready: BTreeSet<RoomId>,
    /// When rooms are looked at if nothing happens before, the earliest first.
    alarms: BTreeSet<(Time, RoomId)>,
    /// Somebody looks at the ready rooms now.
    pub(super) is_served: bool,
}

/// A room, and its alarm.
#[derive(Debug)]
pub(super) struct Chamber {
    pub(super) room: Room<GuestId>,
    pub(super) limit: LimitId,
    alarm: Option<Time>,
}

impl<S: Store + 'static> Default for Hall<S> {
    fn default() -> Self {
        let state = State {
            rooms: HashMap::new(),
            guests: HashMap::new(),
            next_guest: 0,
            ready: BTreeSet::new(),
            alarms: BTreeSet::new(),
            is_served: false,
        };
        Self {
            state: Mutex::new(state),
            waiting: AtomicUsize::new(0),
            hasher: foldhash::quality::RandomState::default(),
            alarm: Alarm::default(),
        }
    }
}

impl<S: Store + 'static> Hall<S> {
    /// The rooms that an order might wait in.
    pub(super) fn needs<'a>(&self, policy: &'a Policy, order: &Order<'_>) -> Needs<'a> {
        let mut needs = Needs::new();
        if !policy.has_queues() && order.attributes.grants().is_empty() {
            return needs;
        }
        for (group, charges) in order.parts() {
            for charge in charges {
                if let Some(queue) = queue_of(policy, charge.limit) {
                    let room = self.room_of(charge.limit, &group.key, per(policy, charge.limit));
                    needs.push(Need { room, limit: charge.limit, unit: charge.unit, queue });
                }
            }
        }
        needs
    }

    fn room_of(&self, limit: LimitId, key: &str, per: usize) -> RoomId {
        // The hash is keyed, so nobody can choose keys that share a room.
        let breadth = 3 - per.min(3) as u64;
        RoomId(breadth << 62 | self.hasher.hash_one((limit, key)) >> 2)
    }

    /// The rooms among these in which others compete: whoever comes joins them.
    pub(super) fn contended(&self, needs: &Needs<'_>) -> SmallVec<[RoomId; 4]> {
        if needs.is_empty() || !self.is_waited_in() {
            return SmallVec::new();
        }
        let state = self.lock();
        let rooms = needs.iter().map(|need| need.room);
        rooms.filter(|room| state.competes(*room)).collect()
    }

    pub(super) fn lock(&self) -> impl std::ops::DerefMut<Target = State<S>> + '_ {
        self.state.lock()
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// How many wait before each limit that somebody waits for.
    pub(crate) fn queues(&self) -> Vec<QueueDepth> {
        if !self.is_waited_in() {
            return Vec::new();
        }
        let state = self.lock();
        QueueDepth::by_limit(state.rooms.values().map(|it| QueueDepth::of(it.limit, &it.room)))
    }

    /// Whether there is no room, since nobody waits and all bills are settled.
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.lock();
        state.rooms.is_empty() && state.guests.is_empty()
    }

    fn is_waited_in(&self) -> bool {
        self.waiting() > 0
    }

    /// Counts a guest. The rest of its entry happens after that.
    pub(super) fn count(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts a guest no more.
    pub(super) fn discount(&self) {
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    /// Somebody does not wait any more; whether it did.
    pub(super) fn leave(&self, guest: GuestId) -> Option<Guest<S>> {
        let mut state = self.lock();
        self.remove(&mut state, guest)
    }

    /// Takes a guest out of all its rooms; those behind it may go on.
    pub(super) fn remove(&self, state: &mut State<S>, guest: GuestId) -> Option<Guest<S>> {
        let gone = state.guests.remove(&guest)?;
        self.discount();
        for place in &gone.places {
            state.leave(place);
        }
        Some(gone)
    }

    /// Tells the guest whose place was taken by another.
    pub(super) fn displace(&self, state: &mut State<S>, who: &Departed<GuestId>, refused: Refused) {
        if let Some(gone) = self.remove(state, who.payload) {
            // Nobody may listen any more, which is as good.
            let _ = gone.tell.send(Told::Refuse(Box::new(refused)));
        }
    }

    /// What was held has been let go: bills are settled, and those who wait for it are looked
    /// at. Whether anybody is to be looked at.
    pub(crate) fn release(&self, stay: &mut Stay, usage: &Usage) -> bool {
        if stay.bills.is_empty() && (stay.rooms.is_empty() || !self.is_waited_in()) {
            return false;
        }
        let mut state = self.lock();
        for (room, unit, bill) in stay.bills.drain(..) {
            if let Some(chamber) = state.rooms.get_mut(&room) {
                chamber.room.settled(bill, cost(unit, usage));
                state.tidy(room);
            }
        }
        for room in &stay.rooms {
            state.look_at(*room);
        }
        !state.ready.is_empty()
    }

    /// What an order is charged to may be free.
    pub(crate) fn look_at(&self, policy: &Policy, order: &Order<'_>) {
        let needs = self.needs(policy, order);
        let mut state = self.lock();
        for need in &needs {
            state.look_at(need.room);
        }
    }

    /// What is asked of each room in which a guest competes.
    pub(super) fn places<T>(
        &self,
        guest: GuestId,
        ask: impl Fn(&Room<GuestId>, u64) -> Option<T>,
    ) -> Vec<T> {
        let state = self.lock();
        let places = state.guests.get(&guest).map(|guest| guest.places.as_slice());
        let competing = places.unwrap_or_default().iter().filter(|place| place.competes);
        competing.filter_map(|place| ask(&state.rooms.get(&place.room)?.room, place.id)).collect()
    }

    /// Something is free of which nobody knows what: every room is looked at.
    pub(crate) fn release_all(&self) -> bool {
        if !self.is_waited_in() {
            return false;
        }
        let mut state = self.lock();
        let rooms: Vec<RoomId> = state.rooms.keys().copied().collect();
        for room in rooms {
            state.look_at(room);
        }
        !state.ready.is_empty()
    }

    /// Another policy is in force: rooms follow its rules.
    pub(crate) fn revise(&self, policy: &Policy) {
        if !self.is_waited_in() {
            return;
        }
        let mut state = self.lock();
        for chamber in state.rooms.values_mut() {
            if let Some(queue) = queue_of(policy, chamber.limit) {
                chamber.room.revise(queue.rules);
            }
        }
    }

    /// The rooms whose instant has come are looked at; the next instant, if there is one.
    pub(super) fn alarms(&self, now: Time) -> Option<Time> {
        let mut state = self.lock();
        while let Some((at, room)) = state.alarms.first().copied() {
            if at > now {
                return Some(at);
            }
            state.alarms.pop_first();
            if let Some(chamber) = state.rooms.get_mut(&room) {
                chamber.alarm = None;
            }
            state.look_at(room);
        }
        None
    }

    pub(super) fn has_alarm(&self) -> bool {
        !self.lock().alarms.is_empty()
    }
}

impl<S: Store + 'static> State<S> {
    /// A name for one more guest.
    pub(super) fn next_guest(&mut self) -> GuestId {
        self.next_guest += 1;
        GuestId(self.next_guest)
    }

    /// The room of a need.
    pub(super) fn room(&mut self, need: &Need<'_>) -> &mut Room<GuestId> {
        let chamber = self.rooms.entry(need.room).or_insert_with(|| Chamber {
            room: Room::new(need.queue.rules),
            limit: need.limit,
            alarm: None,
        });
        &mut chamber.room
    }

    /// Whether anybody competes in a room.
    pub(super) fn competes(&self, room: RoomId) -> bool {
        self.rooms.get(&room).is_some_and(|chamber| chamber.room.competing() > 0)
    }

    /// Whether a guest has a place before an account of this limit.
    pub(super) fn has_place(&self, guest: GuestId, limit: LimitId) -> bool {
        let places = self.guests.get(&guest).map(|guest| guest.places.as_slice());
        let limits = places.unwrap_or_default().iter().filter_map(|p| self.rooms.get(&p.room));
        limits.map(|chamber| chamber.limit).any(|other| other == limit)
    }

    /// Its next in line shall be looked at, if there is one.
    pub(super) fn look_at(&mut self, room: RoomId) {
        if self.competes(room) {
            self.ready.insert(room);
        }
    }

    /// Looks at a room again at an instant, unless it does so before.
    pub(super) fn ring(&mut self, room: RoomId, at: Time) {
        let Some(chamber) = self.rooms.get_mut(&room) else { return };
        if chamber.alarm.is_none_or(|before| at < before) {
            if let Some(before) = chamber.alarm.replace(at) {
                self.alarms.remove(&(before, room));
            }
            self.alarms.insert((at, room));
        }
    }

    /// Gives a place up.
    pub(super) fn leave(&mut self, place: &Place) {
        if let Some(chamber) = self.rooms.get_mut(&place.room) {
            chamber.room.leave(place.id);
        }
        self.tidy(place.room);
        if place.competes {
            self.look_at(place.room);
        }
    }

    /// Forgets a room in which nobody waits and whose bills are settled.
    pub(super) fn tidy(&mut self, room: RoomId) {
        if self.rooms.get(&room).is_some_and(|chamber| chamber.room.is_idle()) {
            let gone = self.rooms.remove(&room);
            self.ready.remove(&room);
            if let Some(at) = gone.and_then(|chamber| chamber.alarm) {
                self.alarms.remove(&(at, room));
            }
        }
    }
}

fn per(policy: &Policy, limit: LimitId) -> usize {
    policy.limit(limit).map_or(0, |limit| limit.per.len())
}

/// The queue before a limit, if requests wait in one. Before sessions it is tickets that do.
pub(super) fn queue_of(policy: &Policy, limit: LimitId) -> Option<&Queue> {
    let limit = policy.limit(limit)?;
    let sessions = matches!(limit.measure, Measure::Sessions { .. });
    limit.queue.as_ref().filter(|_| !sessions)
}
