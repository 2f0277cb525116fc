//! `tollgate simulate`: what a policy does to so many users, before anybody decides anything.

use std::{fs, fs::File, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use comfy_table::{CellAlignment, Table};
use indicatif::{ProgressBar, ProgressStyle};

use super::table::{judged, numbers, table};
use crate::{
    config::{self, Locations, PolicyArgs},
    load::{Think, parse_span, percent},
    output,
    replay::Trace,
    simulate::{Crowding, Report, Scene, Size, Variation, Verdict, page, percentage, run_all},
};

/// Plays users against a policy in virtual time and tells how many of them it bears.
///
/// The gateway itself decides: its policy, limits, waiting rooms, guards, prices and models, with
/// simulated providers and a clock that jumps. Nothing is sent anywhere. Each user thinks, asks,
/// waits for the answer and thinks again. Throttled is who is refused by a limit or a provider's
/// own. Exit status 0 when the policy serves some of the numbers of users well (less than 2 %
/// throttled), 1 when it serves none so.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SimulateArgs {
    #[command(flatten)]
    policy: PolicyArgs,
    /// Numbers of users, each of which is played
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = USERS, value_parser = clap::value_parser!(u32).range(1..=MAX_USERS))]
    users: Vec<u32>,
    /// How long they ask, in virtual time
    #[arg(long = "for", id = "duration", value_name = "TIME", default_value = "1h", value_parser = parse_some_time, conflicts_with = "trace")]
    duration: Duration,
    /// How long each thinks between an answer and the next request: 30s, 20s..40s or 30s±10s
    #[arg(long, value_name = "TIME", default_value = "30s±10s", conflicts_with = "trace")]
    think: Think,
    /// Tokens of a request, sent and made: 6000, or each by itself like 5000+1000
    #[arg(long, value_name = "N", default_value = "6000", conflicts_with = "trace")]
    tokens: Size,
    /// How long a model takes for an answer
    #[arg(long, value_name = "TIME", default_value = "2s..8s", value_parser = parse_answer)]
    answer: Think,
    /// Recorded requests, TIMESTAMP,ContextTokens,GeneratedTokens as in `replay`, instead of
    /// users who think
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// The model they ask: one of the policy's names, or PROVIDER/MODEL [default: the policy's
    /// only name, else the sandbox]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// How long they are ready to wait, where the policy lets them wait longer
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    wait: Option<Duration>,
    /// How many requests a minute each model takes by itself; 0 for any number [default: as the
    /// policy's [sandbox] has it]
    #[arg(long, value_name = "N")]
    requests_per_minute: Option<u32>,
    /// How many tokens a minute, likewise
    #[arg(long, value_name = "N")]
    tokens_per_minute: Option<u32>,
    /// Show each number of users also without the policy's fallback, without its waiting rooms,
    /// and with neither
    #[arg(long)]
    compare: bool,
    /// How many requests at once an instance of your service takes, to say how many it needs
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    per_instance: u64,
    /// What decides the dice
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Write a page with plots to this file, which needs nothing but a browser
    #[arg(long, value_name = "FILE.html", value_parser = parse_page)]
    report: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  tollgate simulate --policy policy.toml                  5 to 50 users for an hour
  tollgate simulate --policy policy.toml --users 10,15,20 --compare --report capacity.html
  tollgate simulate --preset assistant --model openai/gpt-4o --think 1m --tokens 2000+500
  tollgate simulate --policy policy.toml --requests-per-minute 60 --tokens-per-minute 180000
  tollgate simulate --policy policy.toml --trace recorded.csv --users 200 --json";

/// Those of the capacity table.
const USERS: [u32; 6] = [5, 10, 15, 20, 30, 50];
/// Users of a trace, where nobody says how many.
const TRACE_USERS: u32 = 200;
const MAX_USERS: i64 = 10_000;
/// The longest time to an answer that the simulated model can be told.
const LONGEST_ANSWER: Duration = Duration::from_secs(600);
/// What is shown of what was in the way.
const MAX_IN_THE_WAY: usize = 3;

/// Plays, prints and tells by its exit status whether any number of users is served well.
///
/// # Errors
/// When the policy or the trace cannot be used, or the report not be written.
pub(crate) fn run(args: &SimulateArgs) -> anyhow::Result<ExitCode> {
    let loaded = config::sources(&Locations::of_process(&args.policy))
        .and_then(|sources| sources.load().map(|_| sources));
    let sources = match loaded {
        Ok(sources) => sources,
        Err(errors) => {
            output::note(config::rendered(&errors, false));
            return Ok(ExitCode::FAILURE);
        }
    };
    let scene = args.scene()?;
    let (users, variations) = (args.users(), args.variations());
    let bar = progress_bar((users.len() * variations.len()) as u64);
    let config = || sources.load().map_err(|_| anyhow::anyhow!("the policy has changed"));
    let rows = run_all(&config, &scene, (&users, &variations), &|| bar.inc(1));
    bar.finish_and_clear();
    let report = Report::new(args.policy_name(), &scene, rows?, args.per_instance);
    if let Some(path) = &args.report {
        let cannot = || format!("cannot write {}", path.display());
        fs::write(path, page(&report)).with_context(cannot)?;
    }
    if args.json {
        output::line(serde_json::to_string_pretty(&report)?);
    } else {
        tell(&report, args.report.as_deref());
    }
    Ok(if report.recommendation.users.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl SimulateArgs {
    fn scene(&self) -> anyhow::Result<Scene> {
        let crowding = match &self.trace {
            None => Crowding::Users { think: self.think, size: self.tokens, lasts: self.duration },
            Some(path) => {
                let file = File::open(path);
                let file = file.with_context(|| format!("cannot open {}", path.display()))?;
                let trace = Trace::parse(file).with_context(|| path.display().to_string())?;
                Crowding::Trace(Arc::new(trace))
            }
        };
        Ok(Scene {
            crowding,
            answer: self.answer,
            model: self.model.clone(),
            patience: self.wait,
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
            seed: self.seed,
        })
    }

    /// In their order, each once.
    fn users(&self) -> Vec<u32> {
        if self.trace.is_some() && self.users == USERS {
            return vec![TRACE_USERS];
        }
        let mut users = self.users.clone();
        users.sort_unstable();
        users.dedup();
        users
    }

    fn variations(&self) -> Vec<Variation> {
        let shown = if self.compare { &Variation::ALL[..] } else { &[Variation::Whole] };
        shown.iter().copied().chain([Variation::Unlimited]).collect()
    }

    fn policy_name(&self) -> String {
        let file = self.policy.policy.as_ref().map(|path| path.display().to_string());
        let preset = self.policy.preset.as_ref().map(|name| format!("preset {name}"));
        match (preset, file) {
            (Some(preset), Some(file)) => format!("{file} over {preset}"),
            (one, other) => other.or(one).unwrap_or_else(|| "the built-in policy".to_owned()),
        }
    }
}

fn parse_some_time(text: &str) -> Result<Duration, String> {
    let time = parse_span(text)?;
    if time < Duration::from_secs(1) {
        return Err("nobody asks in so short a time: write it like 10m or 1h".to_owned());
    }
    Ok(time)
}

fn parse_answer(text: &str) -> Result<Think, String> {
    let answer: Think = text.parse()?;
    if answer.most() > LONGEST_ANSWER {
        return Err("a model takes at most 10m for an answer".to_owned());
    }
    Ok(answer)
}

fn parse_page(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html" | "htm") => Ok(path),
        _ => Err("it is a page: give it a name that ends with .html".to_owned()),
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress_bar(runs: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} runs, {eta} left");
    ProgressBar::new(runs).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn tell(report: &Report, page: Option<&std::path::Path>) {
    output::line(format_args!("{}, seed {}", report.policy, report.seed));
    output::line(format_args!("\n{}", capacity(report)));
    let served = served(report);
    if served.row_count() > 0 {
        output::line(format_args!("\n{served}"));
    }
    output::line(format_args!("\nwhat is never in their way allows:\n{}", needs(report)));
    let recommendation = &report.recommendation;
    output::line(format_args!(
        "\n{}",
        judged(&recommendation.sentence, recommendation.users.is_some())
    ));
    if let Some(page) = page {
        output::line(format_args!("\nplots: {}", page.display()));
    }
    output::line("\nassumptions:");
    for assumption in &report.assumptions {
        output::line(format_args!("- {assumption}"));
    }
}

/// Who is throttled and who waits.
fn capacity(report: &Report) -> Table {
    let compared = report.variations().len() > 1;
    let with = if compared { "with" } else { "" };
    let mut table = table(&[
        "users",
        with,
        "requests/min",
        "tokens/min",
        "concurrency",
        "throttled",
        "waits",
        "p50, s",
        "p95, s",
        "p99, s",
        "most, s",
        "verdict",
    ]);
    for row in &report.rows {
        let seconds =
            |of: fn(&crate::load::Latencies) -> u64| format!("{:.1}", row.wait_seconds(of));
        let verdict = match row.failed {
            0 => row.verdict.name().to_owned(),
            failed => format!("{failed} failed"),
        };
        let needs = report.needs.iter().find(|needs| needs.users == row.users);
        let concurrency = needs.map(|needs| needs.limits.concurrency.to_string());
        table.add_row([
            row.users.to_string(),
            if compared { row.variation.name().to_owned() } else { String::new() },
            format!("{:.1}", row.requests_per_minute),
            format!("{:.0}", row.tokens_per_minute),
            concurrency.unwrap_or_default(),
            format!("{} %", percentage(row.throttled_percent)),
            format!("{} %", percentage(percent(row.waited, row.served))),
            seconds(|waits| waits.p50),
            seconds(|waits| waits.p95),
            seconds(|waits| waits.p99),
            seconds(|waits| waits.most),
            judged(&verdict, row.verdict != Verdict::TooMany && row.failed == 0),
        ]);
    }
    let mut table = numbers(table, 0);
    for left in [1, 11] {
        if let Some(column) = table.column_mut(left) {
            column.set_cell_alignment(CellAlignment::Left);
        }
    }
    table
}

/// Who served them, what that costs, and what was in the way.
fn served(report: &Report) -> Table {
    let mut table = table(&["users", "with", "cost, $", "served by", "in the way"]);
    for row in &report.rows {
        let by = row
            .by_model
            .iter()
            .map(|(model, used)| format!("{model} {}", share(used.requests, row.served)));
        let in_the_way = row.in_the_way.iter().take(MAX_IN_THE_WAY).map(|it| {
            let waited = (it.waited > 0).then(|| format!("{} waited", it.waited));
            let refused = (it.refused > 0).then(|| format!("{} refused", it.refused));
            let told: Vec<_> = waited.into_iter().chain(refused).collect();
            format!("{}: {}", it.name, told.join(", "))
        });
        table.add_row([
            row.users.to_string(),
            row.variation.name().to_owned(),
            row.cost_usd.to_string(),
            by.collect::<Vec<_>>().join("\n"),
            in_the_way.collect::<Vec<_>>().join("\n"),
        ]);
    }
    table
}

fn share(part: u64, whole: u64) -> String {
    format!("{} %", percentage(percent(part, whole)))
}

/// What they would take where nothing is in their way.
fn needs(report: &Report) -> Table {
    let mut table = table(&[
        "users",
        "requests/min",
        "tokens/min",
        "at once",
        "set requests/min",
        "tokens/min",
        "concurrency",
        "instances",
    ]);
    for needs in &report.needs {
        table.add_row([
            needs.users.to_string(),
            needs.requests_per_minute.to_string(),
            needs.tokens_per_minute.to_string(),
            needs.at_once.to_string(),
            needs.limits.requests_per_minute.to_string(),
            needs.limits.tokens_per_minute.to_string(),
            needs.limits.concurrency.to_string(),
            needs.instances(),
        ]);
    }
    numbers(table, 0)
}
