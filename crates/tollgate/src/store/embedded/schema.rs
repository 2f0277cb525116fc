//! The tables of the ledger, as any SQLite tool shows them, and how a file is opened.
//!
//! The schema itself, with what each table and column means, is `schema.sql`.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{EmbeddedBounds, LedgerError, log};

/// Marks an SQLite file as a Tollgate ledger: "Toll".
const APPLICATION_ID: i64 = 0x546f_6c6c;

/// The format that this version writes.
const FORMAT: i64 = 1;

const SCHEMA: &str = include_str!("schema.sql");

/// Kibibytes of the file that are kept in memory.
const CACHE_KIB: i64 = 16 * 1024;

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
}

/// Opens a ledger to write it, and makes it if there is none. It holds `max_bytes` at most.
pub(super) fn open(path: &Path, bounds: &EmbeddedBounds) -> Result<Connection, LedgerError> {
    let failed = |error: rusqlite::Error| LedgerError::from_sqlite(path, &error);
    let flags = OpenFlags::default();
    let connection = match bounds.vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs),
        None => Connection::open_with_flags(path, flags),
    };
    let mut connection = connection.map_err(failed)?;
    let is_new = pragma(&connection, "schema_version").map_err(failed)? == 0;
    if !is_new {
        recognise(&connection, path)?;
    }
    log::begin(&connection).map_err(failed)?;
    connection.pragma_update(None, "synchronous", "full").map_err(failed)?;
    log::keep(&mut connection, bounds.max_log_pages).map_err(failed)?;
    log::empty(&connection).map_err(failed)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB).map_err(failed)?;
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
    Ok(connection)
}

/// Opens a ledger to read it, also while a process writes it.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, LedgerError> {
    if !path.exists() {
        return Err(LedgerError::Missing { path: path.to_path_buf() });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|error| LedgerError::from_sqlite(path, &error))?;
    recognise(&connection, path)?;
    Ok(connection)
}

/// Says clearly what is wrong with a file that is no ledger of a known format.
fn recognise(connection: &Connection, path: &Path) -> Result<(), LedgerError> {
    let failed = |error: rusqlite::Error| LedgerError::from_sqlite(path, &error);
    if pragma(connection, "application_id").map_err(failed)? != APPLICATION_ID {
        return Err(LedgerError::Foreign { path: path.to_path_buf() });
    }
    let found = pragma(connection, "user_version").map_err(failed)?;
    if found > FORMAT {
        return Err(LedgerError::Newer { path: path.to_path_buf(), found, known: FORMAT });
    }
    Ok(())
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// An SQLite integer; what is larger than any (292 years, 9 thousand million dollars) is the
/// largest.
pub(super) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
