//! The recorded requests, and what each costs.

use std::{io::Write, path::Path};

use anyhow::{Context as _, Result, ensure};
use jiff::civil::DateTime;
use serde::Deserialize;

/// Dollars for a million tokens: a widely used model's of the trace's year.
pub(super) const PRICES: [&str; 2] = ["2.50", "10"];
/// The same in nano-dollars for one token.
const NANOS: [u64; 2] = [2_500, 10_000];

/// One recorded request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    /// From the first on.
    pub(super) at_nanos: u64,
    pub(super) input: u32,
    pub(super) output: u32,
}

#[derive(Deserialize)]
struct Row {
    #[serde(rename = "TIMESTAMP")]
    at: String,
    #[serde(rename = "ContextTokens")]
    input: u32,
    #[serde(rename = "GeneratedTokens")]
    output: u32,
}

/// Reads a trace.
pub(super) fn read(path: &Path) -> Result<Vec<Request>> {
    let name = path.display();
    let trace = csv::Reader::from_path(path);
    let mut trace = trace.with_context(|| format!("cannot open {name}: give --trace FILE"))?;
    let rows: Vec<Row> = trace.deserialize().collect::<Result<_, _>>()?;
    let first: DateTime =
        rows.first().with_context(|| format!("{name} has no rows"))?.at.parse()?;
    let requests = rows.iter().map(|row| {
        let at = row.at.parse::<DateTime>()?.duration_since(first).as_nanos();
        Ok(Request { at_nanos: u64::try_from(at)?, input: row.input, output: row.output })
    });
    let requests: Vec<Request> = requests.collect::<Result<_>>()?;
    ensure!(requests.is_sorted_by_key(|request| request.at_nanos), "{name} is not in order");
    Ok(requests)
}

/// Writes requests as a trace, for the replay.
pub(super) fn write(requests: &[Request], mut to: impl Write) -> Result<()> {
    writeln!(to, "TIMESTAMP,ContextTokens,GeneratedTokens")?;
    let start = jiff::civil::date(2023, 11, 16).at(0, 0, 0, 0);
    for request in requests {
        let at = start + jiff::SignedDuration::from_nanos(i64::try_from(request.at_nanos)?);
        writeln!(to, "{at},{},{}", request.input, request.output)?;
    }
    Ok(())
}

impl Request {
    /// What it really costs, in nano-dollars.
    pub(super) fn cost(&self) -> u64 {
        cost(self.input, self.output)
    }

    /// What it costs if its answer is as long as it may be.
    pub(super) fn worst_cost(&self, max_tokens: u32) -> u64 {
        cost(self.input, self.output.max(max_tokens))
    }
}

fn cost(input: u32, output: u32) -> u64 {
    u64::from(input) * NANOS[0] + u64::from(output) * NANOS[1]
}
