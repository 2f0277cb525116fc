//! `tollgate cache`: what a running gateway keeps, and the clearing of it.

use std::process::ExitCode;

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{
    ask::{Base, TokenArgs},
    table::{numbers, table, text},
};
use crate::output;

/// Shows and clears what the running gateway keeps: answers of providers, and entries of
/// applications.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CacheArgs {
    #[command(subcommand)]
    command: CacheCommand,
}

const EXAMPLES: &str = "\
Examples:
  tollgate cache show
  tollgate cache clear --user alice                  what alice's requests made
  tollgate cache clear --model gpt-4o --tag nightly  what has both
  tollgate cache clear --all";

#[derive(Debug, clap::Subcommand)]
enum CacheCommand {
    /// Shows how much is kept, how often it was of use, and what that saved
    Show(ShowArgs),
    /// Clears what has all that is named; requests that are under way bring nothing back
    Clear(ClearArgs),
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    #[command(flatten)]
    process: ProcessArgs,
}

#[derive(Debug, clap::Args)]
struct ClearArgs {
    /// What this user's requests made
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// What is of this model
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// What requests with this tag made
    #[arg(long, value_name = "NAME")]
    tag: Option<String>,
    /// Everything
    #[arg(long, conflicts_with_all = ["user", "model", "tag"], required_unless_present_any = ["user", "model", "tag"])]
    all: bool,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    process: ProcessArgs,
}

/// Which process is asked, and how its answer is shown.
#[derive(Debug, clap::Args)]
struct ProcessArgs {
    /// The control plane
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8788")]
    admin: Base,
    #[command(flatten)]
    token: TokenArgs,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// Does what the subcommand says.
///
/// # Errors
/// When nothing answers.
pub(crate) fn run(args: &CacheArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        CacheCommand::Show(args) => args.process.tell(Method::GET, "/v1/cache", shown),
        CacheCommand::Clear(args) => args.process.tell(Method::DELETE, &args.path(), |cleared| {
            output::line(format_args!(
                "cleared {} answers and {} entries: {} bytes",
                text(&cleared["answers"]["entries"]),
                text(&cleared["entries"]["entries"]),
                bytes(&cleared["answers"]) + bytes(&cleared["entries"]),
            ));
        }),
    }
}

impl ProcessArgs {
    fn tell(
        &self,
        method: Method,
        path: &str,
        people: impl FnOnce(&Value),
    ) -> anyhow::Result<ExitCode> {
        let answer = self.admin.send(method, path, &self.token, "--admin")?;
        if self.json {
            output::line(format_args!("{answer:#}"));
        } else {
            people(&answer);
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl ClearArgs {
    fn path(&self) -> String {
        let named = [
            ("user", &self.user),
            ("model", &self.model),
            ("tag", &self.tag),
            ("reason", &self.reason),
        ];
        let parts = named.into_iter().filter_map(|(name, value)| {
            let value = utf8_percent_encode(value.as_deref()?, NON_ALPHANUMERIC);
            Some(format!("{name}={value}"))
        });
        match parts.collect::<Vec<_>>().join("&") {
            all if all.is_empty() => "/v1/cache".to_owned(),
            query => format!("/v1/cache?{query}"),
        }
    }
}

fn shown(shown: &Value) {
    let totals = &shown["totals"];
    let answers = if shown["enabled"] == true { "are kept" } else { "are not kept" };
    output::line(format_args!(
        "answers {answers}, each for its {}; at most {} bytes",
        text(&shown["scope"]),
        text(&shown["max_bytes"]),
    ));
    output::line(format_args!(
        "{} hits, {} shared, {} similar, {} misses ({:.1} % found), {} as a fallback, {} bypassed; saved ${}",
        text(&totals["hits"]),
        text(&totals["shared"]),
        text(&totals["similar"]),
        text(&totals["misses"]),
        totals["hit_rate"].as_f64().unwrap_or_default() * 100.0,
        text(&totals["fallback"]),
        text(&totals["bypassed"]),
        text(&totals["saved_usd"]),
    ));
    let mut table = table(&["kept", "number", "bytes"]);
    for (what, held) in [("answers", &shown["answers"]), ("entries", &shown["entries"])] {
        table.add_row([what.to_owned(), text(&held["entries"]), text(&held["bytes"])]);
    }
    output::line(numbers(table, 1));
}

fn bytes(held: &Value) -> u64 {
    held["bytes"].as_u64().unwrap_or_default()
}
