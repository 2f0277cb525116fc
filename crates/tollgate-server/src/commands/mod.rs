//! One file per command.

pub(crate) mod check;
pub(crate) mod replay;
pub(crate) mod sandbox;
