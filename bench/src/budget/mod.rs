//! What becomes of a budget: recorded traffic under a budget of a part of its own cost, and
//! a burst whose worst case does not fit.
//!
//! Tollgate is the real gateway before the real sandbox, under `tollgate replay`; what it
//! spent is read from its ledger. The other sides decide by the two rules of the field, in
//! virtual time and knowing every prompt's exact size, so they are at their best ([`rules`]).

mod gateway;
mod rules;
mod table;
mod trace;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use serde::Serialize;

use self::{rules::Rule, trace::Request};
use crate::table::progress;

/// What is played, and how.
#[derive(Args)]
pub(crate) struct Budget {
    /// Rows of TIMESTAMP,ContextTokens,GeneratedTokens.
    #[arg(long, default_value = "../shared/data/azure2023_conv.csv")]
    trace: PathBuf,
    /// Play only the first rows.
    #[arg(long)]
    requests: Option<usize>,
    /// How many times faster than recorded.
    #[arg(long, default_value = "30", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    speed: u32,
    /// The share of the trace's requests that ask for a stream.
    #[arg(long, default_value = "0.5")]
    stream: f64,
    /// The `max_tokens` of every request.
    #[arg(long, default_value = "4096")]
    max_tokens: u32,
    /// Runs of the burst.
    #[arg(long, default_value = "5")]
    bursts: u32,
}

/// All numbers of the benchmark.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    trace: Sides,
    bursts: Vec<Sides>,
    speed: u32,
    stream: f64,
    max_tokens: u32,
}

/// What became of one budget on each side.
#[derive(Debug, Serialize)]
pub(crate) struct Sides {
    requests: usize,
    true_cost_nanos: u64,
    budget_nanos: u64,
    tollgate: Side,
    worst_case: Side,
    charge_after: Side,
}

/// What became of the budget on one side.
#[derive(Debug, Serialize)]
pub(crate) struct Side {
    /// Answered whole.
    served: usize,
    /// Ended in the middle, since nothing was left.
    cut: usize,
    refused: usize,
    /// Of the refused, those that what was left at the end would have paid for.
    needless: usize,
    spent_nanos: u64,
    /// What was spent on the requests that came before the first that was refused; all, if
    /// none was.
    spent_before_refusals_nanos: u64,
}

/// How one request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Served,
    Cut,
    Refused,
}

/// The budget of the recorded traffic, as a part of what it costs, in hundredths.
const TRACE_BUDGET: u64 = 80;
/// That of the burst: what it costs, and a little.
const BURST_BUDGET: u64 = 110;
const BURST: usize = 20;

/// Runs all sides.
///
/// # Errors
/// When the trace cannot be read or a process does not run.
pub(crate) fn run(args: &Budget) -> Result<Report> {
    let mut requests = trace::read(&args.trace)?;
    requests.truncate(args.requests.unwrap_or(usize::MAX));
    ensure!(requests.len() > BURST, "the trace has too few rows for a burst of {BURST}");
    let mut bursts = vec![];
    for nth in 0..args.bursts as usize {
        progress(format_args!("burst {} of {}", nth + 1, args.bursts));
        // Evenly over the trace, each row at the same instant.
        let step = requests.len() / BURST;
        let burst = requests.iter().skip(nth).step_by(step).take(BURST);
        let burst: Vec<_> = burst.map(|row| Request { at_nanos: 0, ..*row }).collect();
        // Of streams, since what cannot be metered while it runs reserves all it may be.
        bursts.push(sides(args, &burst, BURST_BUDGET, 1.0)?);
    }
    progress(format_args!("{} recorded requests", requests.len()));
    let trace = sides(args, &requests, TRACE_BUDGET, args.stream)?;
    Ok(Report {
        trace,
        bursts,
        speed: args.speed,
        stream: args.stream,
        max_tokens: args.max_tokens,
    })
}

fn sides(args: &Budget, requests: &[Request], hundredths: u64, stream: f64) -> Result<Sides> {
    let true_cost_nanos: u64 = requests.iter().map(Request::cost).sum();
    let budget = true_cost_nanos * hundredths / 100;
    let simulated = |rule| {
        let (fates, spent) = rules::play(rule, requests, budget, args.max_tokens);
        Side::new(requests, &fates, budget, spent)
    };
    let (fates, spent) = gateway::play(args, requests, budget, stream)?;
    Ok(Sides {
        requests: requests.len(),
        true_cost_nanos,
        budget_nanos: budget,
        tollgate: Side::new(requests, &fates, budget, spent),
        worst_case: simulated(Rule::WorstCase),
        charge_after: simulated(Rule::ChargeAfter),
    })
}

impl Side {
    fn new(requests: &[Request], fates: &[Fate], budget: u64, spent: u64) -> Self {
        let count = |fate| fates.iter().filter(|one| **one == fate).count();
        let first_refused = fates.iter().position(|fate| *fate == Fate::Refused);
        let before = requests.iter().zip(fates).take(first_refused.unwrap_or(0));
        let before = before.filter(|(_, fate)| **fate == Fate::Served);
        let mut left = budget.saturating_sub(spent);
        let mut needless = 0;
        for (request, _) in requests.iter().zip(fates).filter(|(_, fate)| **fate == Fate::Refused) {
            if let Some(less) = left.checked_sub(request.cost()) {
                left = less;
                needless += 1;
            }
        }
        Self {
            served: count(Fate::Served),
            cut: count(Fate::Cut),
            refused: count(Fate::Refused),
            needless,
            spent_nanos: spent,
            spent_before_refusals_nanos: match first_refused {
                Some(_) => before.map(|(request, _)| request.cost()).sum(),
                None => spent,
            },
        }
    }
}
