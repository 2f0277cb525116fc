//! The promises of a decision, held against a model that is too simple to be wrong.
//!
//! Each case draws a policy and a history of requests, endings, waits and clock jumps. The
//! model keeps every charge that was ever admitted and counts them anew at every question.

mod model;
mod properties;
mod threads;
mod trees;
