//! The audit of a roster's file, for whoever only reads it: exports and checks.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, params};

use super::{
    AuditRow, By, Chain, Change, RosterError,
    audit::{COLUMNS, append, verify},
    book::{BUSY_TIMEOUT, beside},
};

/// The audit of a file, opened to be read.
#[derive(Debug)]
pub(crate) struct Trail {
    connection: Connection,
    /// The last row that was handed out.
    after: i64,
}

/// Rows that are handed out at once.
const LOT: u32 = 1_000;

impl Trail {
    /// Opens the audit beside a ledger; nothing where there is no roster.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn beside(ledger: &Path) -> Result<Option<Self>, RosterError> {
        let path = beside(ledger, "-roster");
        if !path.exists() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let failed = |error: rusqlite::Error| RosterError::of_file(&path, &error);
        let connection = Connection::open_with_flags(&path, flags).map_err(failed)?;
        // A file that is none of SQLite's is found out here.
        connection
            .query_row("SELECT count(*) FROM audit WHERE seq < 0", [], |_| Ok(()))
            .map_err(failed)?;
        Ok(Some(Self { connection, after: 0 }))
    }

    /// Writes down what was changed beside a roster, where there is one.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub(crate) fn note_beside(ledger: &Path, change: Change, by: &By) -> Result<(), RosterError> {
        let path = beside(ledger, "-roster");
        if !path.exists() {
            return Ok(());
        }
        let failed = |error: rusqlite::Error| RosterError::of_file(&path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        connection.pragma_update(None, "synchronous", "full").map_err(failed)?;
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        append(&tx, by, change)?;
        Ok(tx.commit()?)
    }

    /// Goes through all rows: each must follow from the one before it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn verify(&self) -> Result<Chain, RosterError> {
        verify(&self.connection)
    }

    /// One row.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn row(&self, seq: i64) -> Result<Option<AuditRow>, RosterError> {
        let sql = format!("SELECT {COLUMNS} FROM audit WHERE seq = ?");
        let row = self.connection.query_row(&sql, [seq], |row| Ok(AuditRow::read(row)?.0));
        Ok(row.optional()?)
    }

    /// Whether there is a row of this hash, as somebody noted it elsewhere.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn has(&self, hash: &blake3::Hash) -> Result<bool, RosterError> {
        let sql = "SELECT count(*) FROM audit WHERE hash = ?";
        let count =
            self.connection.query_row(sql, [hash.as_bytes()], |row| row.get::<_, i64>(0))?;
        Ok(count > 0)
    }

    /// How many rows there are.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn count(&self) -> Result<u64, RosterError> {
        let count =
            self.connection.query_row("SELECT count(*) FROM audit", [], |row| row.get(0))?;
        Ok(u64::try_from(i64::max(count, 0)).unwrap_or_default())
    }

    /// The next rows in their order; none at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn next_rows(&mut self) -> Result<Vec<AuditRow>, RosterError> {
        let sql = format!("SELECT {COLUMNS} FROM audit WHERE seq > ? ORDER BY seq LIMIT ?");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows =
            statement.query_map(params![self.after, LOT], |row| Ok(AuditRow::read(row)?.0))?;
        let rows: Vec<AuditRow> = rows.collect::<Result<_, _>>()?;
        if let Some(last) = rows.last() {
            self.after = last.seq;
        }
        Ok(rows)
    }
}
