//! What a node and a store say to each other about one account.

use std::time::Duration;

use smallvec::SmallVec;

use crate::Time;

/// Units of a lease that are given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Back {
    /// What they are counted by: the [`stamp`](Grant::stamp) of their grant.
    pub stamp: Time,
    /// How many.
    pub amount: u64,
}

/// What a node asks of an account, and tells it.
///
/// Whether it came to pass is not known where the answer is lost. So what is told again is what
/// may be counted twice, and what is given back is given up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ask {
    /// What requests wait for now.
    pub need: u64,
    /// What the one of them waits for that waits for the least.
    pub least: u64,
    /// What it would like to have, `need` included.
    pub want: u64,
    /// What was not used, by what it is counted by.
    pub back: SmallVec<[Back; 2]>,
    /// What was used beyond what was reserved and is counted nowhere yet.
    pub over: u64,
}

/// What is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// How much, beside what the node has already.
    pub amount: u64,
    /// What it is counted by at the store; means nothing to a node.
    pub stamp: Time,
    /// How long it may be used from when the store granted it.
    pub lasts: Duration,
}
