//! Where accounts are kept, and the one atomic step that decides.

mod any;
mod crossings;
pub mod embedded;
pub mod memory;
mod obstacles;
#[cfg(feature = "redis")]
pub mod redis;

use std::future::Future;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use tollgate_core::{Amounts, Decision, Now, Order, ReservationId, Standing, Time, Usage};

pub use any::AnyStore;
pub use crossings::{Crossing, Crossings, MAX_CROSSINGS};
pub use embedded::Embedded;
pub use memory::Memory;

/// Keeps accounts and reservations. Every store passes the same suite, [`conformance`].
///
/// Orders, usages and decisions are plain data, so that they can travel to another process.
///
/// [`conformance`]: crate::conformance
pub trait Store: Send + Sync {
    /// Grants all charges of an order or none, in one step that nothing can come between. Whoever
    /// was admitted awaits [`held`](Store::held) before anything is used.
    ///
    /// # Errors
    /// When the store cannot answer or the id has expired; nothing is charged then.
    fn reserve(
        &self,
        order: &Order<'_>,
        now: Now,
    ) -> impl Future<Output = Result<Decision, StoreError>> + Send;

    /// Returns when what is held under an id survives a crash. What was admitted must not cost
    /// anything before that.
    ///
    /// # Errors
    /// When it can't be made to.
    fn held(&self, id: ReservationId) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// What [`reserve`](Store::reserve) would answer; takes nothing.
    ///
    /// # Errors
    /// When the store cannot answer.
    fn check(
        &self,
        order: &Order<'_>,
        now: Now,
    ) -> impl Future<Output = Result<Decision, StoreError>> + Send;

    /// Adds to a live reservation, all or nothing, as when a stream asks for its next slice.
    ///
    /// # Errors
    /// When there is no such live reservation or the store cannot answer.
    fn extend(
        &self,
        id: ReservationId,
        more: &Amounts,
        now: Now,
    ) -> impl Future<Output = Result<Decision, StoreError>> + Send;

    /// Ends a reservation with what was really used. Requests count as they were reserved.
    ///
    /// A kept id that is settled again changes nothing and answers the same.
    ///
    /// # Errors
    /// When no such reservation is known or the store cannot answer.
    fn settle(
        &self,
        id: ReservationId,
        usage: &Usage,
        now: Now,
    ) -> impl Future<Output = Result<Receipt, StoreError>> + Send;

    /// Like [`settle`](Store::settle), where nobody told what was used: `usage` is what it
    /// probably was. A ledger marks it.
    ///
    /// # Errors
    /// When no such reservation is known or the store cannot answer.
    fn settle_estimated(
        &self,
        id: ReservationId,
        usage: &Usage,
        now: Now,
    ) -> impl Future<Output = Result<Receipt, StoreError>> + Send;

    /// Ends a reservation of which nothing was used: every charge is given back.
    ///
    /// # Errors
    /// When no such reservation is known or the store cannot answer.
    fn void(
        &self,
        id: ReservationId,
        now: Now,
    ) -> impl Future<Output = Result<Receipt, StoreError>> + Send;

    /// Keeps a live reservation from expiring until `expires`.
    ///
    /// # Errors
    /// When there is no such live reservation or the store cannot answer.
    fn renew(
        &self,
        id: ReservationId,
        expires: Time,
        now: Now,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Frees the slots of reservations whose time is over and counts what they held as
    /// used, until a late settlement says better. Forgets idle accounts. How many expired.
    ///
    /// # Errors
    /// When the store cannot answer.
    fn expire(&self, now: Now) -> impl Future<Output = Result<usize, StoreError>> + Send;

    /// Where the accounts of an order stand.
    ///
    /// # Errors
    /// When the store cannot answer.
    fn standings(
        &self,
        order: &Order<'_>,
        now: Now,
    ) -> impl Future<Output = Result<SmallVec<[Standing; 8]>, StoreError>> + Send;

    /// When the order's session ends without activity, if it lives in every session limit
    /// that it is charged to.
    ///
    /// # Errors
    /// When the store cannot answer.
    fn session(
        &self,
        order: &Order<'_>,
        now: Now,
    ) -> impl Future<Output = Result<Option<Time>, StoreError>> + Send;

    /// Ends the order's session in every session limit it is charged to; whether one was
    /// live.
    ///
    /// # Errors
    /// When the store cannot answer.
    fn end_session(
        &self,
        order: &Order<'_>,
        now: Now,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Takes the thresholds of budgets that were crossed since it was asked before, the
    /// oldest first. Each is told once, to whoever asks first.
    fn take_crossings(&self) -> Crossings {
        Crossings::default()
    }

    /// Returns when everything that this store has answered so far survives a crash.
    ///
    /// # Errors
    /// When it can't be made to.
    fn durable(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// How a reservation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// What it is charged.
    pub usage: Usage,
    /// What of that is more than was reserved.
    pub overrun: Amounts,
}

/// Why a store did not answer as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No such reservation: it never was, or was settled and forgotten.
    #[error("no reservation {id:032x} is known: it was never made, or was settled long ago")]
    Unknown {
        /// The id that was asked for.
        id: u128,
    },
    /// The reservation has ended or expired.
    #[error("the reservation {id:032x} has ended: make a new one")]
    Ended {
        /// The id that was asked for.
        id: u128,
    },
    /// A named maximum is reached.
    #[error(
        "the store keeps {most} {what} at most and they are all in use: raise the maximum or wait until idle ones are forgotten"
    )]
    Full {
        /// What there are too many of.
        what: &'static str,
        /// The maximum.
        most: usize,
    },
    /// The ledger cannot be written.
    #[error(
        "the ledger can't be written, so nothing is admitted that it would have to remember: {0}"
    )]
    Unavailable(String),
    /// The store that several nodes share does not answer.
    #[error(
        "the store that the nodes share does not answer, so nothing is done that must be done there: {0}"
    )]
    Away(String),
    /// The store that several nodes share answers, but cannot do this.
    #[error("the store that the nodes share can't do this: {0}")]
    Undecided(String),
    /// This node's clock cannot be gone by.
    #[error("nothing is decided here by this node's clock: {0}")]
    Clock(String),
}

impl StoreError {
    /// Whether the same question may be answered later.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Full { .. }
                | Self::Unavailable(_)
                | Self::Away(_)
                | Self::Undecided(_)
                | Self::Clock(_)
        )
    }
}
