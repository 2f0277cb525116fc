//! What leases are asked of: a store that all nodes share.

use compact_str::CompactString;
use tollgate_core::{
    Charge, Now, ScopeId,
    lease::{Ask, Grant, Terms},
};

use crate::{Store, StoreError, store::redis::Shared};

/// What a node tells and asks of one account.
#[derive(Debug, Clone)]
pub struct LeaseAsk {
    /// The account's scope.
    pub scope: ScopeId,
    /// Its values of the scope's attributes, joined.
    pub key: CompactString,
    /// Its limit and rule; the amount means nothing.
    pub charge: Charge,
    /// What is told and asked.
    pub ask: Ask,
}

/// What is granted of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leased {
    /// The lease.
    pub grant: Grant,
    /// What is left for everybody.
    pub left: u64,
}

/// A store that grants leases beside deciding exactly.
pub trait Lessor: Store {
    /// Where accounts of a key lie: one call can ask for those of one place.
    fn place(&self, key: &str) -> u8;

    /// Takes in what is told of accounts of one place and grants what is asked, in one step.
    /// Nothing is granted where an account can't be leased. `nodes` live.
    fn lease(
        &self,
        place: u8,
        asks: &[LeaseAsk],
        by: (u32, &Terms),
        now: Now,
    ) -> impl Future<Output = Result<Vec<Option<Leased>>, StoreError>> + Send;
}

impl Lessor for Shared {
    fn place(&self, key: &str) -> u8 {
        self.tag_of(key)
    }

    async fn lease(
        &self,
        place: u8,
        asks: &[LeaseAsk],
        by: (u32, &Terms),
        now: Now,
    ) -> Result<Vec<Option<Leased>>, StoreError> {
        Ok(self.try_lease(place, asks, by, now).await?)
    }
}
