//! Leases of accounts, many in one call.

use std::time::Duration;

use tollgate_core::{
    Kind, Now, Time,
    lease::{Grant, Terms},
};

use super::{
    Shared, SharedError,
    bytes::{Reader, Writer},
    micros::{self, double, whole},
    reply::{Reply, unexpected},
    scripts,
};
use crate::store::redis::{
    leases::{LeaseAsk, Leased},
    link::Arg,
};

const BUCKET: u8 = 0;
const WINDOW: u8 = 1;
/// Of another kind, for which the script has no answer.
const OTHER: u8 = 9;

/// The most sub-buckets of a window's length.
const PARTS: u64 = 60;

impl Shared {
    /// The tag of all cells of a key.
    pub(in crate::store::redis) fn tag_of(&self, key: &str) -> u8 {
        self.keys.tag_of(key)
    }

    /// Tells and asks for accounts of one tag; nothing for those that can't be leased as they
    /// are laid out.
    pub(in crate::store::redis) async fn try_lease(
        &self,
        tag: u8,
        asks: &[LeaseAsk],
        (nodes, terms): (u32, &Terms),
        now: Now,
    ) -> Result<Vec<Option<Leased>>, SharedError> {
        let keys: Vec<Vec<u8>> =
            asks.iter().map(|ask| self.keys.cell(tag, ask.scope, &ask.key)).collect();
        let mut head = Writer::default();
        head.double(self.told(now));
        head.double(terms.term.as_micros() as f64);
        head.double(f64::from(nodes.max(1)));
        let plans: Vec<Writer> = asks.iter().map(|ask| plan(ask, terms, now)).collect();
        let args: Vec<Arg<'_>> =
            std::iter::once(&head).chain(&plans).map(|plan| Arg::Bytes(&plan.0)).collect();
        let value = self.run(&scripts::LEASE, tag, &keys, &args).await?;
        let mut reply = Reply::of(value)?;
        self.shown(tag, reply.int()?, now);
        for ask in asks.iter().filter(|ask| !ask.ask.back.is_empty()) {
            self.freed.note(ask.charge.limit);
        }
        self.freed.tell(&self.link);
        let mut leased = Vec::with_capacity(asks.len());
        for _ in asks {
            leased.push(read(&reply.bytes()?).ok_or_else(unexpected)?);
        }
        Ok(leased)
    }
}

fn plan(ask: &LeaseAsk, terms: &Terms, now: Now) -> Writer {
    let charge = micros::charge(&ask.charge);
    let (kind, numbers) = match charge.rule.kind {
        Kind::Bucket { rate, per_ns } => {
            let full = u128::from(charge.rule.cap) * u128::from(per_ns) / u128::from(rate.max(1));
            let full = u64::try_from(full).unwrap_or(micros::NEVER);
            let lasts = terms.lasts(&ask.charge.rule, now.time).unwrap_or_default();
            (BUCKET, [double(rate), double(per_ns), double(full), lasts.as_micros() as f64])
        }
        Kind::Window { length_ns } => {
            (WINDOW, [double(length_ns), double(length_ns.div_ceil(PARTS)), 0.0, 0.0])
        }
        _ => (OTHER, [0.0; 4]),
    };
    let mut out = Writer::default();
    out.byte(kind);
    out.double(double(charge.limit.0));
    let asked = [charge.rule.cap, ask.ask.need, ask.ask.least, ask.ask.want, ask.ask.over];
    asked.into_iter().for_each(|number| out.double(double(number)));
    numbers.into_iter().for_each(|number| out.double(number));
    for back in &ask.ask.back {
        out.double(double(back.stamp.as_nanos()));
        out.double(double(back.amount));
    }
    out
}

/// One answer; the inner nothing where the account can't be leased.
#[allow(clippy::option_option, reason = "the outer one is an answer that makes no sense")]
fn read(bytes: &[u8]) -> Option<Option<Leased>> {
    let mut from = Reader(bytes);
    let (amount, stamp) = (from.double()?, from.double()?);
    let (lasts, left) = (from.double()?, from.double()?);
    if amount < 0.0 {
        return Some(None);
    }
    let lasts = Duration::from_micros(whole(lasts));
    let grant = Grant { amount: whole(amount), stamp: Time::from_nanos(whole(stamp)), lasts };
    Some(Some(Leased { grant, left: whole(left) }))
}
