//! `tollgate export ledger`: every row of a ledger.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use tollgate::store::embedded::{Export, LedgerRow};
use tollgate_core::{Attribute, NanoUsd};
use uuid::Uuid;

use super::{ChosenArgs, Row, Rows, to_end};

/// The file may be in use by a server. It is only read; what a crash has left in its redo file is
/// written to it first.
#[derive(Debug, clap::Args)]
#[command(after_long_help = COLUMNS)]
pub(super) struct LedgerArgs {
    /// The ledger's file
    #[arg(long, value_name = "FILE", default_value = "tollgate.db")]
    ledger: PathBuf,
    #[command(flatten)]
    chosen: ChosenArgs,
}

const COLUMNS: &str = "\
Columns, and members of the JSON objects:
  seq                  the row's number, in the order of what happened
  kind                 reserve, extend, renew, settle, void, expire, overrun or end_session
  id                   the reservation's id; empty where a session was ended
  time                 when, RFC 3339 in UTC
  user, session, team, customer, tier, key, provider, model, task, tag
                       who asked and for what; empty where it was not said
  requests, input_tokens, output_tokens, milliseconds
                       whole numbers: reserved, added, charged, or used beyond the reservation
  usd                  dollars, an exact decimal; in JSON a string
  estimated            true where nobody told what was used, and where a `reserve` stands for
                       what a crash may have lost
  attributes           the operator's own and the other ones, a JSON object

What was charged is in the rows `settle`; of a reservation that nobody ended it is the row
`expire`, unless a later `settle` or `void` of its id says better. An `overrun` row says what of
the row before it had not been reserved: do not add it.

Examples:
  tollgate export ledger --out ledger.csv
  tollgate export ledger --format jsonl --from 2026-11-01 --to 2026-12-01 | jq .usd
  tollgate export ledger --ledger /var/lib/tollgate/tollgate.db --from 2026-11-25T08:00:00Z";

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

/// Writes what was asked for.
pub(super) fn run(args: &LedgerArgs) -> anyhow::Result<ExitCode> {
    let rows = Export::open(&args.ledger, args.chosen.from, args.chosen.to)?;
    to_end(rows, &args.ledger, args.chosen.format, args.chosen.out.as_deref())
}

impl Rows for Export {
    type Row = LedgerRow;

    fn next_rows(&mut self) -> anyhow::Result<Option<Vec<LedgerRow>>> {
        let lot = Self::next_rows(self)?;
        Ok((!lot.is_empty()).then_some(lot))
    }

    fn progress(&self) -> (u64, u64) {
        Self::progress(self)
    }
}

impl Row for LedgerRow {
    const HEADER: &[&str] = &HEADER;

    fn write_csv<W: Write>(&self, csv: &mut csv::Writer<W>) -> io::Result<()> {
        let others = others(self).map(|others| Value::Object(others).to_string());
        csv.serialize(Line::new(self, others)).map_err(io::Error::from)
    }

    fn write_json<W: Write>(&self, to: &mut W) -> io::Result<()> {
        Ok(serde_json::to_writer(to, &Line::new(self, others(self)))?)
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
