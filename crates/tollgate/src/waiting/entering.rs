//! Arrivals: who runs at once, who waits, and who is refused at the door.

use std::sync::Arc;

use smallvec::SmallVec;
use tokio::sync::oneshot;
use tollgate_core::{
    Admission, Attribute, Attributes, Decision, LimitId, Now, Order, Policy, Refusal, Retry, Time,
    queue::{Arrival, Entry, Priority},
};

use super::{
    Entered, Patience, Planner, Stay, Waiting,
    guest::{Guest, GuestId, Place, Told, Unclaimed, cost},
    hall::{Hall, Need, Needs, State},
    serving::{self, bare, can_wait, obstacles, told},
};
use crate::{
    Permit, Store, StoreError,
    tollgate::{Cause, Inner, Refused},
};

/// Who comes, and what was found out about it at the door.
struct Comer<'a, 'o> {
    who: &'a Arc<Attributes>,
    order: &'a Order<'o>,
    planner: Option<&'a Arc<dyn Planner>>,
    /// Where it competes; elsewhere it stands aside.
    competes: &'a [LimitId],
    deadline: Time,
    policy: &'a Arc<Policy>,
    refusal: &'a Refusal,
    now: Now,
}

/// What is found at the door.
enum Door {
    Open(Admission),
    /// Limits with queues are in the way, or others that wait for them.
    Ajar(Refusal, SmallVec<[LimitId; 4]>),
    Shut(Refusal),
}

/// There is no place behind the door either.
struct NoPlace {
    limit: LimitId,
    cause: Cause,
}

impl<S: Store + 'static> Inner<S> {
    /// Takes a slot, or else a place in the queue; who waits asks for what its planner says
    /// when its turn comes, if it has one.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        policy: Arc<Policy>,
        (order, planner): (Order<'_>, Option<Arc<dyn Planner>>),
        patience: Patience,
        now: Now,
    ) -> Result<Entered<S>, StoreError> {
        let needs = self.hall.needs(&policy, &order);
        let refused = |refusal, cause| {
            let policy = Arc::clone(&policy);
            Ok(Entered::Refuse(Refused { refusal, policy, now, cause }))
        };
        let (refusal, competes) = match self.knock(&policy, &order, &needs, now).await? {
            Door::Open(admission) => {
                if order.keep {
                    // Who hangs up meanwhile may ask for the same id again.
                    self.store.held(order.id).await?;
                }
                let (shared, policy, stay) = (Arc::clone(self), Arc::clone(&policy), brief(&needs));
                let permit = Permit::new(shared, order.id, policy, admission, order.demand, stay);
                // Where it can't be made to survive, or nobody waits for that, it is voided.
                let unclaimed = Unclaimed::new(permit);
                return Ok(Entered::Admit(unclaimed.held(self).await?));
            }
            Door::Shut(refusal) => {
                let (refusal, cause) = told(&policy, &order, refusal);
                return refused(refusal, cause);
            }
            Door::Ajar(refusal, _) if patience == Patience::NONE => {
                let (refusal, cause) = told(&policy, &order, refusal);
                return refused(refusal, cause);
            }
            Door::Ajar(refusal, competes) => (refusal, competes),
        };
        let who = Arc::new(order.attributes.clone());
        let deadline = deadline(&needs, patience, now);
        let (tell, hear) = oneshot::channel();
        let placed = {
            let (refusal, policy) = (&refusal, &policy);
            let (who, order, competes) = (&who, &order, competes.as_slice());
            let planner = planner.as_ref();
            let comer = Comer { who, order, planner, competes, deadline, policy, refusal, now };
            self.hall.place(&comer, &needs, tell)
        };
        // What was let go since the store was asked is found now, and what it moved.
        serving::serve(self);
        match placed {
            Err(NoPlace { limit, cause }) => refused(Refusal { limit, ..refusal }, cause),
            Ok(guest) => {
                let (inner, who) = (Arc::clone(self), (who, order.demand));
                let guest = (guest, refusal.limit);
                Ok(Entered::Wait(Waiting::new(inner, guest, who, (now, deadline), hear)))
            }
        }
    }

    async fn knock(
        &self,
        policy: &Policy,
        order: &Order<'_>,
        needs: &Needs<'_>,
        now: Now,
    ) -> Result<Door, StoreError> {
        let contended = self.hall.contended(needs);
        let decision = if contended.is_empty() {
            self.store.reserve(order, now).await?
        } else {
            // Others compete: it asks what stands in its way, and takes nothing before them.
            self.store.check(order, now).await?
        };
        Ok(match decision {
            Decision::Admit(admission) if contended.is_empty() => Door::Open(admission),
            Decision::Admit(admission) => {
                let behind = needs.iter().filter(|need| contended.contains(&need.room));
                let competes: SmallVec<[LimitId; 4]> = behind.map(|need| need.limit).collect();
                let limit = competes.first().copied().unwrap_or(LimitId(0));
                let retry = Retry::NotBefore(now.time);
                let standings = admission.standings;
                Door::Ajar(Refusal { standings, ..bare(limit, retry) }, competes)
            }
            Decision::Refuse(mut refusal) => {
                if refusal.standings.is_empty() {
                    refusal.standings = self.store.standings(order, now).await?;
                }
                let obstacles = obstacles(order, &refusal);
                if can_wait(policy, &obstacles, refusal.retry) {
                    Door::Ajar(refusal, obstacles.iter().map(|obstacle| obstacle.limit).collect())
                } else {
                    Door::Shut(refusal)
                }
            }
            Decision::Wait(waiting) => {
                let retry = Retry::NotBefore(waiting.until.unwrap_or(now.time));
                Door::Shut(bare(waiting.limit, retry))
            }
        })
    }
}

impl<S: Store + 'static> Hall<S> {
    /// Gives a comer its places, or none.
    fn place(
        &self,
        comer: &Comer<'_, '_>,
        needs: &Needs<'_>,
        tell: oneshot::Sender<Told<S>>,
    ) -> Result<GuestId, NoPlace> {
        let mut locked = self.lock();
        let state = &mut *locked;
        let name = state.next_guest();
        let mut places: SmallVec<[Place; 2]> = SmallVec::new();
        for need in needs {
            match self.enter(state, comer, need, name) {
                Ok(place) => places.push(place),
                Err(none) => {
                    for place in &places {
                        state.leave(place);
                    }
                    return Err(none);
                }
            }
        }
        self.count();
        let guest = Guest {
            who: Arc::clone(comer.who),
            demand: comer.order.demand,
            planner: comer.planner.cloned(),
            id: comer.order.id,
            keep: comer.order.keep,
            limit: comer.refusal.limit,
            entered: comer.now.time,
            places,
            tell,
        };
        for place in guest.places.iter().filter(|place| place.competes) {
            state.ready.insert(place.room);
        }
        state.guests.insert(name, guest);
        Ok(name)
    }

    fn enter(
        &self,
        state: &mut State<S>,
        comer: &Comer<'_, '_>,
        need: &Need<'_>,
        guest: GuestId,
    ) -> Result<Place, NoPlace> {
        let competes = comer.competes.contains(&need.limit);
        let arrival = Arrival {
            work: need.queue.work(comer.who, cost(need.unit, &comer.order.demand)),
            priority: priority(comer.who),
            deadline: comer.deadline,
            aside: !competes,
            payload: guest,
        };
        let (room, unit) = (need.room, need.unit);
        let none = |cause| Err(NoPlace { limit: need.limit, cause });
        let entry = state.room(need).enter(arrival, comer.now.time);
        if !matches!(entry, Entry::Placed { .. } | Entry::Blocked { .. }) {
            state.tidy(room);
        }
        match entry {
            Entry::Placed { id } | Entry::Blocked { id } => Ok(Place { room, id, unit, competes }),
            Entry::Displaced { id, who } => {
                let refused = Refused {
                    refusal: Refusal { limit: need.limit, ..comer.refusal.clone() },
                    policy: Arc::clone(comer.policy),
                    now: comer.now,
                    cause: Cause::Displaced { size: need.queue.rules.size },
                };
                self.displace(state, &who, refused);
                Ok(Place { room, id, unit, competes })
            }
            Entry::Full { bound, size } => none(Cause::QueueFull { bound, size }),
            Entry::TooLate { estimate } => none(Cause::TooLate { estimate }),
        }
    }
}

/// The stay of one who did not wait.
fn brief(needs: &Needs<'_>) -> Stay {
    Stay { rooms: needs.iter().map(|need| need.room).collect(), ..Stay::default() }
}

/// When it gives up: the least of what its queues allow and what it brings along. How long
/// one waits for budgets is no rule of the operator's, and gives way to those that are.
fn deadline(needs: &Needs<'_>, patience: Patience, now: Now) -> Time {
    let timeout = |for_holds| {
        let queues = needs.iter().map(|need| need.queue);
        queues.filter(|queue| queue.for_holds == for_holds).map(|queue| queue.rules.timeout).min()
    };
    let queues = timeout(false).or_else(|| timeout(true));
    let most = queues.into_iter().chain(patience.most).min();
    now.time.after(most.unwrap_or_default())
}

/// How urgent the caller says it is; usual work where it says nothing that is known.
fn priority(who: &Attributes) -> Priority {
    let told = who.value(&Attribute::Priority).and_then(|told| told.parse().ok());
    told.unwrap_or_default()
}
