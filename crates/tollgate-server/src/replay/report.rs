//! What a replay found, for people and for programs.

use std::{collections::BTreeMap, fmt, time::Duration};

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use serde::Serialize;
use tollgate_core::NanoUsd;

use super::{
    Comparison, Tally, Totals,
    compare::Amount,
    price::Tokens,
    tally::{Counts, Quantiles},
};

/// What a replay found. Shown as tables; serialised as one JSON object.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Whether the gateway and the client count the same; nothing where that is not known.
    agree: Option<bool>,
    /// Why that is not known.
    not_compared: Option<String>,
    seconds: f64,
    requests: u64,
    admitted: u64,
    refused: u64,
    failed: u64,
    unsent: u64,
    refused_by: BTreeMap<String, u64>,
    failed_by: BTreeMap<String, u64>,
    tokens: Tokens,
    cost_usd: Option<NanoUsd>,
    comparison: Option<Comparison>,
    added_us: Option<Quantiles>,
    added_from_due_us: Option<Quantiles>,
    refusal_us: Option<Quantiles>,
}

/// A line under the header, and nothing else.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

impl Report {
    /// Joins the client's count with the gateway's, or with the reason why that is missing.
    pub(crate) fn new(tally: Tally, gateway: Result<Totals, String>, took: Duration) -> Self {
        let (comparison, not_compared) = match gateway {
            Ok(totals) => (Some(Comparison::new(&totals, &tally)), None),
            Err(reason) => (None, Some(reason)),
        };
        let Counts { sent, admitted, refused, failed, unsent, tokens, cost, .. } = tally.counts;
        Self {
            agree: comparison.as_ref().map(Comparison::agree),
            not_compared,
            seconds: took.as_secs_f64(),
            requests: sent,
            admitted,
            refused,
            failed,
            unsent,
            tokens,
            cost_usd: tally.priced().then_some(cost),
            comparison,
            added_us: tally.added.quantiles(),
            added_from_due_us: tally.added_from_due.quantiles(),
            refusal_us: tally.refusal.quantiles(),
            refused_by: tally.refused_by,
            failed_by: tally.failed_by,
        }
    }

    /// Whether the gateway and the client count the same; nothing where that is not known.
    pub(crate) const fn agree(&self) -> Option<bool> {
        self.agree
    }

    fn outcomes(&self) -> Table {
        let mut table = table(&["outcome", "requests", "share"]);
        let all = (self.requests + self.unsent).max(1) as f64;
        let mut row = |name: &str, count: u64| {
            let share = format!("{:.2} %", 100.0 * count as f64 / all);
            table.add_row([name.to_owned(), count.to_string(), share]);
        };
        row("admitted", self.admitted);
        row("refused", self.refused);
        for (limit, count) in &self.refused_by {
            row(&format!("  by {limit}"), *count);
        }
        row("failed", self.failed + self.unsent);
        for (reason, count) in &self.failed_by {
            row(&format!("  {reason}"), *count);
        }
        numbers(table)
    }

    fn latencies(&self) -> Table {
        let mut table = table(&["latency, ms", "p50", "p99", "p99.9"]);
        let mut row = |name: &str, quantiles: Option<Quantiles>| {
            let ms = |micros: u64| format!("{:.3}", micros as f64 / 1000.0);
            let cells = quantiles
                .map_or([const { String::new() }; 3], |q| [ms(q.p50), ms(q.p99), ms(q.p99_9)]);
            table.add_row([name.to_owned()].into_iter().chain(cells));
        };
        row("added, from leaving", self.added_us);
        row("added, from being due", self.added_from_due_us);
        row("refusal", self.refusal_us);
        numbers(table)
    }

    fn own_count(&self) -> Table {
        let mut table = table(&["", "client"]);
        table.add_row(["requests".to_owned(), self.requests.to_string()]);
        table.add_row(["input tokens".to_owned(), self.tokens.input.to_string()]);
        table.add_row(["output tokens".to_owned(), self.tokens.output.to_string()]);
        if let Some(cost) = self.cost_usd {
            table.add_row(["dollars".to_owned(), cost.to_string()]);
        }
        numbers(table)
    }
}

impl Comparison {
    fn table(&self) -> Table {
        let mut table = table(&["", "gateway", "client", "agree"]);
        for line in self.lines() {
            let client = match (line.client, line.client_most) {
                (known, most) if known == most => known.to_string(),
                (known, most) => format!("{known} to {most}"),
            };
            let agree = match (line.agree, line.client == line.client_most) {
                (true, true) => "yes",
                (true, false) => "within what broke off",
                (false, _) => "NO",
            };
            let gateway: Amount = line.gateway;
            table.add_row([line.name.to_owned(), gateway.to_string(), client, agree.to_owned()]);
        }
        numbers(table)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} requests sent in {:.1} s", self.requests, self.seconds)?;
        writeln!(f, "\n{}\n", self.outcomes())?;
        match &self.comparison {
            Some(comparison) => writeln!(f, "{}\n", comparison.table())?,
            None => writeln!(f, "{}\n", self.own_count())?,
        }
        writeln!(f, "{}\n", self.latencies())?;
        match (self.agree, &self.not_compared) {
            (Some(true), _) => f.write_str("the gateway and the client agree"),
            (Some(false), _) => f.write_str("the gateway and the client DISAGREE"),
            (None, reason) => {
                write!(
                    f,
                    "not compared: {}",
                    reason.as_deref().unwrap_or("nothing to compare with")
                )
            }
        }
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(header);
    table
}

/// The same table with its numbers to the right.
fn numbers(mut table: Table) -> Table {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
