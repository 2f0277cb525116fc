//! What a run found, and whether that is enough.

use std::{collections::BTreeMap, str::FromStr, time::Duration};

use serde::Serialize;

use super::{
    chart::{Bin, bins},
    crowd::Played,
    outcome::Failure,
    tally::{Failed, Latency, Tally},
};

/// What a run found. Serialised as one JSON object.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) url: String,
    pub(crate) users: u32,
    pub(crate) seconds: f64,
    /// Requests that ended, in one of three ways.
    pub(crate) requests: u64,
    pub(crate) requests_per_second: f64,
    pub(crate) success: Share,
    pub(crate) error: Share,
    pub(crate) exception: Share,
    pub(crate) by_status: BTreeMap<u16, u64>,
    pub(crate) by_exception: BTreeMap<Failure, Failed>,
    /// Requests that were running when the run was interrupted: not judged.
    pub(crate) abandoned: u64,
    pub(crate) interrupted: bool,
    pub(crate) success_us: Option<Latencies>,
    pub(crate) error_us: Option<Latencies>,
    /// Of all whole answers.
    pub(crate) histogram: Vec<Bin>,
    pub(crate) threshold_percent: Threshold,
    pub(crate) passed: bool,
}

/// What was run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) url: String,
    pub(crate) users: u32,
    pub(crate) took: Duration,
    pub(crate) played: Played,
    pub(crate) threshold: Threshold,
}

/// A count, and which part of all requests it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Share {
    pub(crate) count: u64,
    pub(crate) percent: f64,
}

/// How long answers took from the request's start to the end of the body, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Latencies {
    pub(crate) least: u64,
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p95: u64,
    pub(crate) p99: u64,
    pub(crate) most: u64,
}

/// The least percentage of successes that passes, from 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
pub(crate) struct Threshold(f64);

impl Report {
    /// Judges what was counted.
    pub(crate) fn new(run: Run, tally: Tally) -> Self {
        let (success, error, exception) = (tally.successes(), tally.errors(), tally.exceptions());
        let requests = success + error + exception;
        let seconds = run.took.as_secs_f64();
        let share = |count| Share { count, percent: percent(count, requests) };
        let answered = tally.success.clone().with(&tally.error);
        Self {
            url: run.url,
            users: run.users,
            seconds,
            requests,
            requests_per_second: if seconds > 0.0 { requests as f64 / seconds } else { 0.0 },
            success: share(success),
            error: share(error),
            exception: share(exception),
            abandoned: run.played.begun.saturating_sub(requests),
            interrupted: run.played.interrupted,
            success_us: Latencies::of(&tally.success),
            error_us: Latencies::of(&tally.error),
            histogram: answered.recorded().map(bins).unwrap_or_default(),
            by_status: tally.by_status,
            by_exception: tally.by_failure,
            threshold_percent: run.threshold,
            passed: run.threshold.passes(success, requests),
        }
    }
}

impl Latencies {
    /// Those that were recorded; nothing where nothing was.
    pub(crate) fn of(latency: &Latency) -> Option<Self> {
        let recorded = latency.recorded()?;
        let at = |quantile| recorded.value_at_quantile(quantile);
        Some(Self {
            least: recorded.min(),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            most: recorded.max(),
        })
    }
}

impl Threshold {
    /// Whether so many successes of all requests are enough; without a request nothing was
    /// shown, so it is not passed.
    pub(crate) fn passes(self, successes: u64, requests: u64) -> bool {
        requests > 0 && successes as f64 * 100.0 >= self.0 * requests as f64
    }

    /// In percent.
    pub(crate) const fn percent(self) -> f64 {
        self.0
    }
}

impl FromStr for Threshold {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_suffix('%').unwrap_or(text).trim().parse() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self(percent)),
            _ => Err("write a percentage from 0 to 100, like 90"),
        }
    }
}

/// A part of a whole in percent; nothing of nothing is none.
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}
