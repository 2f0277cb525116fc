//! Who changed what and when: rows that are only ever added, each bound to the one before it.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Moment, RosterError};

/// Who makes a change, and when.
#[derive(Debug, Clone)]
pub(crate) struct By {
    /// `command:` or `api:`, and what is known of who asked.
    pub(crate) who: String,
    pub(crate) at: Moment,
    /// Why, where that was said.
    pub(crate) reason: Option<String>,
}

/// What was changed: how it was before and how it is now; null where it was or is not there.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) what: &'static str,
    pub(crate) subject: String,
    pub(crate) before: Value,
    pub(crate) after: Value,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct AuditRow {
    pub(crate) seq: i64,
    pub(crate) at: Moment,
    pub(crate) who: String,
    pub(crate) what: String,
    pub(crate) subject: String,
    pub(crate) reason: Option<String>,
    pub(crate) before: Value,
    pub(crate) after: Value,
    #[serde(serialize_with = "hex")]
    hash: [u8; 32],
}

/// What is kept of a row as one text, which is what its hash is of. Rows of older versions have
/// other members: what they tell is how it was after the change, but for `before` and `reason`.
#[derive(Debug, Serialize, Deserialize)]
struct Detail {
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    before: Value,
    #[serde(default)]
    after: Option<Value>,
    #[serde(flatten)]
    older: Map<String, Value>,
}

/// What the rows are worth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Chain {
    /// Rows that were looked at.
    pub(crate) rows: u64,
    /// The first row that does not follow from those before it.
    pub(crate) broken_at: Option<i64>,
    /// The last row's hash: whoever noted it elsewhere sees whether the end was cut off.
    pub(crate) head: String,
}

/// Rows that are kept; older ones go.
const MAX_ROWS: i64 = 1_000_000;

/// The longest name of who makes a change, and what a change is of, in bytes.
const MAX_WHO_BYTES: usize = 256;
const MAX_SUBJECT_BYTES: usize = 600;

/// The longest reason, in bytes.
const MAX_REASON_BYTES: usize = 500;

/// How much is kept of how something was before or after, in bytes of JSON.
const MAX_STATE_BYTES: usize = 8 * 1024;

pub(super) const COLUMNS: &str = "seq, at, who, what, subject, detail, hash";

/// Writes down a change, within the transaction that makes it.
pub(super) fn append(tx: &Transaction<'_>, by: &By, change: Change) -> Result<(), RosterError> {
    let last = tx.query_row("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?))
    });
    let (seq, before) = last.optional()?.unwrap_or((0, [0; 32]));
    let Change { what, mut subject, before: was, after } = change;
    let mut who = by.who.clone();
    who.truncate(who.floor_char_boundary(MAX_WHO_BYTES));
    subject.truncate(subject.floor_char_boundary(MAX_SUBJECT_BYTES));
    let (was, after) = (bounded(was), bounded(after));
    let detail = Detail {
        reason: by.reason.clone(),
        before: was.clone(),
        after: Some(after.clone()),
        older: Map::new(),
    };
    let detail = serde_json::to_string(&detail).unwrap_or_default();
    let mut row = AuditRow {
        seq: seq + 1,
        at: by.at,
        who,
        what: what.to_owned(),
        subject,
        reason: by.reason.clone(),
        before: was,
        after,
        hash: [0; 32],
    };
    row.hash = row.chained(&before, &detail);
    tx.execute(
        "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?)",
        params![row.seq, row.at, row.who, row.what, row.subject, detail, row.hash],
    )?;
    tx.execute("DELETE FROM audit WHERE seq <= ?", [row.seq - MAX_ROWS])?;
    Ok(())
}

/// The last rows, the newest first.
pub(super) fn last(connection: &Connection, most: u32) -> Result<Vec<AuditRow>, RosterError> {
    let sql = format!("SELECT {COLUMNS} FROM audit ORDER BY seq DESC LIMIT ?");
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([most], |row| Ok(AuditRow::read(row)?.0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Goes through all rows: each must follow from the one before it.
pub(super) fn verify(connection: &Connection) -> Result<Chain, RosterError> {
    let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM audit ORDER BY seq"))?;
    let mut rows = statement.query([])?;
    let mut before: Option<(i64, [u8; 32])> = None;
    let mut chain = Chain { rows: 0, broken_at: None, head: String::new() };
    while let Some(row) = rows.next()? {
        let (row, detail) = AuditRow::read(row)?;
        // Of the oldest row that is kept, what was before it is gone, where as many follow as are
        // kept; the first of all follows from nothing.
        let follows = match before {
            None if row.seq > 1 => is_full(connection)?,
            None => row.hash == row.chained(&[0; 32], &detail),
            Some((seq, hash)) => seq + 1 == row.seq && row.hash == row.chained(&hash, &detail),
        };
        if !follows && chain.broken_at.is_none() {
            chain.broken_at = Some(row.seq);
        }
        chain.rows += 1;
        before = Some((row.seq, row.hash));
    }
    chain.head = before.map_or_else(String::new, |(_, hash)| to_hex(&hash));
    Ok(chain)
}

/// Whether as many rows are there as are kept, so that older ones may be gone.
fn is_full(connection: &Connection) -> Result<bool, RosterError> {
    let count: i64 = connection.query_row("SELECT count(*) FROM audit", [], |row| row.get(0))?;
    Ok(count >= MAX_ROWS)
}

impl AuditRow {
    /// Its hash, in hexadecimal digits.
    pub(crate) fn hash(&self) -> String {
        to_hex(&self.hash)
    }

    /// With its detail as it is written.
    pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<(Self, String)> {
        let text: String = row.get(5)?;
        let told = serde_json::from_str::<Detail>(&text);
        let Detail { reason, before, after, older } = told.unwrap_or_else(|_| Detail::nothing());
        let after = after
            .unwrap_or_else(|| if older.is_empty() { Value::Null } else { Value::Object(older) });
        let read = Self {
            seq: row.get(0)?,
            at: row.get(1)?,
            who: row.get(2)?,
            what: row.get(3)?,
            subject: row.get(4)?,
            reason,
            before,
            after,
            hash: row.get(6)?,
        };
        Ok((read, text))
    }

    fn chained(&self, before: &[u8; 32], detail: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(before);
        hasher.update(&self.seq.to_le_bytes());
        hasher.update(&self.at.millis().to_le_bytes());
        for text in [&self.who, &self.what, &self.subject, detail] {
            // With its length, so that no two rows are written alike.
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.finalize().into()
    }
}

impl By {
    /// What time itself changes.
    pub(crate) fn clock(at: Moment) -> Self {
        Self { who: "system:clock".to_owned(), at, reason: None }
    }

    /// With a reason.
    ///
    /// # Errors
    /// When it is too long, or has control characters.
    pub(crate) fn because(self, reason: Option<String>) -> Result<Self, RosterError> {
        let reason = reason.map(|reason| reason.trim().to_owned());
        let reason = reason.filter(|reason| !reason.is_empty());
        if let Some(reason) = &reason {
            let why = match reason.len() {
                1..=MAX_REASON_BYTES if reason.chars().any(char::is_control) => {
                    "the reason has control characters: write it on one line".to_owned()
                }
                1..=MAX_REASON_BYTES => return Ok(Self { reason: Some(reason.clone()), ..self }),
                long => format!("the reason has {long} bytes and not {MAX_REASON_BYTES} at most"),
            };
            return Err(RosterError::Invalid(why));
        }
        Ok(Self { reason: None, ..self })
    }
}

impl Detail {
    fn nothing() -> Self {
        Self { reason: None, before: Value::Null, after: None, older: Map::new() }
    }
}

/// What is kept of a state: all of it, or how large it was.
fn bounded(state: Value) -> Value {
    let bytes = state.to_string().len();
    if bytes <= MAX_STATE_BYTES { state } else { json!({ "bytes_left_out": bytes }) }
}

fn to_hex(hash: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*hash).to_hex().to_string()
}

fn hex<S: serde::Serializer>(hash: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&to_hex(hash))
}
