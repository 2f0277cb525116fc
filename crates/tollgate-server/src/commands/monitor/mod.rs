//! `tollgate monitor`: a running gateway on a live screen.

mod asking;
mod terminal;

use std::{
    io::{IsTerminal as _, stdin, stdout},
    process::ExitCode,
    time::Duration,
};

use jiff::SignedDuration;
use serde_json::json;
use tollgate::Clock;

use self::asking::Questions;
use super::ask::{Asker, Base, TokenArgs};
use crate::{
    output,
    screen::{self, Health, Palette, Reading, Screen, View},
};

/// Shows a running gateway on a live screen: services, limits, queues, spend, alerts.
///
/// It asks the control plane again and again; where that goes away it says so and goes on by
/// itself. `?` tells the keys. Exit status 0; 1 when nothing answers (`--once`, `--json`), or when
/// what answers is not healthy; 2 where there is no terminal to draw on.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct MonitorArgs {
    /// The control plane
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8788")]
    admin: Base,
    #[command(flatten)]
    token: TokenArgs,
    /// How often it asks: from 100ms to 1h
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = every)]
    every: Duration,
    /// What is shown first
    #[arg(long, value_enum, default_value_t)]
    view: View,
    /// Print one frame as text and end
    #[arg(long)]
    once: bool,
    /// Print what one frame is made of as JSON and end
    #[arg(long, conflicts_with = "once")]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  tollgate monitor
  tollgate monitor --admin https://gate.example:8788 --token-env ADMIN_TOKEN --every 5s
  tollgate monitor --once --view limits
  tollgate monitor --json | jq .monitor.health_score";

/// The frame of `--once` where no terminal says how large it is.
const FRAME: (u16, u16) = (120, 40);

/// How long an answer may take before the screen says that there is none.
const PATIENCE: Duration = Duration::from_secs(3);

/// Shows it until it is ended.
///
/// # Errors
/// When the token can't be read, the terminal can't be used, or nothing answers one question.
pub(crate) fn run(args: &MonitorArgs) -> anyhow::Result<ExitCode> {
    let asker = Asker::new(&args.admin, args.token.read()?.as_deref(), "--admin")?;
    let mut questions = Questions::new(asker.within(PATIENCE));
    if args.json || args.once {
        return once(args, &mut questions);
    }
    if !stdout().is_terminal() || !stdin().is_terminal() {
        output::note(
            "error: there is no terminal to draw on: use `tollgate monitor --once`, or `tollgate status --json` for programs",
        );
        return Ok(ExitCode::from(2));
    }
    let clock = Clock::system();
    let screen = screen(args, has_colors(), &clock);
    terminal::show(screen, &clock, args.every, questions)?;
    Ok(ExitCode::SUCCESS)
}

fn once(args: &MonitorArgs, questions: &mut Questions) -> anyhow::Result<ExitCode> {
    let answers = questions.ask()?;
    let reading = Reading::of(&answers);
    let is_well = matches!(reading.health, Health::Healthy);
    if args.json {
        let spend = json!({ "by_user": answers.by_user, "by_model": answers.by_model });
        let all = json!({
            "monitor": answers.monitor, "status": answers.status,
            "circuits": answers.circuits["circuits"], "spend": spend,
        });
        output::line(format_args!("{all:#}"));
    } else {
        let clock = Clock::system();
        let mut screen = screen(args, false, &clock);
        screen.hear(reading, clock.now().time);
        let size = if stdout().is_terminal() { terminal::size() } else { None };
        let text = screen::text(&screen, clock.now().time, size.unwrap_or(FRAME));
        output::line(text.trim_end());
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn screen(args: &MonitorArgs, has_colors: bool, clock: &Clock) -> Screen {
    let now = clock.now().time;
    let every = match u64::try_from(args.every.as_millis()) {
        Ok(millis) if !millis.is_multiple_of(1_000) => format!("{millis} ms"),
        _ => screen::span(args.every.as_secs()),
    };
    Screen::new(args.admin.text(), every, Palette { has_colors }, args.view, now)
}

fn has_colors() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn every(text: &str) -> Result<Duration, String> {
    let length = text.parse::<SignedDuration>().ok().and_then(|it| Duration::try_from(it).ok());
    let bounds = Duration::from_millis(100)..=Duration::from_secs(3_600);
    length
        .filter(|length| bounds.contains(length))
        .ok_or_else(|| "write a length of time from 100ms to 1h, such as 1s".to_owned())
}
