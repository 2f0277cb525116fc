//! The client's log: one JSON object a line, for comparing with a ledger later.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::Path,
};

use serde::Serialize;
use tollgate_core::NanoUsd;

use super::{
    Tally,
    outcome::{Ending, Outcome},
    request::user_name,
};

/// Writes outcomes as they come.
#[derive(Debug)]
pub(crate) struct Log(BufWriter<File>);

#[derive(Serialize)]
struct Entry<'a> {
    /// The row's number in the trace, from 1 on.
    row: usize,
    /// The gateway's id for the request.
    id: Option<&'a str>,
    user: String,
    stream: bool,
    due_ms: u64,
    ended_us: u64,
    status: Option<u16>,
    outcome: &'static str,
    /// Whether the answer arrived whole; if not, it may have been charged.
    acknowledged: bool,
    limit: Option<&'a str>,
    reason: Option<String>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cost_usd: Option<NanoUsd>,
    /// The most it can have used, where that is not known.
    most_input_tokens: Option<u64>,
    most_output_tokens: Option<u64>,
}

impl Log {
    /// A new log at `path`, instead of what was there.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(BufWriter::new(File::create(path)?)))
    }

    /// Writes one outcome; `tally` prices it.
    pub(crate) fn write(&mut self, outcome: &Outcome, tally: &Tally) -> io::Result<()> {
        let used = match outcome.ending {
            Ending::Admitted { used } => used,
            _ => None,
        };
        let unknown = used.is_none()
            && matches!(outcome.ending, Ending::Admitted { .. } | Ending::Error | Ending::Lost(_));
        let entry = Entry {
            row: outcome.row + 1,
            id: outcome.id.as_deref(),
            user: user_name(outcome.deal.user),
            stream: outcome.deal.stream,
            due_ms: u64::try_from(outcome.due.as_millis()).unwrap_or(u64::MAX),
            ended_us: u64::try_from(outcome.ended.as_micros()).unwrap_or(u64::MAX),
            status: outcome.status,
            outcome: outcome.ending.name(),
            acknowledged: outcome.ending.acknowledged(),
            limit: match &outcome.ending {
                Ending::Refused { limit } => Some(limit),
                _ => None,
            },
            reason: match outcome.ending {
                Ending::Lost(loss) => Some(loss.to_string()),
                _ => None,
            },
            input_tokens: used.map(|used| used.input),
            output_tokens: used.map(|used| used.output),
            cost_usd: used.filter(|_| tally.priced()).map(|used| tally.cost(used)),
            most_input_tokens: unknown.then_some(outcome.most.input),
            most_output_tokens: unknown.then_some(outcome.most.output),
        };
        serde_json::to_writer(&mut self.0, &entry)?;
        self.0.write_all(b"\n")
    }

    /// Writes out what is held back.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
}
