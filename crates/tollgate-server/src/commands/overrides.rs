//! `tollgate overrides`: another amount of one limit, for one caller, until a date.

use std::process::ExitCode;

use serde_json::{Value, json};
use tollgate_core::Policy;

use super::{
    roster::{RosterArgs, at_desk},
    table::table,
};
use crate::{
    output,
    roster::{Moment, Of, Override, RosterError, Whose},
};

/// Gives single users, keys or teams another amount of a limit; a running gateway follows
/// within a second.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct OverridesArgs {
    #[command(subcommand)]
    command: OverridesCommand,
}

const EXAMPLES: &str = "\
Examples:
  tollgate overrides set alice user-minute 100/minute --until 2026-12-31
  tollgate overrides set alice user-spend 50/day --until 7d
  tollgate overrides set red team-slots 20 --of team
  tollgate overrides set ci key-budget-day 10/day --of key    another budget of a key
  tollgate overrides list
  tollgate overrides remove alice user-minute

An amount is written as the limit itself is. `tollgate keys audit` shows who changed what.";

#[derive(Debug, clap::Subcommand)]
enum OverridesCommand {
    /// Gives a caller another amount of a limit
    Set(SetArgs),
    /// Shows all of them
    List(ListArgs),
    /// Takes a caller's own amount away
    Remove(RemoveArgs),
}

#[derive(Debug, clap::Args)]
struct WhoseArgs {
    /// Who: a user, or with --of a key or a team
    #[arg(value_name = "USER")]
    name: String,
    /// The limit, as the policy names it
    limit: String,
    /// What the name is of
    #[arg(long, value_enum, default_value = "user")]
    of: Of,
}

#[derive(Debug, clap::Args)]
struct SetArgs {
    #[command(flatten)]
    whose: WhoseArgs,
    /// How much, as the limit is written: 100/minute, 50/day, or 5 for what is held at once
    amount: String,
    /// Until when: a day, an instant, or a length of time like 7d; for good if not given
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[command(flatten)]
    roster: RosterArgs,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    roster: RosterArgs,
}

#[derive(Debug, clap::Args)]
struct RemoveArgs {
    #[command(flatten)]
    whose: WhoseArgs,
    #[command(flatten)]
    roster: RosterArgs,
}

/// Does what the subcommand says.
pub(crate) fn run(args: &OverridesArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        OverridesCommand::Set(args) => set(args),
        OverridesCommand::List(args) => at_desk(&args.roster, |mut desk| {
            let rows = desk.book.overrides(u32::MAX)?;
            let shown: Vec<Value> =
                rows.iter().map(|row| json(row, &desk.config.policy, desk.by.at)).collect();
            args.roster.tell(&json!({ "overrides": shown }), |_| tell(&shown));
            Ok(ExitCode::SUCCESS)
        }),
        OverridesCommand::Remove(args) => at_desk(&args.roster, |mut desk| {
            let whose = args.whose.read();
            desk.book.remove_override(&whose, &desk.by)?;
            args.roster.tell(&whose, |whose| {
                output::line(format_args!("{} has `{}` as everybody", whose.name, whose.limit));
            });
            Ok(ExitCode::SUCCESS)
        }),
    }
}

fn set(args: &SetArgs) -> anyhow::Result<ExitCode> {
    at_desk(&args.roster, |mut desk| {
        let until = args.until.as_deref().map(|text| Moment::until(text, desk.by.at));
        let until = until.transpose().map_err(RosterError::Invalid)?;
        let (whose, policy) = (args.whose.read(), &desk.config.policy);
        whose.grants(&args.amount, policy)?;
        let set = desk.book.set_override(whose, &args.amount, until, &desk.by)?;
        args.roster.tell(&json(&set, policy, desk.by.at), |_| {
            let until = set.until_at.map_or_else(String::new, |at| format!(" until {at}"));
            let Whose { name, limit, .. } = &set.whose;
            output::line(format_args!("{name} has `{limit}` at {}{until}", set.amount));
        });
        Ok(ExitCode::SUCCESS)
    })
}

impl WhoseArgs {
    fn read(&self) -> Whose {
        Whose { of: self.of, name: self.name.clone(), limit: self.limit.clone() }
    }
}

/// An override with its state.
fn json(row: &Override, policy: &Policy, now: Moment) -> Value {
    let mut shown = json!(row);
    shown["state"] = row.state(policy, now).into();
    shown
}

fn tell(rows: &[Value]) {
    let columns = ["of", "name", "limit", "amount", "until_at", "state", "since_at"];
    let mut table = table(&["of", "name", "limit", "amount", "until", "state", "since"]);
    for row in rows {
        table.add_row(columns.map(|column| super::table::text(&row[column])));
    }
    output::line(table);
}
