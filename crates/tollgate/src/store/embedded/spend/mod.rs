//! What was used, by whom and for what, in any span of time: truth up to now.
//!
//! The writer sums up ends of reservations by the hour (`roll`); a question reads these sums
//! and, through the view `spent`, the rows after them. It has a connection of its own, so
//! that nobody who is served waits for it.

mod roll;
mod tally;

use std::{fmt::Write as _, path::Path, time::Duration};

use rusqlite::{Connection, Row, ToSql, params_from_iter};
use serde::Serialize;
use tollgate_core::{NanoUsd, Time};

pub(super) use {roll::Roll, tally::Spent};

use super::{LedgerError, redo, schema};

/// By what spend can be told apart. A request without the attribute has the empty text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names of the attributes")]
pub enum Dimension {
    User,
    Key,
    Team,
    Customer,
    Provider,
    Model,
    Task,
    Tag,
}

/// Spans into which time is cut, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "they say what they are")]
pub enum Bucket {
    Hour,
    Day,
}

/// Which rows come first, and are left when there are too many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SpendOrder {
    /// The most expensive.
    #[default]
    Cost,
    /// Those with the most requests.
    Requests,
    /// Those with the most tokens.
    Tokens,
    /// The earliest.
    Time,
}

/// A question about what was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendQuery {
    /// From the hour that this is in, on the wall clock.
    pub from: Time,
    /// To the end of the hour that this is in; its first instant belongs to the hour before.
    /// Of spans longer than [`MAX_SPAN`], the last part is looked at.
    pub to: Time,
    /// One row for each span of time; one for all if there is none.
    pub bucket: Option<Bucket>,
    /// One row for each combination of these.
    pub group_by: Vec<Dimension>,
    /// Only what has all of these.
    pub filter: Vec<(Dimension, String)>,
    /// Which rows come first.
    pub order: SpendOrder,
    /// How many rows at most; never more than [`MAX_SPEND_ROWS`].
    pub limit: usize,
}

/// What was used by some.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SpendRow {
    /// When the span of time began, where the question asked for spans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Time>,
    /// The values of the dimensions that the question groups by, in its order.
    pub by: Vec<String>,
    /// Requests.
    pub requests: u64,
    /// Tokens sent to the models.
    pub input_tokens: u64,
    /// Tokens made by the models.
    pub output_tokens: u64,
    /// Money.
    pub nano_usd: NanoUsd,
    /// Audio, in milliseconds.
    pub millis: u64,
    /// What of the money had not been reserved.
    pub overrun_nano_usd: NanoUsd,
    /// Of the requests, those that are charged by what was thought: nobody told what they
    /// used, or they never ended.
    pub estimated: u64,
}

/// Rows of an answer.
pub const MAX_SPEND_ROWS: usize = 1_000;

/// The longest span of time that a question can be about.
pub const MAX_SPAN: Duration = Duration::from_secs(400 * 24 * 3600);

/// What stands for names that are not kept, in an hour with very many of them.
pub const OTHERS: &str = "(others)";

const HOUR_NS: u64 = 3_600_000_000_000;

/// The sums of a row, in their order in the table.
const SUMS: [&str; 7] = [
    "requests",
    "input_tokens",
    "output_tokens",
    "nano_usd",
    "millis",
    "overrun_nano_usd",
    "estimated",
];

impl Dimension {
    /// Every one, in the order of the table's columns.
    pub const ALL: [Self; 8] = [
        Self::User,
        Self::Key,
        Self::Team,
        Self::Customer,
        Self::Provider,
        Self::Model,
        Self::Task,
        Self::Tag,
    ];

    /// The name, as that of the attribute.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Key => "key",
            Self::Team => "team",
            Self::Customer => "customer",
            Self::Provider => "provider",
            Self::Model => "model",
            Self::Task => "task",
            Self::Tag => "tag",
        }
    }

    /// The dimension of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dimension| dimension.name() == name)
    }
}

impl Bucket {
    const fn hours(self) -> u64 {
        match self {
            Self::Hour => 1,
            Self::Day => 24,
        }
    }
}

impl SpendQuery {
    /// All that was used from one instant to another, in one row.
    pub const fn between(from: Time, to: Time) -> Self {
        Self {
            from,
            to,
            bucket: None,
            group_by: Vec::new(),
            filter: Vec::new(),
            order: SpendOrder::Cost,
            limit: MAX_SPEND_ROWS,
        }
    }

    /// The question in SQL: its parameters are the span's hours, the filter's values and the
    /// limit, in this order.
    fn sql(&self) -> String {
        let bucket = self
            .bucket
            .map_or_else(|| "0".to_owned(), |bucket| format!("hour / {0} * {0}", bucket.hours()));
        let mut by = vec![format!("{bucket} AS start")];
        by.extend(self.group_by.iter().map(|dimension| dimension.name().to_owned()));
        let mut filter = "hour >= ?1 AND hour < ?2".to_owned();
        for (nth, (dimension, _)) in self.filter.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = write!(filter, " AND {} = ?{}", dimension.name(), nth + 4);
        }
        let columns =
            Dimension::ALL.iter().map(|dimension| dimension.name()).chain(SUMS).collect::<Vec<_>>();
        let columns = columns.join(", ");
        let sums = SUMS.map(|sum| format!("sum({sum}) AS {sum}")).join(", ");
        let groups = (1..=by.len()).map(|nth| nth.to_string()).collect::<Vec<_>>().join(", ");
        let order = match self.order {
            SpendOrder::Cost => "nano_usd DESC, requests DESC",
            SpendOrder::Requests => "requests DESC, nano_usd DESC",
            SpendOrder::Tokens => "input_tokens + output_tokens DESC, requests DESC",
            SpendOrder::Time => "start",
        };
        format!(
            "SELECT {by}, {sums} FROM ( \
                SELECT hour, {columns} FROM spend WHERE {filter} UNION ALL \
                SELECT hour, {columns} FROM spent \
                    WHERE seq > (SELECT value FROM meta WHERE name = 'rolled') AND {filter} \
            ) GROUP BY {groups} ORDER BY {order}, {groups} LIMIT ?3",
            by = by.join(", "),
        )
    }

    fn read(&self, row: &Row<'_>) -> rusqlite::Result<SpendRow> {
        let dimensions = self.group_by.len();
        let by = (1..=dimensions).map(|nth| row.get(nth)).collect::<Result<_, _>>()?;
        let start: i64 = row.get(0)?;
        // A sum is below zero only while a correction waits for what it corrects.
        let sum = |nth: usize| -> rusqlite::Result<u64> {
            Ok(u64::try_from(row.get::<_, i64>(dimensions + 1 + nth)?).unwrap_or(0))
        };
        Ok(SpendRow {
            start: self.bucket.map(|_| Time::from_nanos(start.unsigned_abs() * HOUR_NS)),
            by,
            requests: sum(0)?,
            input_tokens: sum(1)?,
            output_tokens: sum(2)?,
            nano_usd: NanoUsd(sum(3)?),
            millis: sum(4)?,
            overrun_nano_usd: NanoUsd(sum(5)?),
            estimated: sum(6)?,
        })
    }
}

/// What was used, up to the last row that is on the disk. Also while a process writes the
/// ledger, which is not slowed by it. It takes as long as reading the sums of the span: call
/// it where nobody is kept from other work.
///
/// # Errors
/// When there is no such ledger or it can't be read.
pub fn spend(path: &Path, query: &SpendQuery) -> Result<Vec<SpendRow>, LedgerError> {
    redo::bring_in(path);
    let connection = schema::open_to_read(path, None)?;
    ask(&connection, query).map_err(|error| LedgerError::from_sqlite(path, &error))
}

fn ask(connection: &Connection, query: &SpendQuery) -> rusqlite::Result<Vec<SpendRow>> {
    let to = query.to.as_nanos().div_ceil(HOUR_NS);
    let longest = MAX_SPAN.as_secs() / 3600;
    let from = (query.from.as_nanos() / HOUR_NS).max(to.saturating_sub(longest));
    let span = [schema::integer(from), schema::integer(to)];
    let limit = query.limit.min(MAX_SPEND_ROWS) as u64;
    let limit = schema::integer(limit);
    let mut parameters: Vec<&dyn ToSql> = vec![&span[0], &span[1], &limit];
    parameters.extend(query.filter.iter().map(|(_, value)| value as &dyn ToSql));
    let mut statement = connection.prepare(&query.sql())?;
    let rows = statement.query_map(params_from_iter(parameters), |row| query.read(row))?;
    // Without anything to sum up there is one row of nothing; no rows say it better.
    rows.filter(|row| !matches!(row, Ok(row) if row.is_nothing())).collect()
}

impl SpendRow {
    const fn is_nothing(&self) -> bool {
        self.requests == 0
            && self.input_tokens == 0
            && self.output_tokens == 0
            && self.nano_usd.0 == 0
            && self.millis == 0
    }
}
