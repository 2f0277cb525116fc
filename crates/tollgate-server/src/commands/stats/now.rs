//! What a user has used and has left, and what the whole system does now.

use std::process::ExitCode;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::{
    commands::{
        ask::{Base, TokenArgs},
        table::{amount, numbers, table, text},
    },
    output,
};

/// Who is asked about.
#[derive(Debug, clap::Args)]
pub(crate) struct NowArgs {
    /// The user; without one, the whole system
    user: Option<String>,
    /// The data plane, where `/v1` is
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8787")]
    url: Base,
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
pub(crate) fn run(args: &NowArgs) -> anyhow::Result<ExitCode> {
    let path = match &args.user {
        Some(user) => format!("/v1/users/{}/stats", utf8_percent_encode(user, NON_ALPHANUMERIC)),
        None => "/v1/stats".to_owned(),
    };
    let stats = args.url.ask(&path, &args.token, "--url")?;
    match &args.user {
        _ if args.json => output::line(format_args!("{stats:#}")),
        Some(_) => of_user(&stats),
        None => of_system(&stats),
    }
    Ok(ExitCode::SUCCESS)
}

fn of_user(stats: &Value) {
    output::line(format_args!(
        "{}: {} running, {} queued",
        text(&stats["user_id"]),
        text(&stats["concurrent"]),
        text(&stats["queued"]),
    ));
    let accounts = stats["accounts"].as_array().map(Vec::as_slice).unwrap_or_default();
    if accounts.is_empty() {
        output::line("the policy has no limit per user");
    } else {
        output::line(of_accounts(accounts));
    }
}

fn of_system(stats: &Value) {
    output::line(format_args!(
        "running: {}, of {} users; queued: {}",
        text(&stats["global_concurrent"]),
        text(&stats["total_users"]),
        text(&stats["global_queue_size"]),
    ));
    let totals = &stats["totals"];
    output::line(format_args!(
        "requests: {} admitted and {} refused of {}; cost: ${}",
        text(&totals["admitted"]),
        text(&totals["refused"]),
        text(&totals["requests"]),
        text(&totals["cost_usd"]),
    ));
    let cache = &stats["cache"];
    if ["hits", "shared", "similar", "misses"].iter().any(|count| cache[count] != 0) {
        output::line(format_args!(
            "cache: {} hits, {} shared, {} similar, {} misses ({:.1} % found); saved ${}",
            text(&cache["hits"]),
            text(&cache["shared"]),
            text(&cache["similar"]),
            text(&cache["misses"]),
            cache["hit_rate"].as_f64().unwrap_or_default() * 100.0,
            text(&cache["saved_usd"]),
        ));
    }
    let limits = stats["limits"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !limits.is_empty() {
        output::line(format_args!("\n{}", of_accounts(limits)));
    }
    let users = stats["users"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !users.is_empty() {
        let mut table = table(&["user", "running", "queued"]);
        for user in users {
            let shown = ["user_id", "concurrent", "queued"].map(|member| text(&user[member]));
            table.add_row(shown);
        }
        output::line(format_args!("\n{}", numbers(table, 1)));
    }
}

fn of_accounts(accounts: &[Value]) -> comfy_table::Table {
    let mut table = table(&["limit", "unit", "allows", "left", "more at"]);
    for account in accounts {
        let unit = &account["unit"];
        table.add_row([
            text(&account["name"]),
            text(unit),
            amount(unit, &account["limit"]),
            amount(unit, &account["remaining"]),
            text(&account["reset_at"]),
        ]);
    }
    numbers(table, 2)
}
