//! Decides whether AI traffic may run, before it costs anything.
//!
//! This crate is the arithmetic of admission and nothing else: policy types, limit
//! arithmetic, charges and decisions. It contains no I/O, no async runtime and reads no
//! clock; the present is always an argument ([`Now`]). So every promise it makes can be
//! tested in virtual time.
//!
//! The way down: [`Attributes`] and a [`Demand`] say who asks for what; a compiled
//! [`Policy`] turns them into an [`Order`], a short list of [`Charge`]s; a store applies
//! the charges to packed [`Cell`]s in one atomic step and answers with a [`Decision`].

pub mod adaptive;
pub mod alert;
mod amounts;
mod attributes;
pub mod breaker;
mod cell;
mod charge;
mod decision;
pub mod dial;
mod grants;
mod hash;
pub mod lease;
mod limit;
mod money;
pub mod policy;
pub mod queue;
pub mod quota;
mod time;
mod warning;

pub use amounts::{Amounts, Demand, Unit, Usage};
pub use attributes::{Attribute, Attributes};
pub use cell::{Cell, Ending, NotACell, Sessions, Spent, State};
pub use charge::{Charge, Group, Order, ReservationId};
pub use decision::{Admission, Decision, Refusal, Retry, Standing, Waiting};
pub use grants::{Dialed, Grant, Grants, MAX_GRANTS};
pub use limit::{Calendar, Kind, LimitId, PeriodUnit, Rule, ScopeId};
pub use money::{NanoUsd, ParseMoneyError};
pub use policy::Policy;
pub use time::{Now, Time};
pub use warning::{Crossed, MAX_THRESHOLDS, Warn};
