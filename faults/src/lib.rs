//! A disk that fails as it is told, and remembers what was written to it.
//!
//! [`VFS`] is SQLite's own way to the system's files with an observer in between: for the
//! files of a folder that a [`Disk`] watches, it writes down every write, truncation, sync,
//! making and removing in order, and fails the one that was asked for. From that [`Event`]s,
//! a [`Platter`] makes what a loss of power could have left at any instant.
//!
//! It is for tests alone, and the one crate of the workspace with `unsafe` code.

mod disk;
mod platter;
mod shim;

pub use disk::{Disk, Event, Failure, Fault, Operation};
pub use platter::{Image, Loss, Platter};

/// The name under which SQLite knows it. It is there as soon as there is a [`Disk`].
pub const VFS: &str = "faults";
