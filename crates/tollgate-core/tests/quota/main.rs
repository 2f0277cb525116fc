//! What is learned of a provider's quota, in virtual time: a table of cases, and a provider
//! that keeps to what it announces.

mod provider;
mod restart;
mod table;
mod world;
