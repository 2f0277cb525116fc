//! What a gateway's log tells of a circuit: when it was opened, half-open and closed.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use tollgate_core::Time;

/// A change of state.
#[derive(Debug, Clone)]
pub(super) struct Change {
    /// By the wall clock.
    pub(super) at: Time,
    pub(super) to: String,
}

/// A line of the log, as far as it tells of a change.
#[derive(Deserialize)]
struct Line {
    timestamp: String,
    to: String,
}

pub(super) const CLOSED: &str = "closed";
pub(super) const OPEN: &str = "open";

/// All changes of a provider's circuits, as they came.
///
/// # Errors
/// When the log cannot be read.
pub(super) fn changes(log: &Path, provider: &str) -> Result<Vec<Change>> {
    let text = fs::read_to_string(log).with_context(|| format!("no log {}", log.display()))?;
    let of_provider = format!("Circuit breaker of {provider}/");
    let told = text.lines().filter(|line| line.contains(&of_provider));
    told.map(|line| {
        let line: Line = serde_json::from_str(line).context("a change of a circuit is told so")?;
        let at: jiff::Timestamp = line.timestamp.parse()?;
        Ok(Change { at: Time::from_nanos(u64::try_from(at.as_nanosecond())?), to: line.to })
    })
    .collect()
}

/// The state at an instant.
pub(super) fn state(changes: &[Change], at: Time) -> &str {
    changes.iter().rfind(|change| change.at <= at).map_or(CLOSED, |change| &change.to)
}
