//! From `[[limits]]` to limits: what an entry may say, and what it means.

mod compile;
mod entry;
mod forms;
mod granted;
mod measure;
mod queue;
mod sync;
mod warn;

pub(crate) use compile::{Findings, compile};
pub(crate) use entry::LimitEntry;
pub(crate) use forms::{LaterRead, is_name};
