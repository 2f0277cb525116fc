//! `tollgate verify`: does a ledger keep its promises?

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use tollgate::store::embedded::{Audit, LimitBalance, audit};
use tollgate_core::{NanoUsd, Unit};

use crate::output;

/// Checks a ledger row by row: nothing missing, nothing above its limit, every sum even.
///
/// The ledger is only read, and may be in use.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// The ledger's file.
    #[arg(long, value_name = "FILE", default_value = "tollgate.db")]
    ledger: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// A line under the header, and nothing else.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Verifies: success is a clean ledger, failure one with findings.
pub(crate) fn run(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let found = audit(&args.ledger)?;
    if args.json {
        let found = serde_json::to_string_pretty(&found).context("writing what was found")?;
        output::line(found);
    } else {
        tell(&found);
    }
    Ok(if found.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
    if !found.limits.is_empty() {
        output::line(table(&found.limits));
    }
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
