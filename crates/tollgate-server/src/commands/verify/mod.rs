//! `tollgate verify`: does a ledger keep its promises?

mod audit_chain;
mod reconcile;
mod usage;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use tollgate::store::embedded::{Audit, LimitBalance, audit};
use tollgate_core::{NanoUsd, Unit};

use crate::output;

/// Checks a ledger row by row: nothing missing, nothing above its limit, every sum even; and the
/// audit of the roster beside it, each row of which must follow from the one before.
///
/// The ledger may be in use. It is only read; what a crash has left in its redo file is written
/// to it first. With --reconcile or --usage, what a crash left
/// unresolved, and counts as used until then, is resolved: rows are added to the ledger, which
/// no server may have open, and the sums are shown as they were before and after.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct VerifyArgs {
    /// The ledger's file.
    #[arg(long, value_name = "FILE", default_value = "tollgate.db")]
    ledger: PathBuf,
    /// Give back what nobody ended, or count it as used for good.
    #[arg(long, value_enum, value_name = "HOW")]
    reconcile: Option<Rest>,
    /// Settle what nobody ended by this file: CSV with a header or JSON lines, with the members
    /// id and usd, input_tokens, output_tokens or milliseconds.
    #[arg(long, value_name = "FILE")]
    usage: Option<PathBuf>,
    /// Why it is resolved, for the audit.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// A hash of the audit that was noted elsewhere: it must still be there.
    #[arg(long, value_name = "HASH", conflicts_with_all = ["reconcile", "usage"])]
    audit_head: Option<blake3::Hash>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What was found, for programs.
#[derive(serde::Serialize)]
struct All<'a> {
    #[serde(flatten)]
    ledger: &'a Audit,
    /// Nothing where there is no roster beside the ledger.
    audit: Option<&'a audit_chain::Found>,
}

/// What becomes of what no file names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Rest {
    /// Give it back: nothing of it was used
    Release,
    /// Count it as used for good, all that was reserved
    Keep,
}

const HELP: &str = "\
A file of usage, made from the provider's bill, names requests by their ids as `tollgate export
ledger` shows them. What a line leaves out stays as it was reserved; other columns are passed
over. Without --reconcile, what it does not name stays as it is. What has been settled already
is not settled again.

  id,usd,input_tokens,output_tokens
  01997a52-0f4c-7c8e-b1c5-3a64a4f7e0aa,0.0002606,812,231

Exit status: 0 a clean ledger, 1 one with findings or that can't be read.

Examples:
  tollgate verify
  tollgate verify --json | jq .limits
  tollgate verify --reconcile release              what nobody ended was not used
  tollgate verify --usage bill.csv --reconcile keep    settle what is billed, keep the rest";

/// A line under the header, and nothing else.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Verifies: success is a clean ledger, failure one with findings.
pub(crate) fn run(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    if args.reconcile.is_some() || args.usage.is_some() {
        return reconcile::run(args);
    }
    let found = audit(&args.ledger)?;
    let chain = audit_chain::of(&args.ledger, args.audit_head.as_ref())?;
    if args.json {
        let all = All { ledger: &found, audit: chain.as_ref() };
        let all = serde_json::to_string_pretty(&all).context("writing what was found")?;
        output::line(all);
    } else {
        tell(&found);
        audit_chain::tell(chain.as_ref());
    }
    let is_whole = chain.as_ref().is_none_or(audit_chain::Found::is_whole);
    let is_clean = found.is_clean() && is_whole;
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(found: &Audit) {
    output::line(format_args!(
        "{} rows, {} reservations ({} not ended, of them {} expired), {} accounts, {} admissions checked",
        found.entries,
        found.reservations,
        found.outstanding,
        found.expired,
        found.accounts,
        found.checks,
    ));
    output::line(format_args!(
        "charged: {} requests, {} input and {} output tokens, ${} (of it overrun: ${})",
        found.settled.requests,
        found.settled.input_tokens,
        found.settled.output_tokens,
        found.settled.cost,
        found.overrun.cost,
    ));
    if found.compacted > 0 {
        output::line(format_args!("{} older rows are in the sums of accounts", found.compacted));
    }
    if found.lost > 0 {
        output::line(format_args!(
            "{} of the reservations stand for what crashes may have lost",
            found.lost
        ));
    }
    if !found.limits.is_empty() {
        output::line(table(&found.limits));
    }
    conclude(found);
}

fn conclude(found: &Audit) {
    for finding in &found.findings {
        output::line(format_args!("wrong: {finding}"));
    }
    match found.wrong {
        0 => output::line("the ledger is clean: no limit was exceeded and every sum is even"),
        wrong => output::line(format_args!("the ledger is not clean: {wrong} findings")),
    }
}

fn table(limits: &[LimitBalance]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_header(["limit", "reserved", "settled", "released", "expired", "held", "overrun"]);
    for LimitBalance { limit, unit, balance } in limits {
        let show = |amount| shown(*unit, amount);
        table.add_row([
            limit.clone(),
            show(balance.reserved),
            show(balance.settled),
            show(balance.released),
            show(balance.expired),
            show(balance.held),
            show(balance.overrun),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn shown(unit: Unit, amount: u64) -> String {
    match unit {
        Unit::Usd => format!("${}", NanoUsd(amount)),
        Unit::Seconds => format!("{}.{:03} s", amount / 1000, amount % 1000),
        _ => amount.to_string(),
    }
}
