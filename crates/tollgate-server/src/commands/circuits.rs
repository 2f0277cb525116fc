//! `tollgate circuits`: how each provider's models do, and what an operator forces of them.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{
    ask::{Base, TokenArgs},
    roster::{Desk, RosterArgs, at_desk},
    table::{table, text},
};
use crate::{
    output,
    providers::SANDBOX,
    roster::{Force, RosterError, Which},
};

/// Shows circuit breakers, and forces them; a running gateway follows within a second.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CircuitsArgs {
    #[command(subcommand)]
    command: CircuitsCommand,
}

const EXAMPLES: &str = "\
Examples:
  tollgate circuits list
  tollgate circuits open openai --reason 'their incident 4711'
  tollgate circuits close openai/gpt-5      sends to it whatever happens
  tollgate circuits observe openai          tells what it would refuse, and refuses nothing
  tollgate circuits release openai          decides by itself again

What is forced outlives restarts. `tollgate keys audit` shows who changed what.";

#[derive(Debug, clap::Subcommand)]
enum CircuitsCommand {
    /// Shows the circuits of the running gateway
    List(ListArgs),
    /// Sends nothing to a provider or one of its models
    Open(ForceArgs),
    /// Sends everything, however much of it fails
    Close(ForceArgs),
    /// Refuses nothing, and tells what it would refuse
    Observe(ForceArgs),
    /// Lets the circuit decide by itself again
    Release(ReleaseArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// The control plane
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8788")]
    admin: Base,
    #[command(flatten)]
    token: TokenArgs,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct ForceArgs {
    /// A provider, or one of its models: `openai` or `openai/gpt-5`
    which: Which,
    #[command(flatten)]
    roster: RosterArgs,
}

#[derive(Debug, clap::Args)]
struct ReleaseArgs {
    /// A provider, or one of its models, as it was forced
    which: Which,
    #[command(flatten)]
    roster: RosterArgs,
}

/// Does what the subcommand says.
pub(crate) fn run(args: &CircuitsArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        CircuitsCommand::List(args) => list(args),
        CircuitsCommand::Open(args) => force(args, Force::Open),
        CircuitsCommand::Close(args) => force(args, Force::Closed),
        CircuitsCommand::Observe(args) => force(args, Force::Observe),
        CircuitsCommand::Release(args) => at_desk(&args.roster, |mut desk| {
            desk.book.release_circuit(&args.which, &desk.by)?;
            args.roster.tell(&json!({ "circuit": args.which, "mode": null }), |_| {
                output::line(format_args!("{} decides by itself", args.which.subject()));
            });
            Ok(ExitCode::SUCCESS)
        }),
    }
}

fn list(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let answer = args.admin.ask("/v1/circuits", &args.token, "--admin")?;
    if args.json {
        output::line(format_args!("{answer:#}"));
        return Ok(ExitCode::SUCCESS);
    }
    let circuits = answer["circuits"].as_array().map(Vec::as_slice).unwrap_or_default();
    if circuits.is_empty() {
        output::line("no provider was asked for anything yet");
        return Ok(ExitCode::SUCCESS);
    }
    output::line(table_of(circuits));
    Ok(ExitCode::SUCCESS)
}

fn table_of(circuits: &[Value]) -> comfy_table::Table {
    let mut table = table(&["provider", "model", "state", "until", "failed", "running", "left"]);
    for one in circuits {
        let running = match &one["concurrency"] {
            Value::Null => text(&one["in_flight"]),
            most => format!("{} of {}", text(&one["in_flight"]), text(most)),
        };
        table.add_row([
            text(&one["provider"]),
            if one["model"].is_null() { "(all)".to_owned() } else { text(&one["model"]) },
            text(&one["state"]),
            text(&one["until_at"]),
            format!("{} of {}", text(&one["failures"]), text(&one["calls"])),
            running,
            text(&one["requests_left"]),
        ]);
    }
    table
}

fn force(args: &ForceArgs, mode: Force) -> anyhow::Result<ExitCode> {
    at_desk(&args.roster, |mut desk| {
        known(&desk, &args.which)?;
        let forced = desk.book.force_circuit(args.which.clone(), mode, &desk.by)?;
        args.roster.tell(&forced, |forced| {
            output::line(format_args!("{} is forced: {}", forced.which.subject(), mode.name()));
        });
        Ok(ExitCode::SUCCESS)
    })
}

/// A circuit of nobody would be forced in vain.
fn known(desk: &Desk, which: &Which) -> Result<(), RosterError> {
    let providers = &desk.config.settings.providers;
    if which.provider == SANDBOX || providers.contains_key(&which.provider) {
        return Ok(());
    }
    let names: Vec<&str> = providers.keys().map(String::as_str).chain([SANDBOX]).collect();
    Err(RosterError::Invalid(format!(
        "the policy has no provider `{}`; it has {}",
        which.provider,
        names.join(", ")
    )))
}
