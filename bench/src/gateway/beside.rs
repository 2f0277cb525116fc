//! Two gateways, one of which does something that the other one does not, and what that costs.
//!
//! Nothing else is between them. Rounds are short and many, since a shared machine is faster at
//! one time than at another, and who goes first alternates.

use std::{num::NonZeroU32, time::Duration};

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::{Measured, load::Load};
use crate::{
    stopwatch::median,
    table::{Row, progress},
};

/// For how long to measure.
#[derive(Args)]
pub(crate) struct Beside {
    /// Rounds of each side.
    #[arg(long, default_value = "40")]
    rounds: NonZeroU32,
    /// Seconds of one round.
    #[arg(long, default_value = "1")]
    seconds: NonZeroU32,
    /// Connections of the load.
    #[arg(long, default_value = "32")]
    connections: NonZeroU32,
}

/// What both did: the one that does more, and the other one.
#[derive(Debug, Serialize)]
pub(crate) struct Compared {
    /// Requests per second in the median round, as many as could be served.
    saturated_per_second: [f64; 2],
    /// Microseconds of processor time that the process took for one request, of all rounds.
    cpu_us_per_request: [f64; 2],
    /// The quartiles of the first by the second in the same round.
    beside: [f64; 3],
}

/// Rounds that are not counted: a process that has just started is slower.
const WARM_UP: u32 = 3;

/// Measures both in turn.
///
/// # Errors
/// When one answers with anything but success.
pub(super) fn compare(mut sides: [Measured; 2], args: &Beside) -> Result<Compared> {
    let round = Duration::from_secs(args.seconds.get().into());
    let load = Load { connections: args.connections.get(), round, per_second: None };
    for nth in 1..=WARM_UP {
        for side in &sides {
            load.run(&side.target, nth.into())?;
        }
    }
    for nth in 1..=args.rounds.get() {
        // First and second, second and first, and so on.
        let order = if nth % 2 == 1 { [0, 1] } else { [1, 0] };
        for side in order {
            sides[side].round(&load, nth.into())?;
        }
        let [with, without] = &sides;
        let rates = [with, without].map(|side| side.rates.last().copied().unwrap_or_default());
        progress(format_args!("round {nth}: {:.0}/s beside {:.0}/s", rates[0], rates[1]));
    }
    let [with, without] = &sides;
    let mut ratios: Vec<f64> =
        with.rates.iter().zip(&without.rates).map(|(ours, theirs)| ours / theirs).collect();
    ratios.sort_by(f64::total_cmp);
    let quartile = |nth: usize| ratios[(ratios.len() - 1) * nth / 4];
    Ok(Compared {
        saturated_per_second: [with.rate(), without.rate()],
        cpu_us_per_request: [with.cpu_us_per_request(), without.cpu_us_per_request()],
        beside: [quartile(1), median(ratios.clone()), quartile(3)],
    })
}

impl Compared {
    /// As a table's rows, where so much of the other's requests per second is wanted.
    pub(super) fn rows(&self, wanted: f64) -> Vec<Row> {
        let [with, without] = self.saturated_per_second.map(|rate| format!("{rate:.0}/s"));
        let [cpu_with, cpu_without] = self.cpu_us_per_request.map(|us| format!("{us:.1} µs"));
        let [_, beside, _] = self.beside;
        vec![
            Row::new("requests, saturated", with, without).at_least(beside, wanted, "×"),
            Row::new("processor time of one request", cpu_with, cpu_without),
        ]
    }

    /// What the ratio is.
    pub(super) fn notes(&self) -> Vec<String> {
        let [lower, _, upper] = self.beside;
        vec![
            "The ratio is the median of single rounds.".into(),
            format!("Half of the rounds are between {lower:.2}× and {upper:.2}×."),
        ]
    }
}
