//! Expiry: what nobody renewed ends by itself, whichever node notices.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tollgate_core::{Now, ReservationId, Usage};

use super::{Shared, SharedError, finish::Ending, record::Known, reply::Reply, scripts};
use crate::store::{memory::End, redis::link::Arg};

/// Tags that are looked through at once.
const AT_ONCE: usize = 64;

/// What expires in one go.
const DUE: i64 = 64;

impl Shared {
    pub(super) async fn try_expire(&self, now: Now) -> Result<usize, SharedError> {
        let tags = stream::iter(0..self.keys.tags());
        let expiring = tags.map(|tag| self.expire_tag(tag as u8, now)).buffer_unordered(AT_ONCE);
        let expired = expiring.try_fold(0, async |sum, some| Ok(sum + some)).await?;
        self.live.forget(now.time);
        Ok(expired)
    }

    /// Expires what is due in one tag; how many reservations that began there.
    pub(super) async fn expire_tag(&self, tag: u8, now: Now) -> Result<usize, SharedError> {
        let mut expired = 0;
        loop {
            let told = format!("{:.0}", self.told(now));
            let keys = [self.keys.expiries(tag)];
            let args = [Arg::from(told.as_str()), Arg::Int(DUE)];
            let answer = self.link.run(&scripts::DUE, u16::from(tag), &keys, &args).await?;
            let mut reply = Reply::of(answer)?;
            let clock = reply.int()?;
            self.shown(tag, clock, now);
            let mut due = 0;
            while !reply.is_empty() {
                let name = reply.bytes()?;
                due += 1;
                let Ok(name) = <[u8; 16]>::try_from(name.as_slice()) else { continue };
                let id = ReservationId(u128::from_be_bytes(name));
                let known = self.live.find(id);
                let known = known.and_then(|made| made.parts.into_iter().find(|(t, _)| *t == tag));
                let known = known.map(|(_, record)| record);
                let how = (End::Expire, &Usage::default());
                match self.end_part(tag, id, known, how, now).await? {
                    Ending::Now { is_first, .. } => expired += usize::from(is_first),
                    Ending::Before(_) | Ending::None => self.forget_expiry(tag, id).await?,
                }
            }
            if due < DUE {
                self.freed.tell(&self.link);
                return Ok(expired);
            }
        }
    }

    /// Forgets when something was to expire that is not there any more.
    async fn forget_expiry(&self, tag: u8, id: ReservationId) -> Result<(), SharedError> {
        if matches!(self.fetch(tag, id).await?, Some(Known::Held(record)) if !record.expired) {
            return Ok(());
        }
        let mut command = redis::cmd("ZREM");
        command.arg(self.keys.expiries(tag)).arg(&id.0.to_be_bytes());
        self.link.command(&command).await?;
        Ok(())
    }
}
