//! When somebody is to be told: what grew of late, how the whole is, and when a condition that
//! holds becomes an alert.
//!
//! There is no clock and nobody is told anything here: values and instants are arguments, and
//! whoever looks tells what came of it.

mod book;
mod health;
mod machine;
mod name;
mod recent;

pub use book::{Book, Condition, Event, Firing, MAX_SUBJECTS, Subject};
pub use health::{Path, Service, Signs, Status};
pub use machine::{Bad, Machine, Rule, Severity, Turn};
pub use name::AlertName;
pub use recent::{Grows, Recent, STEPS};
