//! Accounts that many nodes share, in Redis or Valkey.

mod answers;
mod asking;
mod away;
mod ending;
mod exact;
pub mod items;
mod keeping;
pub mod leases;
pub mod link;
mod local;
mod money;
mod node;
pub mod nodes;
mod recovery;
mod shared;
mod underway;

pub use away::{Members, State, StoreFailures};
pub use exact::{Counter, Ended, Exact};
pub use leases::{LeaseCounts, Leases, LeasesSettings};
pub use link::{Link, LinkError, LinkSettings};
pub use local::Local;
pub use money::{AccountBound, Overspend};
pub use node::Redis;
pub use shared::{
    MAX_CAP, Shared, SharedError, SharedSettings, TimeSource, ended_heard, freed_heard,
};
