//! What a crash has left in a redo file, written to the ledger.

use std::{
    fs,
    io::{ErrorKind, Read as _},
    mem,
    path::Path,
};

use rusqlite::{Connection, OptionalExtension as _};

use super::{
    super::{
        EmbeddedBounds, LedgerError,
        lock::lock_to_read,
        replay::Replay,
        rules::Rules,
        schema,
        tables::{Due, Tables},
    },
    MAX_BYTES, path_of, read_all, remove,
};
use crate::store::embedded::entry;

/// A ledger after what was left was written to it.
pub(in crate::store::embedded) struct Recovered {
    pub(in crate::store::embedded) connection: Connection,
    /// The number of the last frames that it knows of.
    pub(in crate::store::embedded) known: u64,
    /// Why nothing could be written: what was left is still where it was.
    pub(in crate::store::embedded) failed: Option<rusqlite::Error>,
}

/// Writes what a crash has left in the redo file of a ledger that nobody else writes to it,
/// which was read so far, and reads that too.
pub(in crate::store::embedded) fn recover(
    connection: Connection,
    path: &Path,
    replay: &mut Replay,
) -> Result<Recovered, LedgerError> {
    let failed = |error: rusqlite::Error| LedgerError::from_sqlite(path, &error);
    let known = known(&connection).map_err(failed)?;
    let Some(bytes) = read(path)? else {
        return Ok(Recovered { connection, known, failed: None });
    };
    let (mut rows, last) = read_all(&bytes, (known, replay.seq))
        .map_err(|reason| LedgerError::unusable(&path_of(path), &reason))?;
    let (count, after) = (rows.len(), replay.seq);

    let remembered = (mem::take(&mut replay.rules), replay.mirror());
    let mut tables =
        Tables::new(connection, remembered, (after, replay.latest), None).map_err(failed)?;
    // Even where nothing could be read: what comes now must not be taken for what was before.
    let due = Due { redo: Some(known + 1), ..Due::default() };
    let written = tables.write(&mut rows, &due, last);
    let Tables { connection, rules, .. } = tables;
    if let Err(error) = written {
        // Some failures have undone it already.
        if !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK").map_err(failed)?;
        }
        replay.rules = Rules::read(&connection).map_err(failed)?;
        return Ok(Recovered { connection, known, failed: Some(error) });
    }
    replay.rules = rules;
    replay.go_on(&connection).map_err(failed)?;
    if count > 0 {
        tracing::warn!(
            rows = count,
            entries = last - after,
            "a crash has left rows in the redo file: they are in the ledger now"
        );
    }
    Ok(Recovered { connection, known: known + 1, failed: None })
}

/// Does that for somebody who wants to read a ledger, unless a process has it open, whose rows
/// they are. Where it can't be done, there is less to read.
pub(in crate::store::embedded) fn bring_in(path: &Path) {
    if let Err(error) = try_to_bring_in(path) {
        let path = path.display();
        tracing::warn!(%path, %error, "what a crash has left in the redo file is not in what is read");
    }
}

fn try_to_bring_in(path: &Path) -> Result<(), LedgerError> {
    if !path.exists() || !is_left(&path_of(path))? {
        return Ok(());
    }
    let _held = match lock_to_read(path) {
        Ok(held) => held,
        Err(LedgerError::InUse { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let connection = schema::open(path, &EmbeddedBounds::default())?;
    let mut replay = Replay::read(&connection, path, None)?;
    match recover(connection, path, &mut replay)?.failed {
        Some(error) => Err(LedgerError::from_sqlite(path, &error)),
        None => {
            remove(&path_of(path));
            Ok(())
        }
    }
}

/// The number of the last frames whose rows a ledger has.
fn known(connection: &Connection) -> rusqlite::Result<u64> {
    let known = "SELECT value FROM meta WHERE name = 'redo'";
    let known = connection.query_row(known, [], |row| entry::unsigned(row, 0)).optional()?;
    Ok(known.unwrap_or(0))
}

/// What is in the redo file; nothing where there is none, or an empty one.
fn read(ledger: &Path) -> Result<Option<Vec<u8>>, LedgerError> {
    let path = path_of(ledger);
    let failed = |error| LedgerError::unusable(&path, &error);
    if !is_left(&path)? {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(&path).map_err(failed)?;
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

/// Whether there is anything in a redo file.
fn is_left(redo: &Path) -> Result<bool, LedgerError> {
    match fs::metadata(redo) {
        Ok(file) => Ok(file.len() > 0),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(LedgerError::unusable(redo, &error)),
    }
}
