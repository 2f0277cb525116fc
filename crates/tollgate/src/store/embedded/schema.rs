//! The tables of the ledger, as any SQLite tool shows them, and how a file is opened.
//!
//! The schema itself, with what each table and column means, is `schema.sql`.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{EmbeddedBounds, LedgerError, log};

/// Marks an SQLite file as a Tollgate ledger: "Toll".
const APPLICATION_ID: i64 = 0x546f_6c6c;

/// The format that this version writes.
const FORMAT: i64 = 4;

pub(super) const SCHEMA: &str = concat!(
    include_str!("schema.sql"),
    include_str!("whole.sql"),
    include_str!("receipts.sql"),
    include_str!("spend.sql"),
    include_str!("spent.sql"),
    include_str!("grants.sql"),
    include_str!("retention.sql"),
    include_str!("views.sql")
);

/// What makes a file of format 1 one of this format.
const FROM_1: &str = concat!(
    include_str!("format_2.sql"),
    "DROP INDEX kept;",
    include_str!("whole.sql"),
    include_str!("receipts.sql"),
    include_str!("spend.sql"),
    include_str!("spent.sql"),
    include_str!("grants.sql"),
    include_str!("retention.sql"),
    include_str!("views.sql")
);

/// What makes a file of format 2 one of this format.
const FROM_2: &str = concat!(
    "DROP VIEW spent; DROP VIEW ledger; DROP VIEW ledger_charges; DROP INDEX kept;",
    include_str!("whole.sql"),
    include_str!("receipts.sql"),
    include_str!("spent.sql"),
    include_str!("grants.sql"),
    include_str!("retention.sql"),
    include_str!("views.sql")
);

/// What makes a file of format 3 one of this format.
const FROM_3: &str = concat!(
    "DROP VIEW spent; DROP VIEW ledger; DROP VIEW ledger_charges;",
    include_str!("whole.sql"),
    include_str!("spent.sql"),
    include_str!("views.sql")
);

/// The kind of a row that tells a whole reservation: `Reserve` and `Settle` in one.
pub(super) const WHOLE: i64 = 9;

/// What a row of `entries` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryKind {
    Reserve = 1,
    Extend = 2,
    Renew = 3,
    Settle = 4,
    Void = 5,
    Expire = 6,
    Overrun = 7,
    EndSession = 8,
}

impl EntryKind {
    pub(super) fn numbered(number: i64) -> Option<Self> {
        use EntryKind::{EndSession, Expire, Extend, Overrun, Renew, Reserve, Settle, Void};
        [Reserve, Extend, Renew, Settle, Void, Expire, Overrun, EndSession]
            .into_iter()
            .find(|kind| *kind as i64 == number)
    }

    /// What a row of that number tells first, and whether it tells a whole reservation.
    pub(super) fn begun(number: i64) -> Option<(Self, bool)> {
        let is_whole = number == WHOLE;
        let kind = if is_whole { Some(Self::Reserve) } else { Self::numbered(number) };
        Some((kind?, is_whole))
    }

    /// Its name, as in the table `kinds`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Reserve => "reserve",
            Self::Extend => "extend",
            Self::Renew => "renew",
            Self::Settle => "settle",
            Self::Void => "void",
            Self::Expire => "expire",
            Self::Overrun => "overrun",
            Self::EndSession => "end_session",
        }
    }
}

/// Opens a ledger to write it, and makes it if there is none. It holds `max_bytes` at most.
pub(super) fn open(path: &Path, bounds: &EmbeddedBounds) -> Result<Connection, LedgerError> {
    let failed = |error: rusqlite::Error| LedgerError::from_sqlite(path, &error);
    log::rewrite(path).map_err(|error| LedgerError::unusable(path, &error))?;
    let flags = OpenFlags::default();
    let mut connection = connect(path, flags, bounds.vfs).map_err(failed)?;
    let is_new = pragma(&connection, "schema_version").map_err(failed)? == 0;
    let format = if is_new { FORMAT } else { recognise(&connection, path)? };
    log::begin(&connection).map_err(failed)?;
    connection.pragma_update(None, "synchronous", "full").map_err(failed)?;
    log::keep(&mut connection, bounds.max_log_pages).map_err(failed)?;
    log::empty(&connection).map_err(failed)?;
    connection.pragma_update(None, "temp_store", "memory").map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(32);
    if let Some(max_bytes) = bounds.max_bytes {
        let pages = max_bytes / pragma(&connection, "page_size").map_err(failed)?.max(1) as u64;
        let pages = i64::try_from(pages).unwrap_or(i64::MAX).min(0xffff_fffe);
        connection
            .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
            .map_err(failed)?;
    }
    if is_new {
        let made = format!(
            "BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; COMMIT;"
        );
        connection.execute_batch(&made).map_err(failed)?;
    }
    if format < FORMAT {
        let changes = match format {
            1 => FROM_1,
            2 => FROM_2,
            _ => FROM_3,
        };
        let made = format!("BEGIN IMMEDIATE; {changes} PRAGMA user_version = {FORMAT}; COMMIT;");
        connection.execute_batch(&made).map_err(failed)?;
    }
    Ok(connection)
}

/// Opens a ledger to read it, also while a process writes it. It must be of this format: a
/// store that opens it makes it so.
pub(super) fn open_to_read(path: &Path, vfs: Option<&str>) -> Result<Connection, LedgerError> {
    if !path.exists() {
        return Err(LedgerError::Missing { path: path.to_path_buf() });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        connect(path, flags, vfs).map_err(|error| LedgerError::from_sqlite(path, &error))?;
    let found = recognise(&connection, path)?;
    if found < FORMAT {
        return Err(LedgerError::Older { path: path.to_path_buf(), found, known: FORMAT });
    }
    Ok(connection)
}

fn connect(path: &Path, flags: OpenFlags, vfs: Option<&str>) -> rusqlite::Result<Connection> {
    match vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs),
        None => Connection::open_with_flags(path, flags),
    }
}

/// The format of a ledger; says clearly what is wrong with a file that is none, or of no
/// known format.
fn recognise(connection: &Connection, path: &Path) -> Result<i64, LedgerError> {
    let failed = |error: rusqlite::Error| LedgerError::from_sqlite(path, &error);
    if pragma(connection, "application_id").map_err(failed)? != APPLICATION_ID {
        return Err(LedgerError::Foreign { path: path.to_path_buf() });
    }
    let found = pragma(connection, "user_version").map_err(failed)?;
    if found > FORMAT {
        return Err(LedgerError::Newer { path: path.to_path_buf(), found, known: FORMAT });
    }
    Ok(found)
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// An SQLite integer; what is larger than any (292 years, 9 thousand million dollars) is the
/// largest.
pub(super) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
