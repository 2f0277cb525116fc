//! What the coordinator asks of the store that all nodes share, beside what every store can do.

use std::time::Duration;

use compact_str::CompactString;
use tokio::sync::watch;
use tollgate_core::{Admission, LimitId, Now, Order, Policy, ReservationId, ScopeId, Spent, Usage};

use super::{Link, State};
use crate::{Receipt, Store, StoreError, store::memory::End};

/// A store that decides exactly for all nodes, and may be away: then it answers
/// [`StoreError::Away`], within the time that a call may take.
pub trait Exact: Store {
    /// Takes in what this node has granted by itself, whether or not it has room. An id that is
    /// known holds as much as this afterwards, if it held less; one that has ended changes
    /// nothing.
    fn introduce(
        &self,
        order: &Order<'_>,
        now: Now,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Gives back what this process holds under a kept id, as if it had never been asked for.
    fn unask(
        &self,
        id: ReservationId,
        now: Now,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// How a kept id ended, on whichever node, as long as that is remembered.
    fn ending(
        &self,
        id: ReservationId,
    ) -> impl Future<Output = Result<Option<Receipt>, StoreError>> + Send;

    /// Raises what this node has settled to at least so much; never lowers it.
    fn raise(
        &self,
        counters: &[Counter],
        now: Now,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Tells the other nodes that a reservation of theirs has ended here. Who does not hear of
    /// it learns it when its own books would expire.
    fn announce(&self, ended: Ended) -> impl Future<Output = ()> + Send;

    /// The way to it, where that is one to a server that may lose what it acknowledged.
    fn line(&self) -> Option<&Link> {
        None
    }

    /// How long a decision may take, however many calls it is; for ever without it.
    fn patience(&self) -> Option<Duration> {
        // What comes after that is done within the time of a call too.
        self.line().map(|link| link.settings().timeout.mul_f64(0.9))
    }

    /// Whether it answers.
    fn reach(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Admits an order by what it has granted to this node before, if that is enough for all of
    /// it: while it is away too.
    fn admit_here(&self, _: &Order<'_>, _: Now) -> Option<Admission> {
        None
    }

    /// Takes note of a policy's limits.
    fn note_policy(&self, _: &Policy) {}

    /// Takes note of how many nodes live.
    fn note_nodes(&self, _: u32) {}

    /// Hears from now on whether it decides, or this node by itself.
    fn follow(&self, _: watch::Receiver<State>) {}

    /// Takes note that something was given back of these limits, on whichever node.
    fn note_freed(&self, _: &[LimitId]) {}

    /// Takes note that what it had acknowledged is lost, and what it had granted with it.
    fn note_loss(&self) {}

    /// Gives back what this node has in store, before it ends.
    fn hand_back(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// What this node has settled in one period of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// The account's scope.
    pub scope: ScopeId,
    /// Its values of the scope's attributes, joined.
    pub key: CompactString,
    /// The period, and how much.
    pub spent: Spent,
}

/// A reservation that was ended by another node than the one that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its id.
    pub id: ReservationId,
    /// How.
    pub how: End,
    /// With what.
    pub usage: Usage,
}
