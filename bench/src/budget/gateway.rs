//! The gateway's side: real processes, real requests, and a ledger that tells what was spent.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufWriter, Write as _},
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::{
    Budget, Fate, rules,
    trace::{self, PRICES, Request},
};
use crate::gateway::process::{self, Process};

const MODEL: &str = "recorded";

/// One line of the replay's log.
#[derive(Deserialize)]
struct Line {
    /// From 1 on.
    row: usize,
    outcome: String,
}

/// What `tollgate verify` tells.
#[derive(Deserialize)]
struct Verified {
    settled: Sums,
}

#[derive(Deserialize)]
struct Sums {
    /// In dollars.
    cost: String,
}

/// Plays all requests; tells how each ended and what was spent.
pub(super) fn play(
    args: &Budget,
    requests: &[Request],
    budget: u64,
    stream: f64,
) -> Result<(Vec<Fate>, u64)> {
    let folder = process::fresh_folder("bench-budget")?;
    let mut rows = BufWriter::new(File::create(folder.join("trace.csv"))?);
    trace::write(requests, &mut rows)?;
    rows.flush()?;
    let sandbox = Process::start("sandbox", &folder, |listen| {
        let pace = (rules::PACE * u64::from(args.speed)).to_string();
        let listen = listen.to_string();
        process::tollgate(["sandbox", "--listen", &listen, "--tokens-per-second", &pace])
    })?;
    let admin = process::free_address()?;
    let gateway = Process::start("gateway", &folder, |listen| {
        let policy = policy(listen, admin, sandbox.address, budget);
        fs::write(folder.join("policy.toml"), policy)?;
        process::tollgate(["serve", "--policy", "policy.toml"])
    })?;
    replay(args, stream, &folder, [gateway.address, admin])?;
    let fates = fates(&folder.join("outcomes.jsonl"), requests.len())?;
    let verified = run(process::tollgate(["verify", "--ledger", "ledger.db", "--json"])?, &folder)?;
    let verified: Verified = serde_json::from_slice(&verified)?;
    Ok((fates, nanos(&verified.settled.cost)?))
}

fn replay(
    args: &Budget,
    stream: f64,
    folder: &Path,
    [gateway, admin]: [SocketAddr; 2],
) -> Result<()> {
    let mut command = process::tollgate(["replay", "--trace", "trace.csv", "--json"])?;
    command
        .args(["--output", "outcomes.jsonl", "--model", MODEL, "--users", "200"])
        .args(["--url", &format!("http://{gateway}/openai/v1")])
        .args(["--admin", &format!("http://{admin}")])
        .args(["--speed", &args.speed.to_string(), "--stream", &stream.to_string()])
        .args(["--max-tokens", &args.max_tokens.to_string()])
        .args(["--price-input", PRICES[0], "--price-output", PRICES[1]]);
    // It fails unless its own count agrees with the gateway's.
    run(command, folder).map(drop)
}

/// Runs a command to its end; what it printed.
fn run(mut command: Command, folder: &Path) -> Result<Vec<u8>> {
    let ended = command.current_dir(folder).stderr(Stdio::inherit()).output()?;
    let printed = String::from_utf8_lossy(&ended.stdout);
    ensure!(ended.status.success(), "{command:?} ended with {}: {printed}", ended.status);
    Ok(ended.stdout)
}

fn fates(log: &Path, requests: usize) -> Result<Vec<Fate>> {
    let mut fates = BTreeMap::new();
    for line in fs::read_to_string(log)?.lines() {
        let line: Line = serde_json::from_str(line)?;
        let fate = match line.outcome.as_str() {
            "admitted" => Fate::Served,
            "refused" => Fate::Refused,
            _ => Fate::Cut,
        };
        fates.insert(line.row, fate);
    }
    ensure!(fates.len() == requests, "{} of {requests} outcomes were logged", fates.len());
    Ok(fates.into_values().collect())
}

/// A decimal of dollars as nano-dollars.
fn nanos(dollars: &str) -> Result<u64> {
    let (whole, part) = dollars.split_once('.').unwrap_or((dollars, ""));
    let number = format!("{whole}{part:0<9}");
    number.parse().with_context(|| format!("`{dollars}` is no amount of dollars"))
}

fn policy(listen: SocketAddr, admin: SocketAddr, upstream: SocketAddr, budget: u64) -> String {
    let (dollars, nanos) = (budget / 1_000_000_000, budget % 1_000_000_000);
    let [input, output] = PRICES;
    format!(
        r#"[server]
listen = "{listen}"
admin_listen = "{admin}"

[store]
kind = "embedded"
path = "ledger.db"

[providers.openai]
dialect = "openai"
base_url = "http://{upstream}/v1"

[prices.models.{MODEL}]
input = "{input}"
output = "{output}"

[[limits]]
name = "budget"
usd = "{dollars}.{nanos:09}/total"
"#
    )
}
