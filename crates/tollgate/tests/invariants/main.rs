//! The promises of a decision, held against a model that is too simple to be wrong.

#[path = "../naive/mod.rs"]
mod naive;
mod properties;
mod threads;
mod trees;
