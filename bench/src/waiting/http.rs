//! The same over HTTP: what a request that waits costs the gateway, its connection included,
//! and whether each is answered when its turn has come.
//!
//! One request holds the only slot until its caller goes away.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::Path, thread, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::{
    gateway::{
        client::{Client, Target},
        process::{self, Process},
    },
    stopwatch::Stopwatch,
};

/// Requests that fill pools and caches before the first reading.
const WARM_UP: usize = 200;
/// Longer than the benchmark takes; the sandbox waits no longer than ten minutes.
const HELD_MS: u32 = 290_000;
/// How often and how long the gateway is asked how many wait.
const LOOKS: u32 = 600;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// What was found.
#[derive(Debug, Serialize)]
pub(super) struct Http {
    pub(super) waiters: u32,
    /// Resident bytes of the gateway that each adds.
    pub(super) bytes_per_waiter: f64,
    /// Answers by status.
    pub(super) answers: BTreeMap<u16, u32>,
    /// Requests that were not answered.
    pub(super) lost: u32,
    /// Seconds from the slot's release until the last answer.
    pub(super) drain_s: f64,
    /// Who still waits or runs when all is over, as the gateway says.
    pub(super) left: u64,
}

/// What the gateway tells of itself.
#[derive(Deserialize)]
struct Stats {
    global_concurrent: u64,
    global_queue_size: u64,
}

pub(super) fn measure(waiters: u32) -> Result<Http> {
    let folder = process::fresh_folder("bench-waiting")?;
    let sandbox = Process::start("sandbox", &folder, |listen| {
        process::tollgate(["sandbox", "--listen", &listen.to_string()])
    })?;
    let gateway = start(&folder, sandbox.address)?;
    let target = Target::new(gateway.address, "/openai/v1");
    let mut asks = Client::connect(&target)?;
    for nth in 0..WARM_UP {
        let status = asks.ask(target.prepared(nth))?;
        ensure!(status == 200, "the gateway answered {status} instead of 200");
    }
    let mut holder = Client::connect(&target)?;
    holder.send(&target.slow_answer(0, HELD_MS))?;
    until(&target, |stats| stats.global_concurrent == 1).context("the slot is not held")?;

    let before = gateway.resident_bytes()?;
    let mut queued = Vec::with_capacity(waiters as usize);
    for nth in 0..waiters as usize {
        let mut client = Client::connect(&target)?;
        client.send(target.prepared(nth))?;
        queued.push(client);
    }
    until(&target, |stats| stats.global_queue_size == u64::from(waiters))
        .context("not all wait")?;
    let after = gateway.resident_bytes()?;

    let watch = Stopwatch::start();
    drop(holder);
    let mut answers: BTreeMap<u16, u32> = BTreeMap::new();
    let mut lost = 0;
    for client in &mut queued {
        match client.answer() {
            Ok((status, _)) => *answers.entry(status).or_default() += 1,
            Err(_) => lost += 1,
        }
    }
    let drain_s = watch.elapsed().as_secs_f64();
    let left = until(&target, |stats| stats.global_concurrent + stats.global_queue_size == 0);
    let left = left.map_or_else(|_| stats(&target), Ok)?;
    Ok(Http {
        waiters,
        bytes_per_waiter: after.saturating_sub(before) as f64 / f64::from(waiters),
        answers,
        lost,
        drain_s,
        left: left.global_concurrent + left.global_queue_size,
    })
}

/// Asks until it is as wanted.
fn until(target: &Target, wanted: impl Fn(&Stats) -> bool) -> Result<Stats> {
    let mut last = 0;
    for _ in 0..LOOKS {
        let stats = stats(target)?;
        if wanted(&stats) {
            return Ok(stats);
        }
        last = stats.global_queue_size;
        thread::park_timeout(BETWEEN_LOOKS);
    }
    bail!("after {:?} {last} wait", BETWEEN_LOOKS * LOOKS)
}

fn stats(target: &Target) -> Result<Stats> {
    let mut client = Client::connect(target)?;
    client.send(&target.get("/v1/stats"))?;
    let (status, body) = client.answer()?;
    ensure!(status == 200, "/v1/stats answered {status} instead of 200");
    serde_json::from_slice(body).context("/v1/stats is not as expected")
}

fn start(folder: &Path, upstream: SocketAddr) -> Result<Process> {
    Process::start("gateway", folder, |listen| {
        fs::write(folder.join("policy.toml"), policy(listen, process::free_address()?, upstream))?;
        process::tollgate(["serve", "--policy", "policy.toml"])
    })
}

fn policy(listen: SocketAddr, admin: SocketAddr, upstream: SocketAddr) -> String {
    format!(
        r#"[server]
listen = "{listen}"
admin_listen = "{admin}"
max_connections = 16000

[store]
kind = "embedded"
path = "ledger.db"

[log]
level = "info"
format = "json"

[identity]
trust_headers = true

[providers.openai]
dialect = "openai"
base_url = "http://{upstream}/v1"

[[limits]]
name = "all-slots"
concurrency = 1
queue = {{ size = 10000, timeout = "120s" }}
"#
    )
}
