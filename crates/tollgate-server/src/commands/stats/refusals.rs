//! `tollgate stats refusals`: how many were refused, when, and by which limit.

use std::process::ExitCode;

use serde_json::Value;

use super::{Asking, TimeArgs, query, start};
use crate::{
    commands::table::{numbers, table, text},
    output,
};

/// What is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct RefusalsArgs {
    #[command(flatten)]
    time: TimeArgs,
    #[command(flatten)]
    asking: Asking,
}

/// Shows what was refused.
///
/// # Errors
/// When nothing answers, or not with refusals.
pub(crate) fn run(args: &RefusalsArgs) -> anyhow::Result<ExitCode> {
    let refusals = args.asking.ask(&query("/v1/refusals", &args.time.parts()))?;
    if args.asking.json {
        output::line(format_args!("{refusals:#}"));
    } else {
        tell(&refusals);
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(refusals: &Value) {
    output::line(format_args!(
        "{} to {}: {} of {} requests refused, {} (known from {} on)",
        text(&refusals["from"]),
        text(&refusals["to"]),
        text(&refusals["refused"]),
        text(&refusals["requests"]),
        percent(&refusals["refused_percent"]),
        text(&refusals["known_from"]),
    ));
    let limits = refusals["by_limit"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !limits.is_empty() {
        let mut table = table(&["limit", "refused", "of all", "would have"]);
        for limit in limits {
            table.add_row([
                text(&limit["limit"]),
                text(&limit["refused"]),
                percent(&limit["refused_percent"]),
                text(&limit["shadowed"]),
            ]);
        }
        output::line(format_args!("\n{}", numbers(table, 1)));
    }
    let buckets = refusals["buckets"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !buckets.is_empty() {
        let mut table = table(&["from", "requests", "refused", "of all"]);
        for bucket in buckets {
            table.add_row([
                start(&bucket["start"]),
                text(&bucket["requests"]),
                text(&bucket["refused"]),
                percent(&bucket["refused_percent"]),
            ]);
        }
        output::line(format_args!("\n{}", numbers(table, 1)));
    }
}

fn percent(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |percent| format!("{percent:.2} %"))
}
