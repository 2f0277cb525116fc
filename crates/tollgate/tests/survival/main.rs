//! The ledger on disks that fail: power that goes, writes and syncs that do not come back.

mod books;
mod damage;
mod errors;
mod power;
mod retention;
mod scenario;
mod world;
