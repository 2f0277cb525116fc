//! Plays a recorded trace as real HTTP requests and keeps books of its own.
//!
//! Open loop: requests leave when the trace says, never because an earlier one was answered,
//! and are timed both from the instant they were due and from the instant they left, so that
//! coordinated omission shows. What is counted comes from the answers alone ([`Tally`]), by
//! code that shares nothing with the gateway's metering, and is then held against the
//! gateway's own totals ([`Comparison`]). An answer is acknowledged when its body arrived
//! whole; what broke off may have been charged or not, and widens the comparison by exactly
//! what it could have cost.

mod answer;
mod client;
mod compare;
mod deal;
mod gateway;
mod log;
mod outcome;
mod player;
mod price;
mod published;
mod report;
mod request;
mod tally;
#[cfg(test)]
mod tests;
mod trace;

pub(crate) use client::{Client, refusing_limit};
pub(crate) use compare::Comparison;
pub(crate) use deal::Dealer;
pub(crate) use gateway::{Status, Totals};
pub(crate) use log::Log;
pub(crate) use outcome::Outcome;
pub(crate) use player::{Pace, Player};
pub(crate) use price::{Prices, Tokens};
pub(crate) use report::Report;
pub(crate) use request::{
    BYTES_PER_TOKEN, INPUT_TOKENS, Identity, OUTPUT_TOKENS, Requests, SENTENCE, USER, user_name,
};
pub(crate) use tally::Tally;
pub(crate) use trace::Trace;
