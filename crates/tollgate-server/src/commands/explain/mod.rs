//! `tollgate explain`: what became of a request, or what would become of one now.

mod asked;
mod now;
mod past;

use std::process::ExitCode;

use anyhow::bail;

use self::asked::AskedArgs;
use super::ask::{Asker, Base, TokenArgs};

/// Tells what was decided under an id, or what would be decided now.
///
/// With an id: when, for whom, what it was charged to, how it ended; of a refusal, why and until
/// when. What was admitted is read from the ledger, also where no process runs; refusals are
/// asked of the running process. Exit status 0; 1 where nothing is known of the id.
///
/// Without one: every limit that applies to what the options say, where it stands, and whether
/// it would let that pass. Exit status 0 where it would pass, 1 where not.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// The id that X-Tollgate-Request-Id told, or that a permit has
    #[arg(conflicts_with_all = ["asked"])]
    id: Option<String>,
    #[command(flatten)]
    asked: AskedArgs,
    /// The ledger's file
    #[arg(long, value_name = "FILE", default_value = past::LEDGER)]
    ledger: std::path::PathBuf,
    /// The control plane
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8788")]
    admin: Base,
    #[command(flatten)]
    token: TokenArgs,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  tollgate explain 019a6f0e-7c1e-7d3a-9f53-0c8b6a1d2e4f
  tollgate explain --user ada --provider openai --model gpt-4o --input-tokens 2000
  tollgate explain --user ada --usd 0.25 --json | jq '.limits[] | select(.verdict != \"passes\")'";

/// Explains.
///
/// # Errors
/// When the id is none, the ledger can't be read, or the process does not answer.
pub(crate) fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let asker = Asker::new(&args.admin, args.token.read()?.as_deref(), "--admin")?;
    match &args.id {
        Some(id) => past::run(id, &args.ledger, &asker, args.json),
        None if args.asked.is_empty() => bail!(
            "say what to explain: an id, as X-Tollgate-Request-Id told it, or who would ask for what, like --user ada --model gpt-4o"
        ),
        None => now::run(&args.asked, &asker, args.json),
    }
}
