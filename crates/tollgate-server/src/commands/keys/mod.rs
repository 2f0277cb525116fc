//! `tollgate keys`: keys for callers.

mod attach;
mod create;
mod hash;
mod show;

use std::process::ExitCode;

use serde_json::json;

use super::{
    roster::{RosterArgs, at_desk},
    table::table,
};
use crate::{
    output,
    roster::{AuditRow, Chain, Listing, Moment, RosterError},
};

/// Makes, shows, rotates and revokes keys for callers; a running gateway follows within a
/// second.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

const EXAMPLES: &str = "\
Examples:
  tollgate keys create --user alice --budget 5/day --expires 90d
  tollgate keys create --team red --model 'gpt-*' --provider openai --budget 100/total
  tollgate keys list --user alice
  tollgate keys rotate key-1f6b8a20c3d4 --grace 24h   the old text works for a day more
  tollgate keys revoke key-1f6b8a20c3d4               at once
  tollgate keys attach ci openai --from-env MY_OPENAI_KEY   sent instead of the policy's
  tollgate keys audit                                 who changed what, and is that all of it
  tollgate keys hash                                  a key for the policy's own [[keys]]

Keys are kept as hashes under a secret that TOLLGATE_SECRET gives (32 bytes or more), else
under one that is made beside the ledger. Providers' keys are kept under TOLLGATE_SECRET only.";

#[derive(Debug, clap::Subcommand)]
enum KeysCommand {
    /// Makes a key and shows its text, this once
    Create(Box<create::CreateArgs>),
    /// Shows all keys
    List(ListArgs),
    /// Shows one key: everything but its text
    Show(OneArgs),
    /// Gives a key a new text; the old one works for a while
    Rotate(RotateArgs),
    /// Ends a key for good
    Revoke(OneArgs),
    /// Attaches a provider's key of the caller's own, sealed, to its Tollgate key
    Attach(attach::AttachArgs),
    /// Forgets a provider's key that was attached
    Detach(attach::DetachArgs),
    /// Shows who changed keys, tiers and overrides, and checks that no row is missing
    Audit(AuditArgs),
    /// Makes a key for the policy, or hashes the one that is piped in
    Hash(hash::HashArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Only this user's
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    #[command(flatten)]
    roster: RosterArgs,
}

#[derive(Debug, clap::Args)]
struct OneArgs {
    /// The key's id
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    roster: RosterArgs,
}

#[derive(Debug, clap::Args)]
struct RotateArgs {
    /// The key's id
    #[arg(value_name = "ID")]
    id: String,
    /// How long the old text works beside the new one; 0s ends it at once
    #[arg(long, value_name = "TIME", default_value = "24h")]
    grace: String,
    #[command(flatten)]
    roster: RosterArgs,
}

#[derive(Debug, clap::Args)]
struct AuditArgs {
    /// How many changes are shown, the newest first
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
    #[command(flatten)]
    roster: RosterArgs,
}

/// What was changed, and whether that is all of it.
#[derive(serde::Serialize)]
struct Audit {
    #[serde(flatten)]
    chain: Chain,
    changes: Vec<AuditRow>,
}

/// Does what the subcommand says.
pub(crate) fn run(args: &KeysArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        KeysCommand::Create(args) => create::run(args),
        KeysCommand::List(args) => list(args),
        KeysCommand::Show(args) => at_desk(&args.roster, |mut desk| {
            args.roster.tell(&desk.book.key(&args.id, desk.by.at)?, show::one);
            Ok(ExitCode::SUCCESS)
        }),
        KeysCommand::Rotate(args) => rotate(args),
        KeysCommand::Revoke(args) => at_desk(&args.roster, |mut desk| {
            args.roster.tell(&desk.book.revoke(&args.id, &desk.by)?, show::one);
            Ok(ExitCode::SUCCESS)
        }),
        KeysCommand::Attach(args) => attach::attach(args),
        KeysCommand::Detach(args) => attach::detach(args),
        KeysCommand::Audit(args) => audit(args),
        KeysCommand::Hash(args) => hash::run(args),
    }
}

fn list(args: &ListArgs) -> anyhow::Result<ExitCode> {
    at_desk(&args.roster, |mut desk| {
        let all = Listing { user: args.user.clone(), after: String::new(), most: u32::MAX };
        let keys = desk.book.keys(&all, desk.by.at)?;
        args.roster.tell(&json!({ "keys": keys }), |_| show::all(&keys));
        Ok(ExitCode::SUCCESS)
    })
}

fn rotate(args: &RotateArgs) -> anyhow::Result<ExitCode> {
    at_desk(&args.roster, |mut desk| {
        let ends = Moment::later(&args.grace, desk.by.at).map_err(RosterError::Invalid)?;
        let rotated = desk.book.rotate(&args.id, ends, &desk.by)?;
        show::tell_once(&args.roster, rotated);
        Ok(ExitCode::SUCCESS)
    })
}

/// Failure is a chain that is broken.
fn audit(args: &AuditArgs) -> anyhow::Result<ExitCode> {
    at_desk(&args.roster, |desk| {
        let audit = Audit { chain: desk.book.verify()?, changes: desk.book.audit(args.limit)? };
        args.roster.tell(&audit, tell_audit);
        let is_whole = audit.chain.broken_at.is_none();
        Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

fn tell_audit(audit: &Audit) {
    let mut table = table(&["#", "at", "who", "what", "of", "why", "before", "after"]);
    for row in &audit.changes {
        table.add_row([
            row.seq.to_string(),
            row.at.to_string(),
            row.who.clone(),
            row.what.clone(),
            row.subject.clone(),
            row.reason.clone().unwrap_or_else(|| "-".to_owned()),
            row.before.to_string(),
            row.after.to_string(),
        ]);
    }
    output::line(table);
    let Chain { rows, broken_at, head } = &audit.chain;
    output::line(match broken_at {
        None => format!("\n{rows} changes, each following from the one before; the last is {head}"),
        Some(seq) => format!(
            "\nthe change #{seq} does not follow from the one before: somebody changed the roster's file by hand"
        ),
    });
}
