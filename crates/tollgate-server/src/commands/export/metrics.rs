//! `tollgate export metrics`: the numbers of a running process, once.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::{
    commands::ask::{Asker, Base, TokenArgs},
    output,
};

/// They are those of `/metrics`, since the start of the process.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct MetricsArgs {
    /// The control plane
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8788")]
    admin: Base,
    #[command(flatten)]
    token: TokenArgs,
    /// How they are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Where to; to the standard output if not given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// How numbers are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// One JSON object: each metric with its type, its help, and samples with labels and values
    #[default]
    Json,
    /// The text that Prometheus reads
    Prometheus,
}

const EXAMPLES: &str = "\
Examples:
  tollgate export metrics | jq '.metrics[] | select(.name == \"tollgate_cost_usd\")'
  tollgate export metrics --format prometheus --out metrics.txt";

/// Writes them.
///
/// # Errors
/// When nothing answers, or the file can't be written.
pub(super) fn run(args: &MetricsArgs) -> anyhow::Result<ExitCode> {
    let asker = Asker::new(&args.admin, args.token.read()?.as_deref(), "--admin")?;
    let text = asker.text("/metrics")?;
    let text = match args.format {
        Format::Prometheus => text.trim_end().to_owned(),
        Format::Json => format!("{:#}", json!({ "metrics": read(&text) })),
    };
    match &args.out {
        None => output::line(text),
        Some(out) => {
            write(out, &text)?;
            output::note(format_args!("the metrics are in {}", out.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a file whole, or not at all.
fn write(out: &Path, text: &str) -> anyhow::Result<()> {
    let mut part = OsString::from(out);
    part.push(".part");
    let part = PathBuf::from(part);
    fs::write(&part, format!("{text}\n"))
        .and_then(|()| fs::rename(&part, out))
        .with_context(|| format!("{} can't be written", out.display()))
}

/// The metrics of a text. It is our own, so its lines are as few kinds as we write; one that is
/// of no known kind is left out.
fn read(text: &str) -> Vec<Value> {
    let mut metrics: Vec<Value> = Vec::new();
    for line in text.lines() {
        if let Some(said) = line.strip_prefix("# ") {
            let mut words = said.splitn(3, ' ');
            let (kind, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            if name.is_empty() {
                continue;
            }
            if metrics.last().is_none_or(|metric| metric["name"] != name) {
                metrics.push(json!({"name": name, "type": "unknown", "help": "", "samples": []}));
            }
            if let Some(metric) = metrics.last_mut() {
                metric[kind.to_lowercase()] = words.next().unwrap_or_default().into();
            }
        } else if let Some(sample) = sample(line)
            && let Some(samples) = metrics.last_mut().and_then(|it| it["samples"].as_array_mut())
        {
            samples.push(sample);
        }
    }
    metrics
}

/// A line `name{label="value",…} number`.
fn sample(line: &str) -> Option<Value> {
    let name_ends = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(name_ends);
    let mut labels = Map::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.insert(label.trim_start_matches(',').to_owned(), value.into());
            rest = after;
        }
        rest = &rest[1..];
    }
    let number = rest.split_whitespace().next()?;
    Some(json!({ "name": name, "labels": labels, "value": value(number) }))
}

/// A label's value up to its quotation mark, and what comes after that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

/// A number; what JSON has none for is a text.
fn value(number: &str) -> Value {
    let whole = number.parse::<u64>().ok().map(Value::from);
    let float = || serde_json::Number::from_f64(number.parse().ok()?).map(Value::Number);
    whole.or_else(float).unwrap_or_else(|| number.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_read_with_their_labels_whatever_these_have() {
        let text = "# HELP tollgate_tokens Tokens settled, by kind.\n\
            # TYPE tollgate_tokens counter\n\
            tollgate_tokens_total{provider=\"a\\\"b\\\\c\\nd, e={}\",kind=\"in put\"} 12\n\
            # HELP tollgate_q Q.\n# TYPE tollgate_q gauge\ntollgate_q 0.25\ntollgate_q{} NaN\n# EOF\n";
        let want = json!([
            {"name": "tollgate_tokens", "type": "counter", "help": "Tokens settled, by kind.",
             "samples": [{"name": "tollgate_tokens_total", "value": 12,
                "labels": {"provider": "a\"b\\c\nd, e={}", "kind": "in put"}}]},
            {"name": "tollgate_q", "type": "gauge", "help": "Q.", "samples": [
                {"name": "tollgate_q", "labels": {}, "value": 0.25},
                {"name": "tollgate_q", "labels": {}, "value": "NaN"}]},
        ]);
        assert_eq!(Value::Array(read(text)), want);
    }

    #[test]
    fn a_line_that_is_none_is_left_out() {
        for line in ["", "x", "x{a=\"b} 1", "x{a} 1", "x{a=\"b\"", "x{a=\"\\"] {
            assert_eq!(sample(line), None, "{line}");
        }
    }
}
