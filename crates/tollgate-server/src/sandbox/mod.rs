//! A simulated OpenAI-style model, so that everything can be tried with no account.
//!
//! It speaks chat completions, legacy completions, embeddings and the models list in their
//! native shapes, plain and streamed, with latency, pace, token counts and faults set by
//! [`SandboxSettings`] or by the request's own `x-sandbox-…` headers (see [`Plan`]). The same
//! seed and the same order of requests give the same answers. Every answer tells in
//! `x-sandbox-service-us` how long the sandbox itself took from the end of the request's body
//! to its response head, so that what others add on the way can be measured.
//!
//! It opens no socket: mounted in the process it is called, stand-alone it is [`serve`]d.

mod answer;
mod body;
mod content;
mod dice;
mod embeddings;
mod errors;
mod events;
mod models;
mod plan;
mod request;
mod server;
mod service;
mod settings;
#[cfg(test)]
mod tests;

pub(crate) use body::SandboxBody;
pub(crate) use plan::Plan;
pub(crate) use server::serve;
pub(crate) use service::Sandbox;
pub(crate) use settings::{SandboxSettings, Share, parse_share};
