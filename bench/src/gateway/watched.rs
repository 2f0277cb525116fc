//! What monitoring and alerts cost: the gateway as it is, asked each second how it does, beside
//! one whose alerts are all off and that nobody asks.

use std::{
    net::SocketAddr,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Result, ensure};
use serde::Serialize;

use super::{
    Measured,
    beside::{self, Beside, Compared},
    client::{Client, Target},
    policy::{self, Kept},
    process::{self, Process},
};
use crate::table::{Row, Summary};

/// The gateway that is watched, and the one that is not.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Report(Compared);

/// How often somebody asks, as a screen and a scraper do.
const INTERVAL: Duration = Duration::from_secs(1);

/// Runs both.
///
/// # Errors
/// When a process does not start or answers with anything but success.
pub(crate) fn run(args: &Beside) -> Result<Report> {
    let folder = process::fresh_folder("bench-watched")?;
    let sandbox = Process::start("sandbox", &folder, |listen| {
        process::tollgate(["sandbox", "--listen", &listen.to_string()])
    })?;
    let admin = process::free_address()?;
    let watched = policy::start_with(&folder, sandbox.address, admin, Kept::InLedger)?;
    let unwatched = policy::start(&folder, sandbox.address, Kept::Unwatched)?;
    let sides = [
        Measured::new("watched", watched, "/openai/v1"),
        Measured::new("unwatched", unwatched, "/openai/v1"),
    ];
    let (stop, watcher) = watch(admin);
    let compared = beside::compare(sides, args);
    drop(stop);
    match watcher.join() {
        Ok(asked) => asked?,
        Err(panic) => std::panic::resume_unwind(panic),
    }
    compared.map(Report)
}

/// Asks until the sender is dropped.
fn watch(admin: SocketAddr) -> (Sender<()>, JoinHandle<Result<()>>) {
    let (stop, until) = mpsc::channel::<()>();
    let watcher = thread::spawn(move || {
        let target = Target::new(admin, "");
        while until.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
            for path in ["/v1/monitor", "/status", "/metrics"] {
                let status = Client::connect(&target)?.ask(&target.get(path))?;
                ensure!(status == 200, "{path} answered {status}");
            }
        }
        Ok(())
    });
    (stop, watcher)
}

impl Summary for Report {
    fn rows(&self) -> Vec<Row> {
        self.0.rows(0.97)
    }

    fn notes(&self) -> Vec<String> {
        let what = "Alerts on and /v1/monitor, /status and /metrics asked for each second, beside \
            alerts off and nobody asking."
            .to_owned();
        [what].into_iter().chain(self.0.notes()).collect()
    }
}
