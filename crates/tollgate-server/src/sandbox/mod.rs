//! Simulated models of every provider, so that everything can be tried with no account.
//!
//! Each [`dialect`] answers at its provider's own paths, which do not collide, plain and
//! streamed, with latency, pace, token counts and faults set by [`SandboxSettings`] or by the
//! request's own `x-sandbox-…` headers (see [`Plan`]). It can keep limits of its own and fail on
//! schedule. The same seed and the same order of requests give the same answers. Every answer
//! tells in `x-sandbox-service-us` how long the sandbox itself took from the end of the request's
//! body to its response head, so that what others add on the way can be measured.
//!
//! It opens no socket: mounted in the process it is called, stand-alone it is [`serve`]d.

mod answer;
mod anthropic;
mod asked;
mod audio;
mod azure;
mod bedrock;
mod body;
mod content;
mod deepgram;
mod dialect;
mod dice;
mod events;
mod failure;
mod gemini;
mod live;
mod openai;
mod outage;
mod plan;
mod quotas;
mod server;
mod service;
mod settings;
mod strain;
#[cfg(test)]
mod tests;

pub(crate) use body::SandboxBody;
pub(crate) use plan::Plan;
pub(crate) use server::serve;
pub(crate) use service::Sandbox;
pub(crate) use settings::{
    LimitRefill, Outage, OutageFault, SandboxSettings, Share, parse_limit_refill,
    parse_limit_window, parse_outage_fault, parse_share,
};
