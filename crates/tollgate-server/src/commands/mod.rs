//! One file per command.

pub(crate) mod alerts;
mod ask;
pub(crate) mod cache;
pub(crate) mod check;
pub(crate) mod circuits;
pub(crate) mod emergency;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod keys;
pub(crate) mod load;
pub(crate) mod monitor;
pub(crate) mod overrides;
pub(crate) mod plan;
pub(crate) mod replay;
mod roster;
pub(crate) mod sandbox;
pub(crate) mod serve;
pub(crate) mod simulate;
pub(crate) mod stats;
pub(crate) mod status;
mod table;
pub(crate) mod tiers;
pub(crate) mod verify;
