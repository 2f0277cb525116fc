//! What a provider has left for its caller, learned from what it announces, so that no request
//! is sent that it would refuse.
//!
//! A [`Quota`] stands before what one provider counts together: a key and a model, mostly.
//! It is told each request that is [sent](Quota::send) and what the [answer](Quota::answered)
//! announced. It promises, as far as the provider keeps to what it announces and requests
//! reach it within the [grace](QuotaSettings::grace):
//!
//! - **No more is sent than is left.** What was sent and is not surely in the numbers of the
//!   last answer is subtracted from them.
//! - **Whether what is left grows is learned** from the numbers, and taken for granted only once
//!   they have shown it.
//! - **Answers may come late and in any order.** Numbers count from when their request was
//!   *sent*; those of an earlier one lower what is left where they may be newer, and never raise
//!   it.
//! - **After a "too many requests" nothing is sent** until the instant that the provider told,
//!   its reset, or a time that doubles with each that tells neither.
//! - **It opens again little by little**, spread over [`QuotaSettings::spread`], where requests
//!   were held back.
//! - **What another process knew is taken over** as far as it still means something, and is
//!   asked for with one request at a time before it is relied on.
//! - **Bounded.** It remembers [`MAX_SENT`] requests; more are taken together, on the safe side.
//!
//! A provider that announces nothing and refuses nothing is not held back at all. There is no
//! clock here: the present is an argument, and never goes back.

mod announced;
mod growth;
mod left;
mod machine;
mod opening;
mod saved;
mod sent;
mod settings;

pub use announced::{Announced, Reading};
pub use machine::Quota;
pub use opening::MAX_CLOSED;
pub use saved::SavedQuota;
pub use sent::{MAX_SENT, Sent};
pub use settings::{QuotaSettings, Refill};

use crate::{Demand, Unit};

/// What a provider may count.
const UNITS: [Unit; 4] = [Unit::Requests, Unit::Tokens, Unit::InputTokens, Unit::OutputTokens];

/// An amount of each of [`UNITS`].
type Each = [u64; UNITS.len()];

fn each_of(demand: &Demand) -> Each {
    UNITS.map(|unit| demand.of(unit))
}
