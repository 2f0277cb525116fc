//! `tollgate status`: how a running process is, asked of its control plane.

use std::process::ExitCode;

use serde_json::Value;

use super::{
    ask::{Base, TokenArgs},
    table::{amount, judged, numbers, table, text},
};
use crate::output;

/// Shows how the running gateway is and what each limit has done.
///
/// Exit status 0 when it serves and its store is well, 1 when not or when nothing answers.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// The control plane
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8788")]
    admin: Base,
    #[command(flatten)]
    token: TokenArgs,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// Shows the status: success is a process that is well.
///
/// # Errors
/// When nothing answers, or not with a status.
pub(crate) fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let status = args.admin.ask("/status", &args.token, "--admin")?;
    if args.json {
        output::line(format_args!("{status:#}"));
    } else {
        tell(&status);
    }
    Ok(if is_well(&status) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn is_well(status: &Value) -> bool {
    status["stage"] == "serving" && status["store"]["healthy"] == true
}

fn tell(status: &Value) {
    if let Some(line) = super::emergency::line(&status["emergency"]) {
        output::line(line);
    }
    let stage = text(&status["stage"]);
    let store = &status["store"];
    let health = if store["healthy"] == true { "healthy" } else { "unhealthy" };
    output::line(format_args!(
        "tollgate {} is {} on {} for {}",
        text(&status["version"]),
        judged(&stage, stage == "serving"),
        text(&status["listen"]),
        span(status["uptime_seconds"].as_u64().unwrap_or_default()),
    ));
    output::line(format_args!(
        "store: {}, {}; profile: {}; providers: {}",
        text(&store["kind"]),
        judged(health, health == "healthy"),
        text(&status["policy"]["profile"]),
        text(&status["policy"]["providers"]),
    ));
    let totals = &status["totals"];
    output::line(format_args!(
        "requests: {} admitted and {} refused of {}; {} running, of {} users",
        text(&totals["admitted"]),
        text(&totals["refused"]),
        text(&totals["requests"]),
        text(&status["concurrent"]),
        text(&status["users"]),
    ));
    output::line(format_args!(
        "tokens: {} in and {} out; cost: ${}, of it overrun ${}",
        text(&totals["input_tokens"]),
        text(&totals["output_tokens"]),
        text(&totals["cost_usd"]),
        text(&totals["overrun_usd"]),
    ));
    for warning in status["policy"]["warnings"].as_array().into_iter().flatten() {
        output::line(format_args!("warning: {}", text(warning)));
    }
    for warning in status["budget_warnings"].as_array().into_iter().flatten() {
        output::line(format_args!("{} {}", text(&warning["at"]), text(&warning["message"])));
    }
    let limits = status["limits"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !limits.is_empty() {
        output::line(format_args!("\n{}", of_limits(limits)));
    }
}

fn of_limits(limits: &[Value]) -> comfy_table::Table {
    let is_dialed = limits.iter().any(|limit| limit["dial"].is_number());
    let dial = is_dialed.then_some("dial");
    let header = ["limit", "per", "allows", "refused", "would refuse", "left"];
    let mut table = table(&header.into_iter().chain(dial).collect::<Vec<_>>());
    for limit in limits {
        let standing = &limit["standing"];
        let is_shadow = match (&limit["shadow"], &limit["soft"]) {
            (Value::Bool(true), _) => " (shadow)",
            (_, Value::Bool(true)) => " (soft)",
            _ => "",
        };
        let row = [
            format!("{}{is_shadow}", text(&limit["name"])),
            text(&limit["per"]),
            text(&limit["allows"]),
            text(&limit["refused"]),
            text(&limit["shadowed"]),
            amount(&standing["unit"], &standing["remaining"]),
        ];
        table.add_row(row.into_iter().chain(dial.map(|_| percent(&limit["dial"]))));
    }
    numbers(table, 3)
}

/// A share as people say it.
fn percent(share: &Value) -> String {
    share.as_f64().map_or_else(|| text(share), |share| format!("{:.1} %", share * 100.0))
}

/// A length of time as people say it, to the unit that matters.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_said_to_the_unit_that_matters() {
        for (seconds, said) in
            [(0, "0 s"), (59, "59 s"), (119, "1 min"), (7_260, "2 h 1 min"), (90_000, "1 d 1 h")]
        {
            assert_eq!(span(seconds), said);
        }
    }

    #[test]
    fn the_dial_is_shown_where_a_limit_has_one() {
        let limit = |name: &str, dial: Value| {
            json!({
                "name": name, "per": [], "allows": "10/minute", "refused": 0, "shadowed": 0,
                "standing": { "unit": "requests", "remaining": 7 }, "dial": dial,
            })
        };
        let shown = of_limits(&[limit("a", json!(0.125)), limit("b", Value::Null)]).to_string();
        let lines: Vec<&str> = shown.lines().map(str::trim).collect();
        assert!(lines[0].ends_with("dial"), "{shown}");
        assert!(lines[2].ends_with("12.5 %") && lines[3].ends_with('-'), "{shown}");
        assert!(!of_limits(&[limit("b", Value::Null)]).to_string().contains("dial"));
    }
}
