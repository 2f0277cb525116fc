//! `tollgate export audit`: who changed what, when, why, and how it was before and after.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use serde::Serialize;
use tollgate_core::Time;

use super::{ChosenArgs, Row, Rows, to_end};
use crate::roster::{AuditRow, Trail};

/// The roster's file beside the ledger is only read, and may be in use by a server.
#[derive(Debug, clap::Args)]
#[command(after_long_help = COLUMNS)]
pub(super) struct AuditArgs {
    /// The ledger's file, beside which the roster is
    #[arg(long, value_name = "FILE", default_value = "tollgate.db")]
    ledger: PathBuf,
    #[command(flatten)]
    chosen: ChosenArgs,
}

const COLUMNS: &str = "\
Columns, and members of the JSON objects:
  seq       the row's number
  at        when, RFC 3339 in UTC
  who       command:USER, api:ADDRESS, or system: and what of it
  what      such as key.create, tier.set, override.set, circuit.force, emergency.on,
            emergency.off, emergency.expired, policy.reload, policy.refused, cache.clear, ledger.reconcile
  subject   of which key, user, limit or circuit
  reason    why, where that was said
  before    how it was, as JSON; null where it was not there
  after     how it is, as JSON; null where it is not there any more
  hash      of the row and of the hash before it: `tollgate verify` checks all of them

Examples:
  tollgate export audit --out audit.csv
  tollgate export audit --format jsonl --from 2026-11-01 | jq 'select(.what == \"emergency.on\")'";

/// The audit, as far as it was asked for.
struct Chosen {
    trail: Option<Trail>,
    from: Option<Time>,
    to: Option<Time>,
    done: u64,
    /// How many there were at the beginning.
    count: u64,
}

/// A line; the order of its members is that of the columns. CSV has texts of JSON.
#[derive(Serialize)]
struct Line<'a> {
    seq: i64,
    at: String,
    who: &'a str,
    what: &'a str,
    subject: &'a str,
    reason: Option<&'a str>,
    before: String,
    after: String,
    hash: String,
}

const HEADER: [&str; 9] =
    ["seq", "at", "who", "what", "subject", "reason", "before", "after", "hash"];

/// Writes what was asked for.
pub(super) fn run(args: &AuditArgs) -> anyhow::Result<ExitCode> {
    let trail = Trail::beside(&args.ledger)?;
    let count = trail.as_ref().map(Trail::count).transpose()?.unwrap_or_default();
    let rows = Chosen { trail, from: args.chosen.from, to: args.chosen.to, done: 0, count };
    to_end(rows, &args.ledger, args.chosen.format, args.chosen.out.as_deref())
}

impl Rows for Chosen {
    type Row = AuditRow;

    fn next_rows(&mut self) -> anyhow::Result<Option<Vec<AuditRow>>> {
        let Some(trail) = &mut self.trail else { return Ok(None) };
        let lot = trail.next_rows()?;
        if lot.is_empty() {
            return Ok(None);
        }
        self.done += lot.len() as u64;
        let (from, to) = (self.from, self.to);
        let is_meant = |row: &AuditRow| {
            let at = row.at.time();
            from.is_none_or(|from| from <= at) && to.is_none_or(|to| at < to)
        };
        Ok(Some(lot.into_iter().filter(is_meant).collect()))
    }

    fn progress(&self) -> (u64, u64) {
        (self.done, self.count)
    }
}

impl Row for AuditRow {
    const HEADER: &[&str] = &HEADER;

    fn write_csv<W: Write>(&self, csv: &mut csv::Writer<W>) -> io::Result<()> {
        let line = Line {
            seq: self.seq,
            at: self.at.to_string(),
            who: &self.who,
            what: &self.what,
            subject: &self.subject,
            reason: self.reason.as_deref(),
            before: self.before.to_string(),
            after: self.after.to_string(),
            hash: self.hash(),
        };
        csv.serialize(line).map_err(io::Error::from)
    }

    fn write_json<W: Write>(&self, to: &mut W) -> io::Result<()> {
        Ok(serde_json::to_writer(to, self)?)
    }
}
