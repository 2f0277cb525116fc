//! The two rules of the field, in virtual time: hold the worst case, and charge after.
//!
//! Both know the exact size of every prompt before it is sent, which no gateway does.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{Fate, trace::Request};

/// By what a request is admitted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// The most it can cost is held while it runs, and refused where it does not fit.
    WorstCase,
    /// It runs if the budget is not spent yet, and what it cost is counted when it has ended.
    ChargeAfter,
}

/// Tokens per second of the model, in recorded time.
pub(super) const PACE: u64 = 50;
const SECOND: u64 = 1_000_000_000;

/// Plays all requests; tells how each ended and what was spent.
pub(super) fn play(
    rule: Rule,
    requests: &[Request],
    budget: u64,
    max_tokens: u32,
) -> (Vec<Fate>, u64) {
    let (mut held, mut spent) = (0, 0);
    let mut running = BinaryHeap::new();
    let mut fates = Vec::with_capacity(requests.len());
    for request in requests {
        while let Some(Reverse((end, hold, cost))) = running.peek().copied()
            && end <= request.at_nanos
        {
            running.pop();
            held -= hold;
            spent += cost;
        }
        let (hold, fits) = match rule {
            Rule::WorstCase => {
                let hold = request.worst_cost(max_tokens);
                (hold, spent + held + hold <= budget)
            }
            Rule::ChargeAfter => (0, spent < budget),
        };
        fates.push(if fits { Fate::Served } else { Fate::Refused });
        if fits {
            held += hold;
            let end = request.at_nanos + u64::from(request.output) * SECOND / PACE;
            running.push(Reverse((end, hold, request.cost())));
        }
    }
    spent += running.into_iter().map(|Reverse((_, _, cost))| cost).sum::<u64>();
    (fates, spent)
}
