//! A model that is too simple to be wrong, and histories that hold a store against it.
//!
//! Each case draws a policy and a history of requests, endings, waits and clock jumps. The
//! model keeps every charge that was ever admitted and counts them anew at every question.

pub(crate) mod history;
pub(crate) mod model;
