//! `tollgate stats`: what is used now, and what was spent and refused, asked of a running
//! process.

mod now;
mod refusals;
mod spend;

use std::process::ExitCode;

use clap::Subcommand;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{
    ask::{Base, TokenArgs},
    table::text,
};

/// Shows what a user has used and has left, what the whole system does, or what was spent
/// and refused.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub(crate) struct StatsArgs {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    now: now::NowArgs,
}

const EXAMPLES: &str = "\
Examples:
  tollgate stats                                   the whole system now
  tollgate stats alice                             what a user has used and has left
  tollgate stats spend --by model --since 7d       spend of a week by model
  tollgate stats spend --bucket day --since 30d --time-zone Europe/Berlin
  tollgate stats top --limit 5                     who spent the most in the last day
  tollgate stats refusals --since 24h              refusals by limit and hour";

#[derive(Debug, Subcommand)]
enum What {
    /// What was spent, by user, key, team, customer, provider, model, task or tag
    Spend(spend::SpendArgs),
    /// Who spent the most
    Top(spend::SpendArgs),
    /// How many were refused, by limit and hour: of the last seven days, since the process
    /// started
    Refusals(refusals::RefusalsArgs),
}

/// The time that is asked about; the last day if nothing is said.
#[derive(Debug, clap::Args)]
pub(crate) struct TimeArgs {
    /// How long ago it begins, such as 90m, 24h or 7d
    #[arg(long, value_name = "TIME", conflicts_with = "from")]
    since: Option<String>,
    /// When it begins: an instant or a day
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// When it ends: an instant or a day; now if not given
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Cut it into hours, days or months
    #[arg(long, value_name = "SPAN", value_parser = ["hour", "day", "month"])]
    bucket: Option<String>,
    /// The zone in which days and months are meant
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
}

/// Who is asked, and how it is shown.
#[derive(Debug, clap::Args)]
pub(crate) struct Asking {
    /// The control plane
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8788")]
    admin: Base,
    #[command(flatten)]
    token: TokenArgs,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// Shows the statistics.
///
/// # Errors
/// When nothing answers, or not with statistics.
pub(crate) fn run(args: &StatsArgs) -> anyhow::Result<ExitCode> {
    match &args.what {
        None => now::run(&args.now),
        Some(What::Spend(args)) => spend::run(args, "/v1/spend"),
        Some(What::Top(args)) => spend::run(args, "/v1/top"),
        Some(What::Refusals(args)) => refusals::run(args),
    }
}

impl TimeArgs {
    /// What of it is said, as parts of a query.
    fn parts(&self) -> Vec<(&str, &str)> {
        let all = [
            ("since", &self.since),
            ("from", &self.from),
            ("to", &self.to),
            ("bucket", &self.bucket),
            ("time_zone", &self.time_zone),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
    }
}

impl Asking {
    fn ask(&self, path: &str) -> anyhow::Result<Value> {
        self.admin.ask(path, &self.token, "--admin")
    }
}

/// A path with its query.
fn query(path: &str, parts: &[(&str, &str)]) -> String {
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let parts: Vec<String> =
        parts.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    if parts.is_empty() { path.to_owned() } else { format!("{path}?{}", parts.join("&")) }
}

/// When a span of time begins, as people read it: to the minute, without the zone that the
/// first line tells.
fn start(value: &Value) -> String {
    let text = text(value);
    text.get(..16).map_or_else(|| text.clone(), |minute| minute.replace('T', " "))
}
