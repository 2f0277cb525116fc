//! Expiry: what nobody renewed ends by itself, whichever node notices.
//!
//! Each reservation expires by itself too: one that cannot, as its record is not read or a cell of
//! its is damaged, is named in the log and tried again later, and those behind it go on.

use futures_util::{StreamExt as _, stream};
use tollgate_core::{Now, ReservationId, Usage};

use super::{
    Shared, SharedError, damage::graver, finish::Ending, micros, record::Known, reply::Reply,
    scripts,
};
use crate::{
    StoreError,
    store::{memory::End, redis::link::Arg},
};

/// Tags that are looked through at once.
const AT_ONCE: usize = 64;

/// What expires in one go, and of it at once.
const DUE: usize = 64;
const ENDING: usize = 16;

/// After so long, in microseconds, what could not expire is tried again.
const LATER: u64 = 3_600_000_000;

/// What was done in one go.
#[derive(Debug, Default)]
struct Went {
    /// How many were due; fewer than there may be in one go if that were all.
    due: usize,
    /// Parts that ended, and of these the first ones of their reservations.
    parts: usize,
    firsts: usize,
    /// Those that are not due any more, whatever became of them.
    gone: usize,
}

impl Shared {
    /// Expires what is due in all tags. One that fails stops no other.
    pub(super) async fn try_expire(&self, now: Now) -> Result<usize, SharedError> {
        let tags = stream::iter(0..self.keys.tags());
        let mut expiring =
            tags.map(|tag| self.expire_tag(tag as u8, now)).buffer_unordered(AT_ONCE);
        let (mut expired, mut failed) = (0, None);
        while let Some(some) = expiring.next().await {
            match some {
                Ok(some) => expired += some,
                Err(error) => failed = graver(failed, error),
            }
        }
        self.live.forget(now.time);
        failed.map_or(Ok(expired), Err)
    }

    /// Expires what is due in one tag; how many reservations that began there.
    async fn expire_tag(&self, tag: u8, now: Now) -> Result<usize, SharedError> {
        let _one_at_a_time = self.expiring[usize::from(tag)].lock().await;
        let mut expired = 0;
        loop {
            let went = self.expire_some(tag, now).await?;
            expired += went.firsts;
            if went.due < DUE || went.gone == 0 {
                return Ok(expired);
            }
        }
    }

    /// Expires a little of what is due in a tag, unless somebody does already; whether that gave
    /// anything back. Who is refused waits for no more, and is refused where this fails.
    pub(super) async fn expire_in_passing(&self, tag: u8, now: Now) -> bool {
        let Ok(_one_at_a_time) = self.expiring[usize::from(tag)].try_lock() else { return false };
        self.expire_some(tag, now).await.is_ok_and(|went| went.parts > 0)
    }

    async fn expire_some(&self, tag: u8, now: Now) -> Result<Went, SharedError> {
        let told = format!("{:.0}", self.told(now));
        let keys = [self.keys.expiries(tag)];
        let args = [Arg::from(told.as_str()), Arg::Int(DUE as i64)];
        let mut reply = Reply::of(self.run(&scripts::DUE, tag, &keys, &args).await?)?;
        let clock = reply.int()?;
        self.shown(tag, clock, now);
        let mut names = Vec::with_capacity(DUE);
        while !reply.is_empty() {
            names.push(reply.bytes()?);
        }
        let mut went = Went { due: names.len(), ..Went::default() };
        let names = stream::iter(names);
        let mut ending =
            names.map(|name| self.expire_one(tag, name, clock, now)).buffer_unordered(ENDING);
        let mut failed = None;
        while let Some(ended) = ending.next().await {
            match ended {
                Ok(one) => {
                    went.parts += one.parts;
                    went.firsts += one.firsts;
                    went.gone += one.gone;
                }
                Err(error) => failed = graver(failed, error),
            }
        }
        self.freed.tell(&self.link);
        failed.map_or(Ok(went), Err)
    }

    async fn expire_one(
        &self,
        tag: u8,
        name: Vec<u8>,
        clock: u64,
        now: Now,
    ) -> Result<Went, SharedError> {
        let Ok(bytes) = <[u8; 16]>::try_from(name.as_slice()) else {
            self.not_due_any_more(tag, &name).await?;
            return Ok(Went { gone: 1, ..Went::default() });
        };
        let id = ReservationId(u128::from_be_bytes(bytes));
        let known = self.live.find(id);
        let known = known.and_then(|made| made.parts.into_iter().find(|(t, _)| *t == tag));
        let known = known.map(|(_, record)| record);
        let how = (End::Expire, &Usage::default());
        let ended = match self.end_part(tag, id, known, how, now).await {
            Ok(Ending::Now { is_first, .. }) => {
                return Ok(Went { parts: 1, firsts: usize::from(is_first), gone: 1, due: 0 });
            }
            Ok(Ending::Before(_) | Ending::None) => self.forget_expiry(tag, id, clock).await,
            Err(error) => Err(error),
        };
        match ended {
            Ok(gone) => Ok(Went { gone: usize::from(gone), ..Went::default() }),
            Err(SharedError::Store(error @ StoreError::Undecided(_))) => {
                tracing::error!(id = %format_args!("{:032x}", id.0), %error,
                    "a reservation can't expire; it is tried again in an hour");
                self.due_at(tag, id, clock + LATER).await?;
                Ok(Went { gone: 1, ..Went::default() })
            }
            Err(error) => Err(error),
        }
    }

    /// Forgets when something was to expire that is not there any more, or expires later; whether
    /// it is not due now.
    async fn forget_expiry(
        &self,
        tag: u8,
        id: ReservationId,
        clock: u64,
    ) -> Result<bool, SharedError> {
        match self.fetch(tag, id).await? {
            Some(Known::Held(record)) if !record.expired => {
                let expires = micros::whole(record.expires);
                if expires > clock {
                    self.due_at(tag, id, expires).await?;
                }
                Ok(expires > clock)
            }
            _ => {
                self.not_due_any_more(tag, &id.0.to_be_bytes()).await?;
                Ok(true)
            }
        }
    }

    async fn not_due_any_more(&self, tag: u8, name: &[u8]) -> Result<(), SharedError> {
        let mut command = redis::cmd("ZREM");
        command.arg(self.keys.expiries(tag)).arg(name);
        self.link.command(&command).await?;
        Ok(())
    }

    async fn due_at(&self, tag: u8, id: ReservationId, at: u64) -> Result<(), SharedError> {
        let mut command = redis::cmd("ZADD");
        command.arg(self.keys.expiries(tag)).arg("XX").arg(at).arg(&id.0.to_be_bytes());
        self.link.command(&command).await?;
        Ok(())
    }
}
