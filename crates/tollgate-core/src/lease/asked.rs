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
/// Whether it came to pass is not known where the answer is lost. So everything in it can either
/// be told again without counting twice, or may be lost on the safe side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ask {
    /// What requests wait for now.
    pub need: u64,
    /// What the one of them waits for that waits for the least.
    pub least: u64,
    /// What it would like to have, `need` included.
    pub want: u64,
    /// Of what is held (periods and slots): what it goes on holding, in use or not. What it held
    /// beside that is given back or has become `spent`.
    pub keep: u64,
    /// Of periods: what was settled under its leases since the period began, in all.
    pub spent: u64,
    /// Of what counts at once (windows and buckets): what was not used, by what it is counted by.
    pub back: SmallVec<[Back; 2]>,
    /// Of what counts at once: what was used beyond what was reserved and is counted nowhere yet.
    pub over: u64,
    /// The period that `keep` and `spent` are of, by its grant's stamp.
    pub period: Time,
    /// Of what is held: which of the node's asks it is, from 1 on; one that comes after a later
    /// one is not listened to.
    pub number: u64,
}

/// What is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// How much, beside what the node has already.
    pub amount: u64,
    /// What it is counted by at the store; means nothing to a node.
    pub stamp: Time,
    /// How long it may be used from when the store granted it; what is held may be used on.
    pub lasts: Duration,
}
