//! SQLite's write-ahead log: what is in it is moved to the file in time, and a disk that fails
//! meanwhile is noticed and never asked again.
//!
//! A sync that fails leaves pages that the system takes for written, so that the next sync
//! succeeds and proves nothing. SQLite by itself passes over a log that could not be moved,
//! and tries again when the last connection closes; both are turned off here. What a failure
//! has left in the log may be in memory alone, with a hole on the disk in its place. So the
//! next start writes the log again before it is read, and all of it to the file before
//! anything comes after it.

use std::{
    fs::File,
    io::{self, ErrorKind},
    os::unix::fs::FileExt as _,
    path::Path,
};

use rusqlite::{Connection, ErrorCode, config::DbConfig, hooks::Wal};

/// Pieces in which a log is written again.
const PIECE: usize = 1 << 20;

/// Writes what is in a ledger's log over itself and syncs it, so that what is read of it is
/// on the disk. Bytes that are there do not change, whenever this is cut off.
pub(super) fn rewrite(ledger: &Path) -> io::Result<()> {
    let mut name = ledger.as_os_str().to_owned();
    name.push("-wal");
    let log = match File::options().read(true).write(true).open(&name) {
        Ok(log) => log,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    loop {
        let read = log.read_at(&mut piece, at)?;
        if read == 0 {
            return log.sync_all();
        }
        log.write_all_at(&piece[..read], at)?;
        at += read as u64;
    }
}

/// Makes sure that there is a log: SQLite goes on without one where it can't be made.
pub(super) fn begin(connection: &Connection) -> rusqlite::Result<()> {
    let mut mode = String::new();
    // To the end, since the change is written after the row that tells it.
    let mut change = connection.prepare("PRAGMA journal_mode = wal")?;
    let mut rows = change.query([])?;
    while let Some(row) = rows.next()? {
        mode = row.get(0)?;
    }
    if mode == "wal" {
        return Ok(());
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
    let advice = "no write-ahead log can be kept there: choose a path on a local disk that works";
    Err(rusqlite::Error::SqliteFailure(code, Some(advice.to_owned())))
}

/// Says that from now on a failure is noticed, and that a log of so many pages is moved.
pub(super) fn keep(connection: &mut Connection, most_pages: u32) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.wal_hook(Some(move |log: &mut Wal, pages| {
        if u32::try_from(pages).is_ok_and(|pages| pages < most_pages) {
            return Ok(());
        }
        match log.checkpoint() {
            // Somebody else moves it, or it will be moved after the next group.
            Err(error) if is_busy(&error) => Ok(()),
            moved => moved,
        }
    }))
}

/// Writes what an earlier process has left in the log to the file, and empties it.
pub(super) fn empty(connection: &Connection) -> rusqlite::Result<()> {
    let is_busy: bool =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if is_busy {
        tracing::warn!("another program reads the ledger, so its log is emptied later");
    }
    Ok(())
}

/// Lets a connection whose every write went well clear up when it closes.
pub(super) fn may_close(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map(drop)
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
