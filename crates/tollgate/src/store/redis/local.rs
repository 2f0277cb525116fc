//! This node's own books: what it granted itself, and what became of it.

use tollgate_core::{Now, Policy, ReservationId, Usage};

use crate::{
    Embedded, Memory, Receipt, Store as _, StoreError,
    store::{embedded::Untold, memory::End},
};

/// The books of one node: with a ledger on the disk, or in memory as long as the process.
#[derive(Debug)]
pub enum Local {
    /// In memory.
    Memory(Memory),
    /// With a ledger.
    Embedded(Embedded),
}

/// Asks the accounts in memory, which both kinds have.
macro_rules! books {
    ($local:expr, $books:ident => $question:expr) => {
        match &$local {
            $crate::store::redis::Local::Memory($books) => $question,
            $crate::store::redis::Local::Embedded(embedded) => {
                let $books = embedded.memory();
                $question
            }
        }
    };
}
pub(super) use books;

impl From<Memory> for Local {
    fn from(memory: Memory) -> Self {
        Self::Memory(memory)
    }
}

impl From<Embedded> for Local {
    fn from(embedded: Embedded) -> Self {
        Self::Embedded(embedded)
    }
}

impl Local {
    /// Ends a reservation in the books.
    pub(super) fn end(
        &self,
        id: ReservationId,
        (how, usage): (End, &Usage),
        now: Now,
    ) -> Result<Receipt, StoreError> {
        books!(self, books => match how {
            End::Estimate => books.settle_estimated_now(id, usage, now),
            End::Void => books.void_now(id, now),
            End::Settle | End::Expire => books.settle_now(id, usage, now),
        })
    }

    pub(super) async fn held(&self, id: ReservationId) -> Result<(), StoreError> {
        match self {
            Self::Memory(memory) => memory.held(id).await,
            Self::Embedded(embedded) => embedded.held(id).await,
        }
    }

    pub(super) async fn durable(&self) -> Result<(), StoreError> {
        match self {
            Self::Memory(memory) => memory.durable().await,
            Self::Embedded(embedded) => embedded.durable().await,
        }
    }

    /// How reservations ended in a process before this one that the shared store may not know
    /// the end of; once.
    pub(super) fn take_untold(&mut self) -> Vec<Untold> {
        match self {
            Self::Memory(_) => Vec::new(),
            Self::Embedded(embedded) => embedded.take_untold(),
        }
    }

    /// The name by which the shared store counts what this node settles. Books in memory end
    /// with their process, so what another process settled is counted apart: nobody could put it
    /// right, and what this one puts right must not be taken for it.
    pub fn counted_as(&self, name: &str, process: u64) -> String {
        match self {
            Self::Memory(_) => format!("{name} {process:016x}"),
            Self::Embedded(_) => name.to_owned(),
        }
    }

    /// The ledger, where there is one.
    pub const fn embedded(&self) -> Option<&Embedded> {
        match self {
            Self::Memory(_) => None,
            Self::Embedded(embedded) => Some(embedded),
        }
    }

    pub(super) fn note_policy(&self, policy: &Policy) {
        if let Self::Embedded(embedded) = self {
            embedded.note_policy(policy);
        }
    }
}
