//! What adapts to how a provider bears its load, in virtual time.

mod concurrency;
mod interval;
mod retry;
mod world;
