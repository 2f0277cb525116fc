//! `tollgate alerts`: which alerts a policy has, and whether those who are told hear of them.

use std::process::ExitCode;

use serde_json::json;
use tollgate::Clock;
use tollgate_core::{
    alert::{AlertName, Bad, Severity},
    policy::{
        Config,
        settings::{AlertRule, Alerts, Sink},
    },
};

use super::table::{numbers, table};
use crate::{
    alerts::{Firing, Kind, Notice, deliver},
    api::Instant,
    config::{self, Locations, PolicyArgs},
    output,
};

/// Shows the alerts of a policy, and tries whether they arrive.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AlertsArgs {
    #[command(subcommand)]
    command: AlertsCommand,
}

const EXAMPLES: &str = "\
Examples:
  tollgate alerts list --policy tollgate.toml
  tollgate alerts test --policy tollgate.toml              tells every sink, once
  tollgate alerts test --policy tollgate.toml --sink pager";

#[derive(Debug, clap::Subcommand)]
enum AlertsCommand {
    /// Shows every alert with its thresholds, and who is told
    List(ListArgs),
    /// Tells every sink of an alert that is none, and then that it is over
    Test(TestArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    policy: PolicyArgs,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct TestArgs {
    #[command(flatten)]
    policy: PolicyArgs,
    /// Only this sink
    #[arg(long, value_name = "NAME")]
    sink: Option<String>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// Does what the subcommand says. Failure is a sink that could not be told.
///
/// # Errors
/// When no runtime can be made.
pub(crate) fn run(args: &AlertsArgs) -> anyhow::Result<ExitCode> {
    let policy = match &args.command {
        AlertsCommand::List(args) => &args.policy,
        AlertsCommand::Test(args) => &args.policy,
    };
    let config = match config::load(&Locations::of_process(policy)) {
        Ok(config) => config,
        Err(errors) => {
            output::note(config::rendered(&errors, false));
            return Ok(ExitCode::FAILURE);
        }
    };
    match &args.command {
        AlertsCommand::List(args) => list(args, &config.settings.alerts),
        AlertsCommand::Test(args) => return test(args, &config),
    }
    Ok(ExitCode::SUCCESS)
}

fn list(args: &ListArgs, alerts: &Alerts) {
    let rules = alerts.rules();
    if args.json {
        let shown: Vec<_> = rules.iter().map(|rule| as_json(rule, alerts)).collect();
        output::line(format_args!("{:#}", json!({ "alerts": shown })));
        return;
    }
    let mut table = table(&["alert", "severity", "begins", "is over", "for", "cool-down", "tells"]);
    for rule in &rules {
        let (begins, over) = thresholds(rule);
        let AlertRule { rule: its, .. } = rule;
        table.add_row([
            its.name.to_string(),
            its.severity.name().to_owned(),
            begins,
            over,
            format!("{:?}", its.hold),
            format!("{:?}", its.cool_down),
            told(rule, alerts).join(", "),
        ]);
    }
    output::line(numbers(table, 7));
    for name in AlertName::ALL.into_iter().filter(|name| !alerts.has(*name)) {
        output::line(format_args!("{name} is switched off"));
    }
}

/// When an alert begins and when it is over, in words.
fn thresholds(rule: &AlertRule) -> (String, String) {
    let (threshold, clear) = (rule.rule.threshold, rule.rule.clear);
    match rule.rule.bad {
        Bad::High => (format!("from {threshold}"), format!("below {clear}")),
        Bad::Low => (format!("below {threshold}"), format!("from {clear}")),
    }
}

/// Who is told of an alert.
fn told(rule: &AlertRule, alerts: &Alerts) -> Vec<String> {
    let wants = |sink: &&Sink| sink.wants(rule.rule.name, rule.rule.severity);
    let log = alerts.log.then(|| "log".to_owned());
    log.into_iter().chain(alerts.sinks.iter().filter(wants).map(|sink| sink.name.clone())).collect()
}

fn as_json(rule: &AlertRule, alerts: &Alerts) -> serde_json::Value {
    let its = &rule.rule;
    json!({
        "name": its.name,
        "severity": its.severity,
        "threshold": its.threshold,
        "clear": its.clear,
        "for_seconds": its.hold.as_secs_f64(),
        "cool_down_seconds": its.cool_down.as_secs_f64(),
        "sinks": told(rule, alerts),
    })
}

/// Tells the sinks of an alert that is none.
fn test(args: &TestArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let is_meant = |sink: &&Sink| args.sink.as_ref().is_none_or(|name| *name == sink.name);
    let sinks: Vec<&Sink> = config.settings.alerts.sinks.iter().filter(is_meant).collect();
    if sinks.is_empty() {
        output::note("the policy has no such sink: write [[alerts.sinks]] with name and kind");
        return Ok(ExitCode::FAILURE);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let clock = Clock::system();
    let mut is_well = true;
    let mut shown = Vec::new();
    for sink in sinks {
        let told = runtime.block_on(tell(sink, &clock));
        is_well &= told.is_ok();
        if args.json {
            shown.push(json!({ "sink": sink.name, "ok": told.is_ok(), "why": told.err() }));
        } else {
            match told {
                Ok(()) => output::line(format_args!("{}: told", sink.name)),
                Err(why) => output::line(format_args!("{}: {why}", sink.name)),
            }
        }
    }
    if args.json {
        output::line(format_args!("{:#}", json!({ "sinks": shown })));
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn tell(sink: &Sink, clock: &Clock) -> Result<(), String> {
    let kinds = [Some(Kind::Fired), sink.clears.then_some(Kind::Cleared)];
    for kind in kinds.into_iter().flatten() {
        let notice = Notice { is_test: true, ..Notice::new(kind, tried(clock), at(clock)) };
        deliver(sink, &notice, clock).await?;
    }
    Ok(())
}

fn at(clock: &Clock) -> Instant {
    let now = clock.now();
    Instant::new(now.time, now)
}

/// An alert that is none.
fn tried(clock: &Clock) -> Firing {
    Firing {
        name: AlertName::CriticalHealth,
        severity: Severity::Warning,
        subject: None,
        value: 100.0,
        threshold: 0.0,
        since_at: at(clock),
        message: "This is a test of Tollgate's alerts: nothing is wrong".to_owned(),
    }
}
