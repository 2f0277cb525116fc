//! Keeps the lines of a link: makes them, probes them, and says whether Redis is there.

use std::{sync::Arc, time::Duration};

use rand::RngExt as _;
use redis::Cmd;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    error::{LinkError, Sent, Why},
    lines::{Lines, Used},
};

/// How often a link that nobody complains about is probed.
const IDLE: Duration = Duration::from_millis(250);

/// The shortest and the longest pause between two tries to reach Redis while it is away.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));

/// The task that does it, ended with the link.
#[derive(Debug)]
pub(super) struct Keeper(JoinHandle<()>);

impl Keeper {
    /// Looks once, then goes on by itself.
    pub(super) async fn start(lines: Arc<Lines>) -> Result<Self, LinkError> {
        match look(&lines).await {
            Ok(()) => lines.board().set_up(),
            Err(LinkError::Away(away)) => lines.set_away(away.why),
            Err(refused @ LinkError::Refused(_)) => return Err(refused),
        }
        Ok(Self(tokio::spawn(keep(lines))))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn keep(lines: Arc<Lines>) {
    let mut pause = PAUSES.0;
    loop {
        match look(&lines).await {
            Ok(()) => {
                lines.board().set_up();
                pause = PAUSES.0;
                let _ = timeout(IDLE, lines.board().rung()).await;
            }
            Err(error) => {
                lines.set_away(match error {
                    LinkError::Away(away) => away.why,
                    LinkError::Refused(sentence) => Why::Refused(sentence),
                });
                // Not all nodes at once, when the server is there again.
                let part = rand::rng().random_range(0.5..1.0);
                sleep(pause.mul_f64(part)).await;
                pause = (pause * 2).min(PAUSES.1);
            }
        }
    }
}

/// Sees that every line is there and that what it leads to takes writes. A line that is merely
/// broken is made anew before anything is said of the server.
async fn look(lines: &Lines) -> Result<(), LinkError> {
    for number in 0..lines.len() {
        let known = match lines.get(number) {
            Some(used) => probe(lines, &used).await.is_ok(),
            None => false,
        };
        if !known {
            let used = lines.make(number).await?;
            probe(lines, &used).await?;
        }
    }
    Ok(())
}

/// A write, since a replica, a full memory and a broken disk answer everything else. A line that
/// does not carry it is given up.
async fn probe(lines: &Lines, used: &Used) -> Result<(), LinkError> {
    let error = match timeout(lines.settings().timeout, used.ask(&write(lines))).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => LinkError::of(&error),
        Err(_) => LinkError::away(Why::Timeout, Sent::Perhaps),
    };
    lines.give_up(used);
    Err(error)
}

fn write(lines: &Lines) -> Cmd {
    let mut write = redis::cmd("SET");
    write.arg(format!("{}:{{0}}:probe", lines.settings().prefix)).arg(1).arg("PX").arg(1000);
    write
}
