//! Accounts that many nodes share, in Redis or Valkey.

pub mod link;

pub use link::{Link, LinkError, LinkSettings};
