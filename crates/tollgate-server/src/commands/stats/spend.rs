//! `tollgate stats spend` and `tollgate stats top`: what was used, by whom and for what.

use std::process::ExitCode;

use serde_json::Value;

use super::{Asking, TimeArgs, query, start};
use crate::{
    commands::table::{numbers, table, text},
    output,
};

/// What is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct SpendArgs {
    /// One row for each of: user, key, team, customer, provider, model, task, tag; several
    /// with commas
    #[arg(long, value_name = "NAMES")]
    by: Option<String>,
    #[command(flatten)]
    time: TimeArgs,
    /// Which rows come first: cost, requests, tokens
    #[arg(long, value_name = "ORDER")]
    order: Option<String>,
    /// How many rows, of each span of time
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Only what has this: such as user=alice
    #[arg(long = "where", value_name = "NAME=VALUE", value_parser = condition)]
    conditions: Vec<(String, String)>,
    #[command(flatten)]
    asking: Asking,
}

/// Shows what was spent.
///
/// # Errors
/// When nothing answers, or not with what was spent.
pub(crate) fn run(args: &SpendArgs, path: &str) -> anyhow::Result<ExitCode> {
    let limit = args.limit.map(|limit| limit.to_string());
    let mut parts = args.time.parts();
    let own = [("by", &args.by), ("order", &args.order), ("limit", &limit)];
    parts.extend(own.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
    parts.extend(args.conditions.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let spend = args.asking.ask(&query(path, &parts))?;
    if args.asking.json {
        output::line(format_args!("{spend:#}"));
    } else {
        tell(&spend);
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(spend: &Value) {
    let total = &spend["total"];
    output::line(format_args!(
        "{} to {}: ${} for {} requests, {} tokens in and {} out",
        text(&spend["from"]),
        text(&spend["to"]),
        text(&total["cost_usd"]),
        text(&total["requests"]),
        text(&total["input_tokens"]),
        text(&total["output_tokens"]),
    ));
    let by: Vec<&str> =
        spend["by"].as_array().into_iter().flatten().flat_map(Value::as_str).collect();
    let rows = spend["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_cut = rows.iter().any(|row| row["start"].is_string());
    if rows.is_empty() || (by.is_empty() && !is_cut) {
        return;
    }
    let mut header: Vec<&str> = is_cut.then_some("from").into_iter().chain(by.clone()).collect();
    let names = header.len();
    header.extend(["requests", "tokens in", "tokens out", "cost", "share"]);
    let mut table = table(&header);
    for row in rows {
        let mut cells: Vec<String> = is_cut.then(|| start(&row["start"])).into_iter().collect();
        cells.extend(by.iter().map(|name| match row[*name].as_str() {
            Some("") => "(none)".to_owned(),
            _ => text(&row[*name]),
        }));
        let counts = ["requests", "input_tokens", "output_tokens"];
        cells.extend(counts.map(|name| text(&row[name])));
        cells.push(format!("${}", text(&row["cost_usd"])));
        cells.push(row["share_percent"].as_f64().map_or("-".to_owned(), |it| format!("{it:.1} %")));
        table.add_row(cells);
    }
    output::line(format_args!("\n{}", numbers(table, names)));
}

fn condition(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, such as user=alice")?;
    Ok((name.to_owned(), value.to_owned()))
}
