//! The waiting room, in virtual time: against a model that is too simple to be wrong, and
//! against what it promises.

mod ageing;
mod fairness;
mod model;
mod overflow;
mod properties;
mod support;
mod traffic;
