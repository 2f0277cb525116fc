//! Putting right what Redis has lost: what this node settled, and what it holds.

use tollgate_core::{LimitId, Now, ScopeId};

use super::{Shared, SharedError, bytes::Writer, micros, scripts};
use crate::store::redis::link::Arg;

/// What this node settled in one period of an account, in nanoseconds of the wall clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The account's scope.
    pub scope: ScopeId,
    /// Its values of the scope's attributes, joined.
    pub key: String,
    /// Its limit.
    pub limit: LimitId,
    /// The first nanosecond of the period.
    pub start: u64,
    /// The first nanosecond of the next one; `u64::MAX` where none ever begins.
    pub end: u64,
    /// What it settled by itself, in the limit's unit.
    pub amount: u64,
}

/// Accounts that one call puts right.
const MOST: usize = 64;

impl Shared {
    /// Raises this node's counters to what it settled, where they are lower or lost. Twice is as
    /// good as once, and nothing is ever lowered.
    ///
    /// # Errors
    /// When Redis does not answer; some may have been put right then.
    pub async fn republish(&self, settled: &[Settled], now: Now) -> Result<(), SharedError> {
        for tag in 0..self.keys.tags() {
            let tag = tag as u8;
            let own: Vec<&Settled> =
                settled.iter().filter(|one| self.keys.tag_of(&one.key) == tag).collect();
            for some in own.chunks(MOST) {
                self.republish_some(tag, some, now).await?;
            }
        }
        Ok(())
    }

    async fn republish_some(
        &self,
        tag: u8,
        settled: &[&Settled],
        now: Now,
    ) -> Result<(), SharedError> {
        let keys: Vec<_> =
            settled.iter().map(|one| self.keys.cell(tag, one.scope, &one.key)).collect();
        let mut plan = Writer::with_room(16 + 32 * settled.len());
        plan.double(self.told(now));
        plan.double(self.node);
        for one in settled {
            let numbers = [
                micros::name(one.limit).0,
                one.start / 1_000,
                if one.end == u64::MAX { one.end } else { micros::ceil(one.end) },
                one.amount,
            ];
            numbers.into_iter().for_each(|number| plan.double(micros::double(number)));
        }
        let args = [Arg::Bytes(&plan.0)];
        self.link.run(&scripts::REPUBLISH, u16::from(tag), &keys, &args).await?;
        Ok(())
    }
}
