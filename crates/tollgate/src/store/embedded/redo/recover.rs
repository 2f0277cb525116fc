//! What a crash has left in a redo file, written to the ledger.

use std::{fs, io::Read as _, mem, path::Path};

use rusqlite::{Connection, OptionalExtension as _};

use super::{
    super::{
        EmbeddedBounds, LedgerError, lock,
        replay::Replay,
        schema,
        tables::{Due, Tables},
    },
    MAX_BYTES, path_of, read_all, remove,
};
use crate::store::embedded::entry;

/// Writes what a crash has left in the redo file of a ledger that nobody else writes to it,
/// which was read so far, and reads that too. The number of the last frames that the ledger
/// knows of comes with it.
pub(in crate::store::embedded) fn recover(
    connection: Connection,
    path: &Path,
    replay: &mut Replay,
) -> Result<(Connection, u64), LedgerError> {
    let failed = |error: rusqlite::Error| LedgerError::from_sqlite(path, &error);
    let known = known(&connection).map_err(failed)?;
    let Some(bytes) = read(path)? else { return Ok((connection, known)) };
    let (mut rows, last) = read_all(&bytes, (known, replay.seq));
    let count = rows.len();
    let after = replay.seq;

    let known_to_all = (mem::take(&mut replay.rules), replay.mirror());
    let mut tables =
        Tables::new(connection, known_to_all, (after, replay.latest), None).map_err(failed)?;
    // Even where nothing could be read: what comes now must not be taken for what was before.
    let due = Due { redo: Some(known + 1), ..Due::default() };
    tables.write(&mut rows, &due, last).map_err(failed)?;
    let Tables { connection, rules, .. } = tables;
    replay.rules = rules;
    replay.go_on(&connection).map_err(failed)?;
    if count > 0 {
        tracing::warn!(
            rows = count,
            entries = last - after,
            "a crash has left rows in the redo file: they are in the ledger now"
        );
    }
    Ok((connection, known + 1))
}

/// Does that for somebody who wants to read a ledger, unless a process has it open, whose rows
/// they are.
pub(in crate::store::embedded) fn bring_in(path: &Path) -> Result<(), LedgerError> {
    if !path.exists() || !is_left(&path_of(path)) {
        return Ok(());
    }
    let _held = match lock(path) {
        Ok(held) => held,
        Err(LedgerError::InUse { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let connection = schema::open(path, &EmbeddedBounds::default())?;
    let mut replay = Replay::read(&connection, path, None)?;
    recover(connection, path, &mut replay)?;
    remove(&path_of(path));
    Ok(())
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
    if !is_left(&path) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(&path).map_err(failed)?;
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

/// Whether there is anything in a redo file.
fn is_left(redo: &Path) -> bool {
    fs::metadata(redo).is_ok_and(|file| file.len() > 0)
}
