//! Every route, asked in memory, in a time that stands still until it is moved.

mod access;
mod bad_input;
mod cache;
mod description;
mod permits;
mod sessions;
mod settlements;
mod statistics;
mod world;

pub(crate) use world::{Answer, World};
