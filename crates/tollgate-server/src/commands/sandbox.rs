//! `tollgate sandbox`: the sandbox provider as a process of its own.

use std::{net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::net::TcpListener;
use tollgate::Clock;

use crate::{
    load::parse_span,
    output,
    sandbox::{self, LimitRefill, Outage, OutageFault, Sandbox, SandboxSettings, Share},
};

/// Serves simulated models of every provider on a socket of its own.
#[derive(Debug, clap::Args)]
pub(crate) struct SandboxArgs {
    /// Where to listen; port 0 takes a free one and says which.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8790")]
    listen: SocketAddr,
    /// Milliseconds from the end of a request to its response head.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency_ms: u32,
    /// Further milliseconds to the first token.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    first_token_ms: u32,
    /// How fast tokens are made; 0 makes them all at once.
    #[arg(long, value_name = "N", default_value_t = 0)]
    tokens_per_second: u32,
    /// How many answers are made at once at that pace; more share it. 0 for any number.
    #[arg(long, value_name = "N", default_value_t = 0)]
    bears: u32,
    /// How many tokens an answer has, if the request allows as many.
    #[arg(long, value_name = "N", default_value_t = SandboxSettings::default().output_tokens)]
    output_tokens: u32,
    /// The share of requests answered with a 500 or 503, from 0 to 1.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = sandbox::parse_share)]
    error_rate: Share,
    /// The share of requests answered with a 429, from 0 to 1.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = sandbox::parse_share)]
    rate_limit_rate: Share,
    /// The share of answers that are cut in the middle, from 0 to 1.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = sandbox::parse_share)]
    truncate_rate: Share,
    /// How many requests a minute each model takes before it answers with a 429; 0 for any
    /// number.
    #[arg(long, value_name = "N", default_value_t = 0)]
    requests_per_minute: u32,
    /// How many tokens a minute, of either side, each model takes; 0 for any number.
    #[arg(long, value_name = "N", default_value_t = 0)]
    tokens_per_minute: u32,
    /// In what time those limits are counted: of a minute's number as much as is due in it.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = sandbox::parse_limit_window)]
    limit_window: Duration,
    /// How they come back: evenly, or at-reset, all at once when a window is over.
    #[arg(long, value_name = "HOW", default_value = "evenly", value_parser = sandbox::parse_limit_refill)]
    limit_refill: LimitRefill,
    /// From the start to the beginning of an outage.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_span)]
    outage_after: Duration,
    /// How long an outage lasts, in which every request fails; 0s for none.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_span)]
    outage_lasts: Duration,
    /// From the beginning of one outage to the next; 0s for one only.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_span)]
    outage_every: Duration,
    /// What every request meets with in an outage.
    #[arg(long, value_name = "FAULT", default_value = "unavailable", value_parser = sandbox::parse_outage_fault)]
    outage_fault: OutageFault,
    /// What decides the chances; the same seed gives the same faults.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// Serves until interrupted. Success is a clean interrupt.
pub(crate) fn run(args: &SandboxArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(args))
}

async fn serve(args: &SandboxArgs) -> anyhow::Result<ExitCode> {
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener.local_addr()?;
    output::line(format_args!("the sandbox listens on http://{address}/v1"));
    let sandbox = Sandbox::new(args.settings(), args.seed, Clock::system());
    tokio::select! {
        served = sandbox::serve(listener, Arc::new(sandbox)) => match served? {},
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(ExitCode::SUCCESS)
}

impl SandboxArgs {
    fn settings(&self) -> SandboxSettings {
        SandboxSettings {
            enabled: true,
            latency: Duration::from_millis(self.latency_ms.into()),
            first_token: Duration::from_millis(self.first_token_ms.into()),
            tokens_per_second: self.tokens_per_second,
            bears: self.bears,
            output_tokens: self.output_tokens,
            error_rate: self.error_rate,
            rate_limit_rate: self.rate_limit_rate,
            truncate_rate: self.truncate_rate,
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
            limit_window: self.limit_window,
            limit_refill: self.limit_refill,
            outage: Outage {
                after: self.outage_after,
                lasts: self.outage_lasts,
                every: self.outage_every,
                fault: self.outage_fault,
            },
        }
    }
}
