//! `tollgate load`: plays simultaneous users against a URL and judges how it bears them.

use std::{num::NonZeroU32, process::ExitCode, sync::Arc, time::Duration};

use comfy_table::Table;
use http::{HeaderName, Method};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;
use tollgate::Clock;

use super::table::{judged, numbers, table};
use crate::{
    load::{
        Address, Begin, Client, Crowd, Header, Latencies, Outcome, Payload, Report, Run, Share,
        Tally, Target, Think, Threshold, Until, bar, parse_method, parse_name, parse_span,
    },
    output,
};

/// Plays simultaneous users against a URL and tells how many of their requests succeed.
///
/// A success is an answer with a status below 400 that arrives whole, an error one of 400 or
/// above, an exception no whole answer. Redirects are not followed. Exit status 0 when enough
/// succeed (PASS), 1 when not (FAIL). Interrupted, it judges what has ended.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LoadArgs {
    /// What every user asks for
    url: Address,
    /// How many users ask at the same time
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=MAX_USERS))]
    users: u32,
    /// How often each of them asks [default: 10]
    #[arg(long, value_name = "N", conflicts_with = "duration", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    requests: Option<u64>,
    /// How long they ask, instead of how often; what was begun is waited for
    #[arg(long = "for", id = "duration", value_name = "TIME", value_parser = parse_some_time)]
    duration: Option<Duration>,
    /// How long each thinks between an answer and the next request: 2s, or by dice 0s..5s or
    /// 30s±10s
    #[arg(long, value_name = "TIME", default_value = "0s")]
    think: Think,
    /// Let each begin somewhere in its first time to think, instead of all at once
    #[arg(long)]
    apart: bool,
    /// What decides the dice
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// How they ask [default: GET, with a body POST]
    #[arg(long, value_name = "NAME", value_parser = parse_method)]
    method: Option<Method>,
    /// A header of every request, `Name: value`; may be given again
    #[arg(long, value_name = "HEADER")]
    header: Vec<Header>,
    /// The body of every request; JSON gets its content type by itself
    #[arg(long, value_name = "TEXT", conflicts_with = "body_file")]
    body: Option<Payload>,
    /// The same from a file, of at most 32 MiB
    #[arg(long, value_name = "FILE", value_parser = Payload::read)]
    body_file: Option<Payload>,
    /// Name each user, user-0001 and so on, in this header
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    user_header: Option<HeaderName>,
    /// How long an answer may take, connecting and body included
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_some_time)]
    timeout: Duration,
    /// The percentage of successes from which on the run passes
    #[arg(long, value_name = "PERCENT", default_value = "90")]
    threshold: Threshold,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  tollgate load http://127.0.0.1:8787/livez --users 50 --requests 20
  tollgate load http://127.0.0.1:8787/sandbox/v1/chat/completions --users 20 --for 30s \\
    --think 1s..3s --user-header X-Tollgate-User \\
    --body '{\"model\":\"sandbox\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}'
  tollgate load https://app.example/health --threshold 99 --json";

/// As many as one address has room for, with connections to spare.
const MAX_USERS: i64 = 10_000;
const DEFAULT_REQUESTS: u64 = 10;
/// Outcomes that wait to be counted.
const CHANNEL: usize = 1024;
const CHART_WIDTH: usize = 40;

/// Plays, prints and tells by its exit status whether enough succeeded.
///
/// # Errors
/// When the client cannot be set up, or the report not be written as JSON.
pub(crate) fn run(args: &LoadArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(load(args))?;
    if args.json {
        output::line(serde_json::to_string_pretty(&report)?);
    } else {
        tell(&report);
    }
    Ok(if report.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn load(args: &LoadArgs) -> anyhow::Result<Report> {
    let body = args.body.clone().or_else(|| args.body_file.clone()).unwrap_or_default();
    let target = Target::new(
        args.url.clone(),
        args.method.clone(),
        &args.header,
        body,
        args.user_header.clone(),
    );
    let url = target.address().to_string();
    let at_once = NonZeroU32::new(args.users).unwrap_or(NonZeroU32::MIN);
    let clock = Clock::system();
    let client = Client::new(&target, at_once, clock.clone(), args.timeout)?;
    let target = Arc::new(target);
    let send = move |user| {
        let (client, request) = (client.clone(), target.request(user));
        async move { client.send(request).await }
    };
    let begin = if args.apart { Begin::Apart } else { Begin::Together };
    let crowd =
        Crowd { users: args.users, begin, until: args.until(), think: args.think, seed: args.seed };

    let bar = progress_bar(args.users, crowd.until);
    let (sender, outcomes) = mpsc::channel(CHANNEL);
    let began = clock.now().time;
    let play = crowd.play(send, sender, interrupted());
    let (played, tally) = tokio::join!(play, count(outcomes, &bar));
    let took = clock.now().time.since(began);
    bar.finish_and_clear();
    let run = Run { url, users: args.users, took, played, threshold: args.threshold };
    Ok(Report::new(run, tally))
}

async fn count(mut outcomes: mpsc::Receiver<Outcome>, bar: &ProgressBar) -> Tally {
    let mut tally = Tally::new();
    while let Some(outcome) = outcomes.recv().await {
        tally.add(&outcome);
        bar.inc(1);
        if bar.position().is_multiple_of(64) {
            bar.set_message(format!(
                "{} errors, {} exceptions",
                tally.errors(),
                tally.exceptions()
            ));
        }
    }
    tally
}

impl LoadArgs {
    fn until(&self) -> Until {
        match self.duration {
            Some(time) => Until::Passed(time),
            None => Until::Requests(self.requests.unwrap_or(DEFAULT_REQUESTS)),
        }
    }
}

/// A time in which something can happen.
fn parse_some_time(text: &str) -> Result<Duration, String> {
    let time = parse_span(text)?;
    if time.is_zero() {
        return Err("an answer takes some time: write it like 500ms or 30s".to_owned());
    }
    Ok(time)
}

/// Ends at the first interrupt; where none can be seen, never.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A bar on a terminal, or a count where the number of requests is open; nothing elsewhere.
fn progress_bar(users: u32, until: Until) -> ProgressBar {
    let (bar, template) = match until {
        Until::Requests(each) => (
            ProgressBar::new(each.saturating_mul(users.into())),
            "{bar:40} {pos}/{len} {per_sec}, {eta} left, {msg}".to_owned(),
        ),
        Until::Passed(time) => (
            ProgressBar::no_length(),
            format!("{{spinner}} {{elapsed}} of {time:?}, {{pos}} ended, {{per_sec}}, {{msg}}"),
        ),
    };
    let style = ProgressStyle::with_template(&template);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn tell(report: &Report) {
    output::line(format_args!(
        "{} requests of {} users to {} in {:.1} s, {:.1} a second",
        report.requests, report.users, report.url, report.seconds, report.requests_per_second,
    ));
    if report.interrupted {
        output::line(format_args!(
            "interrupted: {} requests were running and are not counted",
            report.abandoned
        ));
    }
    output::line(format_args!("\n{}", outcomes(report)));
    if report.success_us.is_some() || report.error_us.is_some() {
        output::line(format_args!("\n{}\n\n{}", latencies(report), chart(report)));
    }
    let verdict = judged(if report.passed { "PASS" } else { "FAIL" }, report.passed);
    output::line(format_args!(
        "\n{verdict}: {:.2} % succeeded, {} % must",
        report.success.percent,
        report.threshold_percent.percent(),
    ));
}

fn outcomes(report: &Report) -> Table {
    let mut table = table(&["outcome", "requests", "share", ""]);
    let mut row = |name: String, Share { count, percent }, detail: &str| {
        table.add_row([name, count.to_string(), format!("{percent:.2} %"), detail.to_owned()]);
    };
    let all = report.requests.max(1) as f64;
    let part = |count| Share { count, percent: 100.0 * count as f64 / all };
    let mut rows = |name: &str, share, statuses: std::ops::Range<u16>| {
        row(name.to_owned(), share, "");
        for (status, count) in report.by_status.range(statuses) {
            row(format!("  status {status}"), part(*count), reason(*status));
        }
    };
    rows("success", report.success, 0..400);
    rows("error", report.error, 400..u16::MAX);
    row("exception".to_owned(), report.exception, "");
    for (failure, failed) in &report.by_exception {
        row(format!("  {}", failure.name()), part(failed.count), &failed.example);
    }
    let mut table = numbers(table, 1);
    if let Some(details) = table.column_mut(3) {
        details.set_cell_alignment(comfy_table::CellAlignment::Left);
    }
    table
}

fn reason(status: u16) -> &'static str {
    let status = http::StatusCode::from_u16(status).ok();
    status.and_then(|status| status.canonical_reason()).unwrap_or_default()
}

fn latencies(report: &Report) -> Table {
    let mut table = table(&["latency, ms", "least", "p50", "p90", "p95", "p99", "most"]);
    let rows = [("success", report.success_us), ("error", report.error_us)];
    for (name, latencies) in rows {
        let Some(Latencies { least, p50, p90, p95, p99, most }) = latencies else { continue };
        let cells = [least, p50, p90, p95, p99, most].map(ms);
        table.add_row([name.to_owned()].into_iter().chain(cells));
    }
    numbers(table, 1)
}

fn chart(report: &Report) -> Table {
    let mut table = table(&["from, ms", "answers", ""]);
    let most = report.histogram.iter().map(|bin| bin.count).max().unwrap_or(1);
    for bin in &report.histogram {
        let beyond = if bin.to_us.is_none() { "≥ " } else { "" };
        let from = format!("{beyond}{}", ms(bin.from_us));
        table.add_row([from, bin.count.to_string(), bar(bin.count, most, CHART_WIDTH)]);
    }
    for column in table.column_iter_mut().take(2) {
        column.set_cell_alignment(comfy_table::CellAlignment::Right);
    }
    table
}

fn ms(micros: u64) -> String {
    format!("{:.3}", micros as f64 / 1000.0)
}
