//! `tollgate tiers`: users' tiers, which stand before what keys and callers say.

use std::process::ExitCode;

use serde_json::json;
use tollgate_core::Policy;

use super::{
    roster::{RosterArgs, at_desk},
    table::table,
};
use crate::output;

/// Puts users into tiers, whatever their keys say; a running gateway follows within a second.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TiersArgs {
    #[command(subcommand)]
    command: TiersCommand,
}

const EXAMPLES: &str = "\
Examples:
  tollgate tiers set alice premium
  tollgate tiers list
  tollgate tiers remove alice      what her key or her caller says holds again

What a tier allows is the policy's: `tiers = { premium = \"60/minute\" }` at a limit.
`tollgate keys audit` shows who changed what.";

#[derive(Debug, clap::Subcommand)]
enum TiersCommand {
    /// Puts a user into a tier
    Set(SetArgs),
    /// Shows who was put into which tier
    List(ListArgs),
    /// Takes a user out of its tier
    Remove(RemoveArgs),
}

#[derive(Debug, clap::Args)]
struct SetArgs {
    /// The user
    user: String,
    /// The tier, as limits of the policy name it
    tier: String,
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
    /// The user
    user: String,
    #[command(flatten)]
    roster: RosterArgs,
}

/// Does what the subcommand says.
pub(crate) fn run(args: &TiersArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        TiersCommand::Set(args) => at_desk(&args.roster, |mut desk| {
            let set = desk.book.set_tier(&args.user, &args.tier, &desk.by)?;
            if !knows(&desk.config.policy, &args.tier) {
                output::note(format_args!(
                    "note: no limit of this policy has amounts for the tier `{}`",
                    args.tier
                ));
            }
            args.roster.tell(&set, |set| {
                output::line(format_args!("{} is in the tier {}", set.user, set.tier));
            });
            Ok(ExitCode::SUCCESS)
        }),
        TiersCommand::List(args) => at_desk(&args.roster, |mut desk| {
            let tiers = desk.book.tiers("", u32::MAX)?;
            args.roster.tell(&json!({ "tiers": tiers }), |_| {
                let mut table = table(&["user", "tier", "since"]);
                for row in &tiers {
                    table.add_row([&row.user, &row.tier, &row.since_at.to_string()]);
                }
                output::line(table);
            });
            Ok(ExitCode::SUCCESS)
        }),
        TiersCommand::Remove(args) => at_desk(&args.roster, |mut desk| {
            desk.book.remove_tier(&args.user, &desk.by)?;
            args.roster.tell(&json!({ "user": args.user, "tier": null }), |_| {
                output::line(format_args!("{} is in no tier of its own", args.user));
            });
            Ok(ExitCode::SUCCESS)
        }),
    }
}

/// Whether a limit has amounts for a tier.
fn knows(policy: &Policy, tier: &str) -> bool {
    policy.limits().iter().any(|limit| limit.tiers.iter().any(|(name, _)| name == tier))
}
