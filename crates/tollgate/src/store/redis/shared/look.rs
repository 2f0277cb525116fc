//! Looking at accounts and sessions: the states that scripts answer with, seen by the core's
//! arithmetic.

use redis::Value;
use smallvec::SmallVec;
use tollgate_core::{
    Admission, Cell, Charge, Decision, Kind, LimitId, Now, Order, Refusal, Retry, Standing, Time,
};

use super::{
    Shared, SharedError,
    bytes::Writer,
    damage::damaged,
    layout,
    micros::{self, Shown, double},
    part::{Part, is_session},
    reply::{Reply, Seats, unexpected},
    scripts,
};
use crate::store::{obstacles::Obstacles, redis::link::Arg};

/// What a script told of a part.
pub(super) struct Seen {
    /// The present of its decision: no earlier than anything that was committed there.
    pub(super) at: u64,
    /// What the clock showed.
    pub(super) clock: u64,
    pub(super) cells: Vec<Vec<u8>>,
    seats: Vec<Seats>,
}

/// A part to look at: for each charge where it is counted.
pub(super) struct View<'a> {
    part: &'a Part<'a>,
    now: Now,
    shown: Shown,
    cells: Vec<Cell>,
    seats: Vec<Seats>,
}

impl Seen {
    pub(super) fn read(
        part: &Part<'_>,
        at: u64,
        clock: u64,
        reply: &mut Reply,
    ) -> Result<Self, SharedError> {
        let mut seen = Self::cells(part, at, clock, reply)?;
        for _ in part.sessions() {
            seen.seats.push(reply.seats()?);
        }
        Ok(seen)
    }

    /// The cells alone.
    pub(super) fn cells(
        part: &Part<'_>,
        at: u64,
        clock: u64,
        reply: &mut Reply,
    ) -> Result<Self, SharedError> {
        let cells = part.cells.iter().map(|_| reply.bytes()).collect::<Result<_, _>>()?;
        Ok(Self { at, clock, cells, seats: Vec::new() })
    }
}

impl View<'_> {
    /// Whether the nth of all charges has room, if it is here.
    pub(super) fn check(&mut self, nth: usize) -> Option<Result<(), Retry>> {
        let (place, seats, charge) = self.find(nth)?;
        let checked = match seats {
            Some(seats) => seats.check(&charge, self.now.time),
            None => self.cells[place].check(0, &charge, "", self.now),
        };
        Some(checked.map_err(|retry| self.shown.retry(retry)))
    }

    /// Where the account of the nth of all charges stands, if it is here.
    pub(super) fn standing(&mut self, nth: usize, limit: LimitId) -> Option<Standing> {
        let (place, seats, charge) = self.find(nth)?;
        let standing = match seats {
            Some(seats) => seats.standing(&charge, self.now.time),
            None => self.cells[place].standing(0, &charge, self.now),
        };
        Some(self.shown.standing(limit, standing))
    }

    /// Asks every charge of an order whether it has room.
    pub(super) fn ask(views: &mut [Self], order: &Order<'_>) -> Obstacles {
        let mut obstacles = Obstacles::default();
        for (nth, charge) in order.charges.iter().enumerate() {
            if let Some(Err(retry)) = views.iter_mut().find_map(|view| view.check(nth)) {
                obstacles.add(charge, retry);
            }
        }
        obstacles
    }

    /// Where the accounts of an order stand.
    pub(super) fn standings(views: &mut [Self], order: &Order<'_>) -> SmallVec<[Standing; 8]> {
        let standing = |(nth, charge): (usize, &Charge)| {
            views.iter_mut().find_map(|view| view.standing(nth, charge.limit))
        };
        order.charges.iter().enumerate().filter_map(standing).collect()
    }

    /// The cell of a charge, or its seats, and the charge in microseconds.
    fn find(&self, nth: usize) -> Option<(usize, Option<Seats>, Charge)> {
        let mut seats = self.seats.iter();
        for (place, cell) in self.part.cells.iter().enumerate() {
            for (at, charge) in &cell.charges {
                let own = if is_session(charge) { seats.next() } else { None };
                if *at == nth {
                    return Some((place, own.copied(), *charge));
                }
            }
        }
        None
    }
}

impl Seats {
    fn check(self, charge: &Charge, now: Time) -> Result<(), Retry> {
        let cap = charge.rule.cap;
        if self.live < cap || self.mine > now.as_nanos() {
            return Ok(());
        }
        match self.free {
            0 => Err(Retry::Never),
            _ if cap == 0 => Err(Retry::Never),
            free => Err(Retry::At(Time::from_nanos(free))),
        }
    }

    fn standing(self, charge: &Charge, now: Time) -> Standing {
        let unused = Standing::unused(charge, now);
        let reset = if self.next == 0 { now } else { Time::from_nanos(self.next) };
        Standing { remaining: unused.cap.saturating_sub(self.live), reset, ..unused }
    }
}

impl Shared {
    pub(super) fn view<'a>(&self, part: &'a Part<'a>, seen: Seen, now: Now) -> View<'a> {
        let Seen { at, clock, cells, seats } = seen;
        View {
            part,
            now: micros::present(at, clock, now),
            shown: self.shown(part.tag, clock, now),
            cells: cells.iter().map(|cell| layout::read(cell)).collect(),
            seats,
        }
    }

    /// Reads the cells of a part, by whose accounts something is to be said.
    pub(super) async fn look(
        &self,
        part: &Part<'_>,
        session: &str,
        now: Now,
    ) -> Result<Seen, SharedError> {
        let seen = self.read(part, session, now).await?;
        // What is laid out anew counts from when it is, so that is done when it is seen.
        self.lay_out(part, &seen, now).await?;
        Ok(seen)
    }

    async fn read(&self, part: &Part<'_>, session: &str, now: Now) -> Result<Seen, SharedError> {
        let mut keys = Vec::new();
        part.push_cells(&self.keys, &mut keys);
        let mut plan = Writer::default();
        plan.double(self.told(now));
        plan.count(part.cells.len());
        part.sessions().for_each(|(_, charge)| plan.double(double(charge.rule.cap)));
        let args = [Arg::Bytes(&plan.0), Arg::from(session)];
        let answer = self.run(&scripts::LOOK, part.tag, &keys, &args).await?;
        let mut reply = Reply::of(answer)?;
        let clock = reply.int()?;
        let mut seen = Seen::read(part, clock, clock, &mut reply)?;
        if let Some(nth) = seen.cells.iter().position(|cell| !layout::is_whole(cell)) {
            return Err(damaged(&keys, nth as u64 + 1));
        }
        let latest = seen.cells.iter().map(|cell| layout::latest(cell)).max();
        seen.at = seen.clock.max(latest.unwrap_or(0));
        Ok(seen)
    }

    async fn views<'a>(
        &self,
        parts: &'a [Part<'a>],
        session: &str,
        now: Now,
    ) -> Result<Vec<View<'a>>, SharedError> {
        let mut views = Vec::with_capacity(parts.len());
        for part in parts {
            let seen = self.look(part, session, now).await?;
            views.push(self.view(part, seen, now));
        }
        Ok(views)
    }

    pub(super) async fn try_check(
        &self,
        order: &Order<'_>,
        now: Now,
    ) -> Result<Decision, SharedError> {
        let parts = Part::of(order, &self.keys);
        let mut views = self.views(&parts, order.session(), now).await?;
        let Obstacles { binding, shadowed } = View::ask(&mut views, order);
        let standings =
            if order.report { View::standings(&mut views, order) } else { SmallVec::new() };
        Ok(match binding {
            Some((limit, retry)) => Decision::Refuse(Refusal { limit, retry, standings, shadowed }),
            None => Decision::Admit(Admission { standings, shadowed }),
        })
    }

    pub(super) async fn try_standings(
        &self,
        order: &Order<'_>,
        now: Now,
    ) -> Result<SmallVec<[Standing; 8]>, SharedError> {
        let parts = Part::of(order, &self.keys);
        let mut views = self.views(&parts, order.session(), now).await?;
        Ok(View::standings(&mut views, order))
    }

    pub(super) async fn try_session(
        &self,
        order: &Order<'_>,
        now: Now,
    ) -> Result<Option<Time>, SharedError> {
        let parts = Part::of(order, &self.keys);
        let mut soonest: Option<Time> = None;
        for part in parts.iter().filter(|part| part.sessions().next().is_some()) {
            let seen = self.read(part, order.session(), now).await?;
            let shown = self.shown(part.tag, seen.clock, now);
            for seats in &seen.seats {
                if seats.mine <= seen.at {
                    return Ok(None);
                }
                let ends = shown.time(Time::from_nanos(seats.mine));
                soonest = Some(soonest.map_or(ends, |before| before.min(ends)));
            }
        }
        Ok(soonest)
    }

    pub(super) async fn try_end_session(&self, order: &Order<'_>) -> Result<bool, SharedError> {
        let mut ended = false;
        for (group, charges) in order.parts() {
            let tag = self.keys.tag_of(&group.key);
            for charge in charges {
                let Kind::Sessions { .. } = charge.rule.kind else { continue };
                let seats = self.keys.seats(tag, group.scope, charge.limit, &group.key);
                let mut command = redis::cmd("ZREM");
                command.arg(seats).arg(order.session());
                match self.link.command(&command).await? {
                    Value::Int(removed) => ended |= removed > 0,
                    _ => return Err(unexpected()),
                }
                self.freed.note(charge.limit);
            }
        }
        self.freed.tell(&self.link);
        Ok(ended)
    }
}
