//! Plays simultaneous users against a URL and counts how their requests end.
//!
//! Closed loop: each user asks, waits for the whole answer, thinks, and asks again, so there
//! are never more requests in flight than users. A request ends in one of three ways: success
//! (a status below 400 and a whole body), error (400 or above) or exception (no whole answer).
//! What was running when the run was interrupted is none of them. Memory is bounded whatever
//! the number of requests: counts, and histograms of fixed size.

mod chart;
mod client;
mod crowd;
mod outcome;
mod report;
mod tally;
mod target;
#[cfg(test)]
mod tests;
mod think;

pub(crate) use chart::bar;
pub(crate) use client::Client;
pub(crate) use crowd::{Begin, Crowd, Until};
pub(crate) use outcome::Outcome;
pub(crate) use report::{Latencies, Report, Run, Share, Threshold, percent};
pub(crate) use tally::{Latency, Tally};
pub(crate) use target::{Address, Header, Payload, Target, parse_method, parse_name};
pub(crate) use think::{Dice, Think, parse_span};
