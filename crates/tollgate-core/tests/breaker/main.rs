//! The circuit breaker, in virtual time: a table of stories, and the promises that hold in
//! any story, against a model that is too simple to be wrong.

mod model;
mod properties;
mod settings;
mod story;
mod table;
