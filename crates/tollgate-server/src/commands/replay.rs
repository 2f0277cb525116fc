//! `tollgate replay`: plays a trace through a running gateway and checks its books.

use std::{fs::File, io, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use http::HeaderValue;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;
use tollgate::Clock;
use tollgate_core::NanoUsd;

use crate::{
    output,
    replay::{
        Client, Dealer, Identity, Log, Outcome, Pace, Player, Prices, Report, Requests, Status,
        Tally, Totals, Trace,
    },
};

/// Plays a trace as real HTTP requests and compares the gateway's count with its own.
///
/// Exit status 0 when both counts agree, 1 when they do not.
#[derive(clap::Args)]
pub(crate) struct ReplayArgs {
    /// Rows of TIMESTAMP,ContextTokens,GeneratedTokens; without it, a trace is made from the
    /// published statistics of the Azure conversation trace (19,366 requests in 58 minutes).
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// How many times faster than recorded.
    #[arg(long, value_name = "N", default_value = "60")]
    speed: Pace,
    /// How many users ask; a few of them ask for most.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    users: u32,
    /// The OpenAI-style API to send to.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8787/sandbox/v1")]
    url: String,
    /// The gateway's control plane, asked for its totals before and after.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8788")]
    admin: String,
    /// Count only; ask no control plane.
    #[arg(long)]
    client_only: bool,
    /// Play only the first rows.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    requests: Option<u32>,
    /// What decides users, streams and the made trace.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The model to ask for.
    #[arg(long, value_name = "NAME", default_value = "sandbox")]
    model: String,
    /// Ask with a Tollgate key; several are dealt over the users.
    #[arg(long, value_name = "KEY", conflicts_with = "trust_headers")]
    key: Vec<String>,
    /// Name the user in X-Tollgate-User, which the gateway's policy must trust.
    #[arg(long)]
    trust_headers: bool,
    /// The share of requests that ask for a stream, from 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.3)]
    stream: f64,
    /// The `max_tokens` of every request; without it, a little more than its answer has.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_tokens: Option<u32>,
    /// Dollars for a million input tokens, for the client's own count.
    #[arg(long, value_name = "USD")]
    price_input: Option<NanoUsd>,
    /// Dollars for a million output tokens, for the client's own count.
    #[arg(long, value_name = "USD")]
    price_output: Option<NanoUsd>,
    /// Seconds that an answer may take, body and all.
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// The most requests in flight; what is due beyond that is not sent, but counted as failed.
    #[arg(long, value_name = "N", default_value_t = 8_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    in_flight: u32,
    /// Write every request's outcome to this file, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
}

/// Outcomes that wait to be counted.
const CHANNEL: usize = 1024;

/// Plays, prints and tells by its exit status whether both counts agree.
pub(crate) fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(replay(args))
}

async fn replay(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let trace = args.trace()?;
    let dealer = Dealer::new(args.users, args.stream, args.seed)
        .context("--stream must be a share from 0 to 1")?;
    let longest = trace.rows().iter().map(|row| row.input_tokens).max().unwrap_or(0);
    let requests = Requests::new(&args.url, &args.model, args.identity()?, longest)?
        .with_max_tokens(args.max_tokens);
    let mut log = args.log()?;
    let clock = Clock::system();
    let client = Client::new(clock.clone(), Duration::from_secs(args.timeout));
    let before = match args.client_only {
        true => None,
        false => Some(Status::ask(&client, &args.admin).await?),
    };

    let player = Player {
        client: client.clone(),
        requests: Arc::new(requests),
        pace: args.speed,
        max_in_flight: args.in_flight as usize,
    };
    let (sender, outcomes) = mpsc::channel(CHANNEL);
    let bar = progress_bar(trace.rows().len() as u64);
    let mut tally = Tally::new(args.prices());
    let began = clock.now().time;
    let play = player.play(&trace, dealer, sender, interrupted());
    let ((), counted) = tokio::join!(play, count(outcomes, &mut tally, log.as_mut(), &bar));
    let took = clock.now().time.since(began);
    bar.finish_and_clear();
    counted.context("the client's log cannot be written")?;
    log.map_or(Ok(()), Log::finish).context("the client's log cannot be written")?;

    let gateway = match before {
        None => Err("--client-only was given".to_owned()),
        Some(before) => gateway_totals(&client, &args.admin, &before).await,
    };
    let report = Report::new(tally, gateway, took);
    if args.json {
        output::line(serde_json::to_string(&report)?);
    } else {
        output::line(&report);
    }
    let agree = report.agree().unwrap_or(args.client_only);
    Ok(if agree { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn gateway_totals(client: &Client, admin: &str, before: &Status) -> Result<Totals, String> {
    let after = Status::ask_when_still(client, admin).await.map_err(|e| format!("{e:#}"))?;
    let anew = "the gateway was restarted and counts anew; compare the --output with its ledger";
    after.since(before).ok_or_else(|| anew.to_owned())
}

async fn count(
    mut outcomes: mpsc::Receiver<Outcome>,
    tally: &mut Tally,
    mut log: Option<&mut Log>,
    bar: &ProgressBar,
) -> io::Result<()> {
    while let Some(outcome) = outcomes.recv().await {
        tally.add(&outcome);
        if let Some(log) = &mut log {
            log.write(&outcome, tally)?;
        }
        bar.inc(1);
        if bar.position().is_multiple_of(64) {
            let counts = &tally.counts;
            bar.set_message(format!("{} refused, {} failed", counts.refused, counts.failed));
        }
    }
    Ok(())
}

impl ReplayArgs {
    fn trace(&self) -> anyhow::Result<Trace> {
        let trace = match &self.trace {
            None => Trace::published(self.seed),
            Some(path) => {
                let file = File::open(path);
                let file = file.with_context(|| format!("cannot open {}", path.display()))?;
                Trace::parse(file).with_context(|| path.display().to_string())?
            }
        };
        Ok(match self.requests {
            Some(count) => trace.first(count as usize),
            None => trace,
        })
    }

    fn identity(&self) -> anyhow::Result<Identity> {
        if self.trust_headers {
            return Ok(Identity::TrustedHeader);
        }
        if self.key.is_empty() {
            return Ok(Identity::Anonymous);
        }
        let bearer = |key: &String| {
            let mut value = HeaderValue::try_from(format!("Bearer {key}"))
                .map_err(|_| anyhow::anyhow!("a --key has characters that no key has"))?;
            value.set_sensitive(true);
            Ok(value)
        };
        self.key.iter().map(bearer).collect::<anyhow::Result<_>>().map(Identity::Keys)
    }

    fn prices(&self) -> Option<Prices> {
        if self.price_input.is_none() && self.price_output.is_none() {
            return None;
        }
        let free = NanoUsd(0);
        Some(Prices {
            input: self.price_input.unwrap_or(free),
            output: self.price_output.unwrap_or(free),
        })
    }

    fn log(&self) -> anyhow::Result<Option<Log>> {
        let Some(path) = &self.output else { return Ok(None) };
        let log = Log::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Some(log))
    }
}

/// Ends at the first interrupt; where none can be seen, never.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress_bar(length: u64) -> ProgressBar {
    let template = "{bar:40} {pos}/{len} {per_sec}, {eta} left, {msg}";
    let style = ProgressStyle::with_template(template);
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
