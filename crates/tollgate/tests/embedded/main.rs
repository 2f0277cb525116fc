//! The embedded store's own promises: what it remembers, and what it says when it can't.

mod audit;
mod export;
mod history;
mod holds;
mod kill;
mod lookup;
mod old;
mod reconcile;
mod redo;
mod refused;
mod restart;
mod retention;
mod short;
mod spend;
mod world;
