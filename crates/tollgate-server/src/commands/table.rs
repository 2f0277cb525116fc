//! Tables and words as commands print them.

use std::io::{IsTerminal as _, stdout};

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use serde_json::Value;

/// A line under the header, and nothing else.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A table with this header.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(header);
    table
}

/// The same table with the columns from `first` on to the right.
pub(super) fn numbers(mut table: Table, first: usize) -> Table {
    for column in table.column_iter_mut().skip(first) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A value as people read it: texts without quotes, nothing where there is none.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// An amount in its unit: dollars bear their sign.
pub(super) fn amount(unit: &Value, value: &Value) -> String {
    match (unit.as_str(), value) {
        (Some("usd"), Value::Number(usd)) => format!("${usd}"),
        (Some("seconds"), Value::Number(seconds)) => format!("{seconds} s"),
        _ => text(value),
    }
}

/// A word in green or red where a terminal shows it.
pub(super) fn judged(word: &str, is_well: bool) -> String {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if !stdout().is_terminal() || no_color {
        return word.to_owned();
    }
    let color = if is_well { 32 } else { 31 };
    format!("\x1b[{color}m{word}\x1b[0m")
}
