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
    if let Some(line) = of_cache(&stats["cache"]) {
        output::line(line);
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

/// What the cache answered and what that saved; nothing where nobody asked it.
fn of_cache(cache: &Value) -> Option<String> {
    let counts = ["hits", "shared", "similar", "misses"];
    let is_used = counts.iter().any(|count| cache[count] != 0);
    is_used.then(|| {
        let [hits, shared, similar, misses] = counts.map(|count| text(&cache[count]));
        let found = cache["hit_rate"].as_f64().unwrap_or_default() * 100.0;
        let saved = text(&cache["saved_usd"]);
        format!(
            "cache: {hits} hits, {shared} shared, {similar} similar, {misses} misses ({found:.1} % found); saved ${saved}"
        )
    })
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_cache_saved_is_told_in_dollars() {
        let cache = |hits: u64| {
            json!({
                "hits": hits, "shared": 0, "similar": 0, "misses": 0,
                "hit_rate": 0.6666, "saved_usd": "0.000034",
            })
        };
        let told = of_cache(&cache(2)).expect("it was asked");
        assert_eq!(
            told,
            "cache: 2 hits, 0 shared, 0 similar, 0 misses (66.7 % found); saved $0.000034"
        );
        assert_eq!(of_cache(&cache(0)), None, "nobody asked it");
    }
}
