//! One file per command.

pub(crate) mod check;
pub(crate) mod keys;
pub(crate) mod replay;
pub(crate) mod sandbox;
pub(crate) mod serve;
pub(crate) mod verify;
