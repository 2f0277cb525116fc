//! Putting right what Redis has lost of what this node settled.

use tollgate_core::Now;

use super::{
    Shared, SharedError,
    bytes::Writer,
    damage::{damaged, graver},
    micros,
    reply::Reply,
    scripts,
};
use crate::store::redis::{Counter, link::Arg};

/// Accounts that one call puts right.
const MOST: usize = 64;

impl Shared {
    /// Raises this node's counters to what it settled, where they are lower or lost. Twice is as
    /// good as once, and nothing is ever lowered.
    ///
    /// # Errors
    /// The first, when Redis does not answer or a cell cannot be read; all others are put right.
    pub(super) async fn republish(&self, settled: &[Counter], now: Now) -> Result<(), SharedError> {
        let mut failed = None;
        for tag in 0..self.keys.tags() {
            let tag = tag as u8;
            let own: Vec<&Counter> =
                settled.iter().filter(|one| self.keys.tag_of(&one.key) == tag).collect();
            for some in own.chunks(MOST) {
                if let Err(error) = self.republish_some(tag, some, now).await {
                    failed = graver(failed, error);
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn republish_some(
        &self,
        tag: u8,
        settled: &[&Counter],
        now: Now,
    ) -> Result<(), SharedError> {
        let keys: Vec<_> =
            settled.iter().map(|one| self.keys.cell(tag, one.scope, &one.key)).collect();
        let mut plan = Writer::with_room(16 + 32 * settled.len());
        plan.double(self.told(now));
        plan.double(self.node);
        for Counter { spent, .. } in settled {
            let numbers = [
                micros::name(spent.limit).0,
                spent.start / 1_000,
                if spent.end == u64::MAX { spent.end } else { micros::ceil(spent.end) },
                spent.settled,
            ];
            numbers.into_iter().for_each(|number| plan.double(micros::double(number)));
        }
        let counters = self.keys.counters(tag);
        let args = [Arg::Bytes(&plan.0), Arg::Bytes(&counters)];
        let mut reply = Reply::of(self.run(&scripts::REPUBLISH, tag, &keys, &args).await?)?;
        reply.int()?;
        if reply.is_empty() { Ok(()) } else { Err(damaged(&keys, reply.int()?)) }
    }
}
