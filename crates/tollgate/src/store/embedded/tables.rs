//! The ledger's file and what its writer must remember: each group of rows is a transaction.

use std::time::Duration;

use rusqlite::Connection;
use tollgate_core::Time;

use super::{
    entry::wrong,
    group::Group,
    join::Joiner,
    mirror::{Changes, Mirror},
    retention::Retention,
    rows::Rows,
    rules::Rules,
    schema::integer,
    spend::Roll,
    told,
};

/// The ledger's file, open for writing, and what the writer must remember of it.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) connection: Connection,
    pub(super) rules: Rules,
    pub(super) mirror: Mirror,
    pub(super) roll: Roll,
    pub(super) retention: Retention,
    joiner: Joiner,
    /// Up to which entry a shared store was told everything, as the file says.
    told: u64,
    /// The latest instant of an entry.
    pub(super) latest: Time,
}

/// A finished checkpoint: every row before `from` is in the state of its cells.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) from: u64,
    pub(super) latest: Time,
    pub(super) changes: Changes,
}

/// What is to be done with a group.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// A checkpoint that is finished with it.
    pub(super) mark: Option<Mark>,
    /// How many rows to read again at most, to sum up spend.
    pub(super) roll: Option<u64>,
    /// Before which row to look for old ones, and at how many.
    pub(super) old: Option<(u64, u64)>,
    /// Up to which entry a shared store was told everything.
    pub(super) told: u64,
    /// The number of the redo file's frames that have rows of the group, if any have.
    pub(super) redo: Option<u64>,
}

impl Tables {
    pub(super) fn new(
        connection: Connection,
        (rules, mirror): (Rules, Mirror),
        (last, latest): (u64, Time),
        keep: Option<Duration>,
    ) -> rusqlite::Result<Self> {
        let roll = Roll::read(&connection, last)?;
        let retention = Retention::read(&connection, keep)?;
        let joiner = Joiner::default();
        Ok(Self { connection, rules, mirror, roll, retention, joiner, told: 0, latest })
    }

    /// Writes a group, whose last entry is this, and does beside it what is due, so that all of
    /// it survives a crash when this returns, or none.
    pub(super) fn write(&mut self, rows: &mut Rows, due: &Due, last: u64) -> rusqlite::Result<()> {
        self.joiner.join(rows).ok_or_else(unreadable)?;
        let connection = &self.connection;
        // An error leaves it open, for the connection to undo when it is closed.
        connection.prepare_cached("BEGIN")?.execute([])?;
        let known = (&mut self.rules, &mut self.mirror, &mut self.roll, &mut self.latest);
        let mut group = Group::begin(connection, known)?;
        let mut at = rows.first();
        while let Some(next) = rows.next(at) {
            let row = rows.row(at).ok_or_else(unreadable)?;
            let end = row.end.map(|at| rows.row(at).ok_or_else(unreadable)).transpose()?;
            group.write(row, end.as_ref())?;
            at = next;
        }
        rows.clear();
        if let Some(mark) = &due.mark {
            group.mark(mark)?;
        }
        drop(group);
        if let Some(epoch) = due.redo {
            let mut known =
                connection.prepare_cached("INSERT OR REPLACE INTO meta VALUES ('redo', ?)")?;
            known.execute([integer(epoch)])?;
        }
        if due.told > self.told {
            told::write(connection, due.told)?;
            self.told = due.told;
        }
        if let Some(most) = due.roll {
            self.roll.advance(connection, most, last)?;
        }
        if let Some(rows) = due.old {
            self.retention.advance(connection, &self.rules, rows, self.latest)?;
        }
        connection.prepare_cached("COMMIT")?.execute([]).map(drop)
    }

    /// Notes up to which entry a shared store was told everything.
    pub(super) fn note_told(&mut self, told: u64) -> rusqlite::Result<()> {
        if told > self.told {
            told::write(&self.connection, told)?;
            self.told = told;
        }
        Ok(())
    }
}

/// What there is no other way to say of rows that are not as they were made.
pub(super) fn unreadable() -> rusqlite::Error {
    wrong(0, "a row that waits to be written can't be read".to_owned())
}
