//! The queue before sessions: tickets, in the core's order of service.

use std::{collections::HashMap, sync::Arc, time::Duration};

use compact_str::CompactString;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;
use tollgate::{QueueDepth, Refused, Store as _, new_id};
use tollgate_core::{
    Attribute, Attributes, Decision, Demand, Kind, LimitId, Now, Order, Time,
    policy::{Limit, Queue},
    queue::{Arrival, Entry, Room},
};

use crate::{app::App, emergency, headers::seconds_up, refusal::rfc3339};

/// The tickets before every limit on sessions.
#[derive(Debug)]
pub(crate) struct Tickets {
    book: Mutex<Book>,
    /// Counts changes: whoever follows a ticket looks again.
    changed: watch::Sender<u64>,
    /// One serves at a time, so that nobody is overtaken.
    serving: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Book {
    rooms: HashMap<Before, Room<CompactString>>,
    /// By the ticket's unguessable name.
    tickets: HashMap<CompactString, Ticket>,
    by_session: HashMap<CompactString, CompactString>,
}

/// The account that a room is before.
type Before = (LimitId, CompactString);

#[derive(Debug)]
struct Ticket {
    before: Before,
    /// Its name in the room, while it waits.
    id: u64,
    who: Attributes,
    state: State,
    /// When it is forgotten, once it is over.
    until: Time,
}

/// How a ticket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Its turn is to come.
    Waiting,
    /// A session is held for it until then.
    Admitted { claim_before: Time },
    /// It is over, and why.
    Gone(&'static str),
}

/// What is told of a ticket.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct Shown {
    /// `waiting`, `admitted` or `gone`.
    pub(crate) state: &'static str,
    /// 1 for the next.
    pub(crate) place: Option<usize>,
    /// How many wait.
    pub(crate) waiting: usize,
    pub(crate) estimated_wait_seconds: Option<u64>,
    pub(crate) active_sessions: u64,
    pub(crate) max_sessions: u64,
    /// Until when a session is held for it.
    pub(crate) claim_before: Option<String>,
    /// Why it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<&'static str>,
}

/// A ticket that was given, or that the browser has already.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) ticket: CompactString,
    pub(crate) place: Option<usize>,
    pub(crate) estimate: Option<Duration>,
}

/// How long a ticket that is over can still be asked for.
const KEPT: Duration = Duration::from_secs(120);

/// How often those are looked for whose time is over, if nothing happens.
const TICK: Duration = Duration::from_secs(1);

const UNCLAIMED: &str = "Your turn was not taken in time.";
const TOO_LONG: &str = "The wait has become too long. Try again to get a new place.";
const LEFT: &str = "You have given your place up.";

impl Default for Tickets {
    fn default() -> Self {
        let (changed, _) = watch::channel(0);
        Self { book: Mutex::default(), changed, serving: tokio::sync::Mutex::default() }
    }
}

/// Serves tickets for as long as the process lives.
pub(crate) async fn attend(app: Arc<App>) {
    let mut changes = app.sessions.tickets.changed.subscribe();
    let mut emergencies = app.roster.emergency().news();
    loop {
        app.sessions.tracker.expire(app.gate.clock().now().time);
        app.sessions.tickets.serve(&app).await;
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            gone = changes.changed() => if gone.is_err() { return },
            gone = emergencies.changed() => if gone.is_err() { return },
        }
    }
}

impl Tickets {
    /// A change that may let somebody in.
    pub(crate) fn changed(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Tells whenever something changes.
    pub(crate) fn follow(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Whether anybody waits for a session.
    pub(crate) fn are_waited_for(&self) -> bool {
        self.book.lock().rooms.values().any(|room| room.waiting() > 0)
    }

    /// How many wait before each limit on sessions that somebody waits for.
    pub(crate) fn queues(&self) -> Vec<QueueDepth> {
        let book = self.book.lock();
        QueueDepth::by_limit(
            book.rooms.iter().map(|((limit, _), room)| QueueDepth::of(*limit, room)),
        )
    }

    /// A place in the queue before the limit that refused a browser's session; none where it
    /// has no queue, or that is full.
    pub(crate) fn give(&self, refused: &Refused, order: &Order<'_>) -> Option<Given> {
        let limit = refused.limit()?;
        let queue = limit.queue.as_ref()?;
        let session = CompactString::from(order.session());
        let now = refused.now.time;
        let mut book = self.book.lock();
        if let Some(ticket) = book.by_session.get(&session).cloned()
            && book.tickets.get(&ticket).is_some_and(|known| known.state == State::Waiting)
        {
            return book.given(ticket, now);
        }
        let before = before(order, limit)?;
        let ticket = CompactString::from(format!("{:032x}", rand::random::<u128>()));
        let priority = order.attributes.value(&Attribute::Priority);
        let arrival = Arrival {
            work: queue.work(order.attributes, 1),
            priority: priority.and_then(|told| told.parse().ok()).unwrap_or_default(),
            deadline: now.after(queue.rules.timeout),
            aside: false,
            payload: ticket.clone(),
        };
        let room = book.rooms.entry(before.clone()).or_insert_with(|| Room::new(queue.rules));
        let id = match room.enter(arrival, now) {
            Entry::Placed { id } | Entry::Blocked { id } => id,
            Entry::Displaced { id, who } => {
                book.over(&who.payload, TOO_LONG, now);
                id
            }
            Entry::Full { .. } | Entry::TooLate { .. } => return None,
        };
        let (who, until) = (order.attributes.clone(), Time::MAX);
        let made = Ticket { before, id, who, state: State::Waiting, until };
        book.tickets.insert(ticket.clone(), made);
        book.by_session.insert(session, ticket.clone());
        let given = book.given(ticket, now);
        drop(book);
        self.changed();
        given
    }

    /// The browser of a session has come: its ticket has done its part.
    pub(crate) fn claimed(&self, session: &str) {
        let mut book = self.book.lock();
        if let Some(ticket) = book.by_session.remove(session)
            && let Some(claimed) = book.tickets.remove(&ticket)
            && claimed.state == State::Waiting
            && let Some(room) = book.rooms.get_mut(&claimed.before)
        {
            room.leave(claimed.id);
            drop(book);
            self.changed();
        }
    }

    /// Somebody gives a place up; the session that was held for it, if one was.
    pub(crate) fn leave(&self, ticket: &str, now: Time) -> Option<Option<Attributes>> {
        let mut book = self.book.lock();
        let known = book.tickets.get(ticket)?;
        let held = matches!(known.state, State::Admitted { .. }).then(|| known.who.clone());
        if known.state == State::Waiting || held.is_some() {
            book.over(ticket, LEFT, now);
        }
        drop(book);
        self.changed();
        Some(held)
    }

    /// What is told of a ticket; `taken`: the sessions that live, and the most there may be.
    pub(crate) fn show(&self, ticket: &str, taken: (u64, u64), now: Now) -> Option<Shown> {
        let book = self.book.lock();
        let known = book.tickets.get(ticket)?;
        let room = book.rooms.get(&known.before);
        let (mut shown, waiting) = (Shown::empty(taken), room.map_or(0, Room::waiting));
        shown.waiting = waiting;
        match known.state {
            State::Waiting => {
                shown.place = room.and_then(|room| room.place(known.id, now.time));
                let estimate = room.and_then(|room| room.estimate(known.id, now.time));
                shown.estimated_wait_seconds = estimate.map(seconds_up);
            }
            State::Admitted { claim_before } => {
                (shown.state, shown.place) = ("admitted", Some(0));
                shown.claim_before = rfc3339(claim_before, now);
            }
            State::Gone(why) => (shown.state, shown.message) = ("gone", Some(why)),
        }
        Some(shown)
    }

    /// Lets in whom there is a session for, in the order of service; nobody in an emergency, in
    /// which a turn would pass unused.
    pub(crate) async fn serve(&self, app: &App) {
        let _one = self.serving.lock().await;
        let now = app.gate.clock().now();
        if self.sweep(now.time) {
            self.changed();
        }
        if emergency::now(app).is_some() {
            return;
        }
        let mut full = Vec::new();
        while let Some((ticket, who, before)) = self.next(app.gate.clock().now().time, &full) {
            let now = app.gate.clock().now();
            match hold(app, &who, before.0, now).await {
                Some(claim_before) => self.admit(&ticket, claim_before, now.time),
                None => full.push(before),
            }
        }
        self.book.lock().rooms.retain(|_, room| !room.is_idle());
    }

    /// The next in line before an account that is not full.
    fn next(&self, now: Time, full: &[Before]) -> Option<(CompactString, Attributes, Before)> {
        let book = self.book.lock();
        let open = book.rooms.iter().filter(|(before, _)| !full.contains(before));
        let mut firsts = open.filter_map(|(before, room)| Some((before, room.next(now)?.payload)));
        let (before, ticket) = firsts.next()?;
        let who = book.tickets.get(ticket)?.who.clone();
        Some((ticket.clone(), who, before.clone()))
    }

    fn admit(&self, ticket: &CompactString, claim_before: Time, now: Time) {
        let mut book = self.book.lock();
        let Some(known) = book.tickets.get_mut(ticket) else { return };
        known.state = State::Admitted { claim_before };
        let (before, id) = (known.before.clone(), known.id);
        if let Some(room) = book.rooms.get_mut(&before)
            && let Some(started) = room.start(id, now)
        {
            room.settled(started.bill, 1);
        }
        drop(book);
        self.changed();
    }

    /// Ends tickets whose time is over, and forgets those that were over for a while. Whether
    /// any ended.
    fn sweep(&self, now: Time) -> bool {
        let mut book = self.book.lock();
        let mut over: Vec<(CompactString, &'static str)> = Vec::new();
        for room in book.rooms.values_mut() {
            while let Some(late) = room.expired(now) {
                over.push((late.payload, TOO_LONG));
            }
        }
        for (name, ticket) in &book.tickets {
            if let State::Admitted { claim_before } = ticket.state
                && claim_before <= now
            {
                over.push((name.clone(), UNCLAIMED));
            }
        }
        for (ticket, why) in &over {
            book.over(ticket, why, now);
        }
        book.tickets.retain(|_, ticket| ticket.until > now);
        !over.is_empty()
    }
}

impl Book {
    fn given(&self, ticket: CompactString, now: Time) -> Option<Given> {
        let known = self.tickets.get(&ticket)?;
        let room = self.rooms.get(&known.before)?;
        let (place, estimate) = (room.place(known.id, now), room.estimate(known.id, now));
        Some(Given { ticket, place, estimate })
    }

    /// A ticket is over. It can be asked for a while, and leaves its place at once.
    fn over(&mut self, ticket: &str, why: &'static str, now: Time) {
        let Some(known) = self.tickets.get_mut(ticket) else { return };
        if known.state == State::Waiting
            && let Some(room) = self.rooms.get_mut(&known.before)
        {
            room.leave(known.id);
        }
        (known.state, known.until) = (State::Gone(why), now.after(KEPT));
        let session = known.who.value(&Attribute::Session).unwrap_or_default();
        // It may have another ticket by now.
        if self.by_session.get(session).is_some_and(|its| its == ticket) {
            self.by_session.remove(session);
        }
    }
}

impl Shown {
    const fn empty((active_sessions, max_sessions): (u64, u64)) -> Self {
        Self {
            state: "waiting",
            place: None,
            waiting: 0,
            estimated_wait_seconds: None,
            active_sessions,
            max_sessions,
            claim_before: None,
            message: None,
        }
    }
}

/// Holds a session for a ticket as long as it may be claimed; until when.
async fn hold(app: &App, who: &Attributes, limit: LimitId, now: Now) -> Option<Time> {
    let policy = app.gate.policy();
    let claim = policy.limit(limit).and_then(|limit| limit.queue.as_ref()).map(claim)?;
    let expires = now.time.after(claim);
    let order = policy.order(new_id(now.wall), who, &Demand::default(), now, expires);
    let mut order = order.of_sessions();
    for charge in &mut order.charges {
        charge.rule.kind = Kind::Sessions { idle_ns: u64::try_from(claim.as_nanos()).ok()? };
    }
    let store = app.gate.store();
    match store.reserve(&order, now).await {
        Ok(Decision::Admit(_)) => {
            // The session lives by its own time; the reservation has done its part.
            let voided = store.void(order.id, now).await;
            voided.ok().map(|_| expires)
        }
        Ok(_) => None,
        Err(error) => {
            tracing::warn!(%error, "no session can be held for a ticket");
            None
        }
    }
}

const fn claim(queue: &Queue) -> Duration {
    queue.claim
}

/// The account of an order that a limit keeps.
fn before(order: &Order<'_>, limit: &Limit) -> Option<Before> {
    let mut parts = order.parts();
    let (group, _) = parts.find(|(_, own)| own.iter().any(|charge| charge.limit == limit.id))?;
    Some((limit.id, group.key.clone()))
}
