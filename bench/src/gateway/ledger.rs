//! What the ledger costs: the gateway with one beside the gateway that keeps accounts in memory.

use anyhow::Result;
use serde::Serialize;

use super::{
    Measured,
    beside::{self, Beside, Compared},
    policy::{self, Kept},
    process::{self, Process},
};
use crate::table::{Row, Summary};

/// The gateway with the ledger, and with accounts in memory alone.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Report(Compared);

/// Runs both.
///
/// # Errors
/// When a process does not start or answers with anything but success.
pub(crate) fn run(args: &Beside) -> Result<Report> {
    let folder = process::fresh_folder("bench-ledger")?;
    let sandbox = Process::start("sandbox", &folder, |listen| {
        process::tollgate(["sandbox", "--listen", &listen.to_string()])
    })?;
    let with = policy::start(&folder, sandbox.address, Kept::InLedger)?;
    let without = policy::start(&folder, sandbox.address, Kept::InMemory)?;
    let sides = [
        Measured::new("with the ledger", with, "/openai/v1"),
        Measured::new("in memory", without, "/openai/v1"),
    ];
    beside::compare(sides, args).map(Report)
}

impl Summary for Report {
    fn rows(&self) -> Vec<Row> {
        self.0.rows(0.9)
    }

    fn notes(&self) -> Vec<String> {
        let kept = "With the ledger, beside accounts in memory alone.".to_owned();
        [kept].into_iter().chain(self.0.notes()).collect()
    }
}
