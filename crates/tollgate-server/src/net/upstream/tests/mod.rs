//! What the client towards a provider promises.

mod addresses;
mod failures;
mod passing;
mod paths;
mod pool;
mod provider;
