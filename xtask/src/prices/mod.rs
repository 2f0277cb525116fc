//! `cargo xtask prices`: the project's price table, converted from litellm's.
//!
//! What cannot be converted exactly, or is probably wrong, is left out of the table, so that
//! the model has no price and the policy says what happens; the report names it.

mod convert;
mod decimal;
mod report;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::value::RawValue;
use tollgate_meter::prices::{COLUMNS, PriceTable};

use self::{convert::convert, report::Report};

/// Where the prices come from, and what to do with them.
#[derive(Args)]
pub(crate) struct Prices {
    /// litellm's `model_prices_and_context_window_backup.json`.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Write nothing; fail if the table is not what would be written.
    #[arg(long)]
    check: bool,
}

/// A model as the source describes it.
type Model<'a> = BTreeMap<String, &'a RawValue>;

/// The source's own version.
const SOURCE: &str = "litellm 1.109.1, model_prices_and_context_window_backup.json";

const DEFAULT_FROM: &str = "../shared/data/model_prices.json";
const TABLE: &str = "crates/tollgate-meter/data/prices.tsv";

/// Converts the prices and reports what is doubtful about them.
///
/// # Errors
/// When the source cannot be read, the table cannot be written, or with `--check` differs.
pub(crate) fn run(args: &Prices) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace's folder")?;
    let from = args.from.clone().unwrap_or_else(|| root.join(DEFAULT_FROM));
    let source = fs::read_to_string(&from).with_context(|| {
        format!("cannot read {}; name litellm's price file with --from FILE", from.display())
    })?;
    let (table, report) = table(&source)?;
    let path = root.join(TABLE);
    report.print();
    if !args.check {
        return fs::write(&path, table).with_context(|| format!("cannot write {TABLE}"));
    }
    if fs::read_to_string(&path).is_ok_and(|committed| committed == table) {
        return Ok(());
    }
    bail!("{TABLE} is not what its source makes; run `cargo xtask prices` and commit it")
}

/// The text of the table, and what is to be said about it.
fn table(source: &str) -> Result<(String, Report)> {
    let models: BTreeMap<String, &RawValue> =
        serde_json::from_str(source).context("the source is no JSON object of models")?;
    let mut report = Report::new(models.len());
    let mut table = header();
    for (name, model) in models {
        let model: Model<'_> = serde_json::from_str(model.get())
            .with_context(|| format!("`{name}` is no JSON object"))?;
        if let Some(row) = convert(&name, &model, &mut report) {
            table.push_str(&row.to_string());
            table.push('\n');
            report.count_row();
        }
    }
    PriceTable::parse(&table).context("the table that was made cannot be read back")?;
    Ok((table, report))
}

fn header() -> String {
    format!(
        "# Prices of models in nano-dollars per million tokens, or per million seconds of audio.\n\
         # Calls of the provider's own tools (search, maps) cost nano-dollars each.\n\
         # Made by `cargo xtask prices`; do not edit. A model without a line has no price.\n\
         # Source: {SOURCE} (MIT, see LICENSE-litellm).\n\
         # {}\n",
        COLUMNS.join("\t")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(source: &str) -> Vec<String> {
        let (table, _) = table(source).expect("a table");
        table.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn a_model_becomes_one_line() {
        let source = r#"{"m": {"mode": "chat", "litellm_provider": "p",
            "input_cost_per_token": 1.1e-06, "output_cost_per_token": 4.4e-06,
            "cache_read_input_token_cost": 5.5e-07, "input_cost_per_token_batches": 1e-9,
            "cache_creation_input_token_cost": 1.375e-6,
            "cache_creation_input_token_cost_above_1hr": 2.2e-6,
            "input_cost_per_token_above_200k_tokens": 2.2e-06,
            "output_cost_per_token_above_200k_tokens": 8.8e-6, "max_input_tokens": 128000,
            "supports_reasoning": true}}"#;
        assert_eq!(
            rows(source),
            ["m\tp\tchat\t1100000000\t4400000000\t550000000\t1375000000\t2200000000\t-\t-\t-\t\
              128000\t-\t-\t-\t200000:2200000000:8800000000:-:-:-\tyes"]
        );
    }

    #[test]
    fn seconds_and_embeddings_have_lines() {
        let source = r#"{
            "e": {"mode": "embedding", "litellm_provider": "p", "input_cost_per_token": 2e-08},
            "s": {"mode": "audio_transcription", "litellm_provider": "p",
                  "input_cost_per_second": 7.167e-05, "output_cost_per_second": 0.0}}"#;
        assert_eq!(
            rows(source),
            [
                "e\tp\tembedding\t20000000\t0\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-",
                "s\tp\taudio_transcription\t0\t0\t-\t-\t-\t-\t-\t71670000000\t-\t-\t-\t-\t-\t-",
            ]
        );
    }

    #[test]
    fn calls_of_tools_are_priced_each() {
        let tokens = r#""mode": "chat", "litellm_provider": "p",
            "input_cost_per_token": 1e-06, "output_cost_per_token": 0"#;
        let source = format!(
            r#"{{"a": {{{tokens}, "google_maps_grounding_cost_per_query": 0.014,
                "search_context_cost_per_query": {{"search_context_size_low": 0.005,
                    "search_context_size_high": 0.012}}}},
            "b": {{{tokens}, "input_cost_per_request": 0.005}},
            "c": {{{tokens}, "google_maps_grounding_cost_per_query": 0.0}}}}"#
        );
        let line = |model: &str, fees: &str| {
            format!("{model}\tp\tchat\t1000000000\t0\t-\t-\t-\t-\t-\t-\t-\t-\t{fees}\t-\t-")
        };
        assert_eq!(
            rows(&source),
            [line("a", "12000000\t14000000"), line("b", "5000000\t-"), line("c", "-\t-")]
        );
    }

    #[test]
    fn ranges_become_tiers() {
        let source = r#"{"m": {"mode": "chat", "litellm_provider": "p", "tiered_pricing": [
            {"range": [0, 256000.0], "input_cost_per_token": 5e-08, "output_cost_per_token": 4e-07},
            {"range": [256000.0, 1000000.0], "input_cost_per_token": 2.5e-07,
             "output_cost_per_token": 2e-06}]}}"#;
        assert_eq!(
            rows(source),
            [
                "m\tp\tchat\t50000000\t400000000\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t256000:250000000:2000000000:-:-:-\t-"
            ]
        );
    }

    #[test]
    fn what_is_doubtful_has_no_line() {
        for doubtful in [
            r#"{"mode": "embedding", "input_cost_per_token": 0.0001}"#,
            r#"{"mode": "chat", "input_cost_per_token": 0.0032, "output_cost_per_token": 0.00971}"#,
            r#"{"mode": "chat", "input_cost_per_token": 1e-8, "output_cost_per_token": 1.2e-6}"#,
            r#"{"mode": "chat", "input_cost_per_token": 0, "output_cost_per_token": 0.0}"#,
            r#"{"mode": "chat", "input_cost_per_token": 1e-6}"#,
            r#"{"mode": "chat", "input_cost_per_second": 0.01}"#,
            r#"{"mode": "chat", "input_cost_per_token": "1e-6", "output_cost_per_token": 1e-6}"#,
            r#"{"mode": "chat", "input_cost_per_token": -1e-6, "output_cost_per_token": 1e-6}"#,
            r#"{"mode": "image_generation", "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}"#,
        ] {
            assert_eq!(rows(&format!(r#"{{"m": {doubtful}}}"#)), [""; 0], "{doubtful}");
        }
    }
}
