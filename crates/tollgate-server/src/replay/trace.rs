//! Recorded requests: when each came, how long its prompt and its answer were.

use std::{io::Read, time::Duration};

use jiff::civil::DateTime;

use super::published;

/// One recorded request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// When it came, from the first row on.
    pub(crate) at: Duration,
    pub(crate) input_tokens: u32,
    pub(crate) output_tokens: u32,
}

/// Recorded requests in the order of their coming; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trace(Vec<Row>);

/// Why a text is no trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TraceError {
    /// The first line does not name the columns.
    #[error(
        "line 1 of the trace has no column `{0}`: it must be `TIMESTAMP,ContextTokens,GeneratedTokens`"
    )]
    Column(&'static str),
    /// A row that cannot be read.
    #[error("line {line} of the trace: {what}")]
    Row { line: u64, what: String },
    /// No row at all.
    #[error("the trace has no rows")]
    Empty,
}

/// The most rows of a trace, 24 bytes each.
const MAX_ROWS: usize = 5_000_000;
/// The most tokens of a row's prompt or answer.
const MAX_TOKENS: u32 = 1_000_000;

const COLUMNS: [&str; 3] = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"];

impl Trace {
    /// Reads `TIMESTAMP,ContextTokens,GeneratedTokens` rows under a line that names them;
    /// other columns are passed over, LF and CRLF both end a line, the last needs no end.
    pub(crate) fn parse(text: impl Read) -> Result<Self, TraceError> {
        // CR is trimmed as white space: as half of a terminator it would count lines wrong.
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .terminator(csv::Terminator::Any(b'\n'))
            .trim(csv::Trim::All)
            .from_reader(text);
        let header = reader.headers().map_err(|error| unreadable(&error, 1))?;
        let mut places = [0; 3];
        for (place, name) in places.iter_mut().zip(COLUMNS) {
            let found = header.iter().position(|column| column == name);
            *place = found.ok_or(TraceError::Column(name))?;
        }
        let mut rows = Vec::new();
        let mut first = None;
        for (index, record) in reader.records().enumerate() {
            let guess = index as u64 + 2;
            let record = record.map_err(|error| unreadable(&error, guess))?;
            let line = record.position().map_or(guess, csv::Position::line);
            let row = parse_row(&record, places, &mut first)
                .and_then(|row| in_order(row, rows.last()))
                .map_err(|what| TraceError::Row { line, what })?;
            if rows.len() == MAX_ROWS {
                let what = format!("more than {MAX_ROWS} rows are too many for one replay");
                return Err(TraceError::Row { line, what });
            }
            rows.push(row);
        }
        if rows.is_empty() { Err(TraceError::Empty) } else { Ok(Self(rows)) }
    }

    /// A trace made from published statistics of real traffic, the same for the same seed.
    pub(crate) fn published(seed: u64) -> Self {
        published::trace(seed)
    }

    /// A trace of rows that are in order.
    pub(super) const fn from_sorted(rows: Vec<Row>) -> Self {
        Self(rows)
    }

    /// Keeps the first `count` rows.
    #[must_use]
    pub(crate) fn first(mut self, count: usize) -> Self {
        self.0.truncate(count);
        self
    }

    /// The rows, in order.
    pub(crate) fn rows(&self) -> &[Row] {
        &self.0
    }
}

fn parse_row(
    record: &csv::StringRecord,
    places: [usize; 3],
    first: &mut Option<DateTime>,
) -> Result<Row, String> {
    let field = |column: usize| {
        let missing = || format!("`{}` is missing", COLUMNS[column]);
        record.get(places[column]).ok_or_else(missing)
    };
    let tokens = |column: usize| {
        let text = field(column)?;
        text.parse().ok().filter(|tokens| *tokens <= MAX_TOKENS).ok_or_else(|| {
            format!(
                "`{}` is `{}`, but must be a whole number of tokens, at most {MAX_TOKENS}",
                COLUMNS[column],
                short(text)
            )
        })
    };
    let text = field(0)?;
    let when: DateTime = text.parse().map_err(|_| {
        format!("`TIMESTAMP` is `{}`, but must be like 2023-11-16 18:15:46.6805900", short(text))
    })?;
    let began = *first.get_or_insert(when);
    let at = Duration::try_from(when.duration_since(began))
        .map_err(|_| "`TIMESTAMP` is earlier than the first row's".to_owned())?;
    Ok(Row { at, input_tokens: tokens(1)?, output_tokens: tokens(2)? })
}

fn in_order(row: Row, before: Option<&Row>) -> Result<Row, String> {
    match before {
        Some(before) if before.at > row.at => {
            Err("`TIMESTAMP` is earlier than the row's before it".to_owned())
        }
        _ => Ok(row),
    }
}

fn unreadable(error: &csv::Error, guess: u64) -> TraceError {
    let line = error.position().map_or(guess, csv::Position::line);
    TraceError::Row { line, what: format!("it cannot be read: {error}") }
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}
