//! Admission and spend control for AI traffic, as a library.
//!
//! [`Tollgate`] joins a compiled [`Policy`](tollgate_core::Policy), a [`Store`] and a
//! [`Clock`]. Ask it before work that costs; it answers with a [`Permit`] or a refusal that
//! says which limit stands in the way and until when. A permit settles exactly once, also
//! when it is dropped.

mod clock;
pub mod conformance;
mod crowd;
pub mod layer;
mod limiter;
mod permit;
pub mod store;
mod sync;
mod tollgate;
mod waiting;

pub use clock::Clock;
pub use crowd::{Counts, Crowd, Present};
pub use layer::AdmissionLayer;
pub use limiter::{
    Limiter, Limits, Overload, ParseLimitsError, Queued, Seat, Slot, Stats, UserStats,
};
pub use permit::Permit;
pub use store::{AnyStore, Crossing, Crossings, Embedded, Memory, Receipt, Store, StoreError};
pub use tollgate::{Cause, HOLD, Refused, Tollgate, Verdict, new_id};
pub use tollgate_core as core;
pub use waiting::{Entered, Patience, Planner, QueueDepth, Waiting};
