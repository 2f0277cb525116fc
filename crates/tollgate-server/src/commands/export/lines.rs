//! One row of the ledger, as a line of CSV or of JSON.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use tollgate::store::embedded::LedgerRow;
use tollgate_core::{Attribute, NanoUsd};
use uuid::Uuid;

/// How rows are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// A header and a line for each row, quoted as RFC 4180 says
    #[default]
    Csv,
    /// A JSON object for each row, a line each
    Jsonl,
}

/// Writes rows in one of the formats.
pub(super) enum Lines<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Jsonl(W),
}

/// A line; the order of its members is that of the columns.
#[derive(Serialize)]
struct Line<'a, A> {
    seq: u64,
    kind: &'static str,
    id: Option<Uuid>,
    time: String,
    user: Option<&'a str>,
    session: Option<&'a str>,
    team: Option<&'a str>,
    customer: Option<&'a str>,
    tier: Option<&'a str>,
    key: Option<&'a str>,
    provider: Option<&'a str>,
    model: Option<&'a str>,
    task: Option<&'a str>,
    tag: Option<&'a str>,
    requests: u64,
    input_tokens: u64,
    output_tokens: u64,
    milliseconds: u64,
    usd: NanoUsd,
    estimated: bool,
    attributes: A,
}

/// Attributes with a column of their own.
const NAMED: [Attribute; 10] = [
    Attribute::User,
    Attribute::Session,
    Attribute::Team,
    Attribute::Customer,
    Attribute::Tier,
    Attribute::Key,
    Attribute::Provider,
    Attribute::Model,
    Attribute::Task,
    Attribute::Tag,
];

/// The header, which is there without rows too.
const HEADER: [&str; 21] = [
    "seq",
    "kind",
    "id",
    "time",
    "user",
    "session",
    "team",
    "customer",
    "tier",
    "key",
    "provider",
    "model",
    "task",
    "tag",
    "requests",
    "input_tokens",
    "output_tokens",
    "milliseconds",
    "usd",
    "estimated",
    "attributes",
];

impl<W: Write> Lines<W> {
    pub(super) fn new(to: W, format: Format) -> io::Result<Self> {
        match format {
            Format::Csv => {
                let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(to);
                csv.write_record(HEADER).map_err(io::Error::from)?;
                Ok(Self::Csv(Box::new(csv)))
            }
            Format::Jsonl => Ok(Self::Jsonl(to)),
        }
    }

    pub(super) fn write(&mut self, row: &LedgerRow) -> io::Result<()> {
        let others = others(row);
        match self {
            Self::Csv(csv) => {
                let others = others.map(|others| Value::Object(others).to_string());
                csv.serialize(Line::new(row, others)).map_err(io::Error::from)
            }
            Self::Jsonl(to) => {
                serde_json::to_writer(&mut *to, &Line::new(row, others))?;
                to.write_all(b"\n")
            }
        }
    }

    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::Csv(mut csv) => csv.flush(),
            Self::Jsonl(mut to) => to.flush(),
        }
    }
}

impl<'a, A> Line<'a, A> {
    fn new(row: &'a LedgerRow, attributes: A) -> Self {
        let [user, session, team, customer, tier, key, provider, model, task, tag] =
            NAMED.map(|attribute| row.value(&attribute));
        let nanos = i128::from(row.wall.as_nanos());
        Self {
            seq: row.seq,
            kind: row.kind,
            id: row.id.map(|id| Uuid::from_u128(id.0)),
            time: Timestamp::from_nanosecond(nanos).unwrap_or(Timestamp::MAX).to_string(),
            user,
            session,
            team,
            customer,
            tier,
            key,
            provider,
            model,
            task,
            tag,
            requests: row.amounts.requests,
            input_tokens: row.amounts.input_tokens,
            output_tokens: row.amounts.output_tokens,
            milliseconds: row.amounts.millis,
            usd: row.amounts.cost,
            estimated: row.estimated,
            attributes,
        }
    }
}

/// The attributes that have no column, if there are any.
fn others(row: &LedgerRow) -> Option<Map<String, Value>> {
    let is_other = |name: &str| NAMED.iter().all(|named| named.name() != name);
    let others = row.attributes.iter().filter(|(name, _)| is_other(name));
    let others: Map<_, _> =
        others.map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    (!others.is_empty()).then_some(others)
}
