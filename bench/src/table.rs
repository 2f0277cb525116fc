//! What a benchmark prints: a table for people, one JSON object for programs.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the output module")]

use anyhow::Result;
use comfy_table::{Table, presets::UTF8_HORIZONTAL_ONLY};
use serde::Serialize;

/// A result that a person can read.
pub(crate) trait Summary: Serialize {
    /// Its lines, in the order of importance.
    fn rows(&self) -> Vec<Row>;

    /// What a reader must know to judge the numbers.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// One measured thing.
pub(crate) struct Row {
    what: String,
    ours: String,
    theirs: String,
    goal: Option<Goal>,
}

/// What is wanted of it.
struct Goal {
    measured: String,
    wanted: String,
    met: bool,
}

/// Prints a result.
///
/// # Errors
/// When it cannot be written as JSON.
pub(crate) fn print(result: &impl Summary, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(result)?);
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header(["", "tollgate", "other side", "measured", "wanted", ""]);
    for row in result.rows() {
        let (measured, wanted, verdict) = match row.goal {
            Some(goal) => (goal.measured, goal.wanted, if goal.met { "met" } else { "MISSED" }),
            None => Default::default(),
        };
        table.add_row([row.what, row.ours, row.theirs, measured, wanted, verdict.to_owned()]);
    }
    println!("{table}");
    for note in result.notes() {
        println!("{note}");
    }
    Ok(())
}

/// Says why there is no result.
pub(crate) fn failure(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

/// Says what is being measured now; beside the result, not in it.
pub(crate) fn progress(what: impl std::fmt::Display) {
    eprintln!("{what}");
}

impl Row {
    /// A measured thing, with what the other side of the run had, or nothing.
    pub(crate) fn new(
        what: impl Into<String>,
        ours: impl Into<String>,
        theirs: impl Into<String>,
    ) -> Self {
        Self { what: what.into(), ours: ours.into(), theirs: theirs.into(), goal: None }
    }

    /// Wanted: `measured` is no more than `most`.
    pub(crate) fn at_most(self, measured: f64, most: f64, unit: &str) -> Self {
        self.goal(measured, format!("≤ {most}{unit}"), unit, measured <= most)
    }

    /// Wanted: `measured` is no less than `least`.
    pub(crate) fn at_least(self, measured: f64, least: f64, unit: &str) -> Self {
        self.goal(measured, format!("≥ {least}{unit}"), unit, measured >= least)
    }

    fn goal(mut self, measured: f64, wanted: String, unit: &str, met: bool) -> Self {
        self.goal = Some(Goal { measured: format!("{measured:.2}{unit}"), wanted, met });
        self
    }
}
