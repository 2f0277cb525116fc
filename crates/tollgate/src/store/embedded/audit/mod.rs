//! A second opinion: whether a ledger's rows, and nothing else, keep the promises.
//!
//! It shares no arithmetic with the store. It reads every row in order, keeps each account
//! in a model that is too simple to be wrong, and says where a row should not be: an account
//! above its limit, an end without a beginning, amounts that do not add up, a row that is
//! missing. It may run while a process writes the ledger.

mod books;
mod check;
mod old;

use std::path::Path;

use rusqlite::Connection;
use serde::Serialize;
use tollgate_core::{Amounts, Unit};

use super::{LedgerError, entries::Entries, entry, redo, rules::Rules, schema};
use books::Books;

/// What was found in a ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Rows read.
    pub entries: u64,
    /// Rows before them that became sums, since they are old.
    pub compacted: u64,
    /// Reservations made, those of old rows included.
    pub reservations: u64,
    /// Of them, those that stand for what a crash may have lost.
    pub lost: u64,
    /// Of all, those that have not ended.
    pub outstanding: u64,
    /// Of them, those that expired and may still be settled.
    pub expired: u64,
    /// Accounts that were ever charged.
    pub accounts: usize,
    /// Admissions that were held against a limit.
    pub checks: u64,
    /// What was charged in all by settlements.
    pub settled: Amounts,
    /// What of that was more than had been reserved.
    pub overrun: Amounts,
    /// The sums of each limit's accounts, by its name.
    pub limits: Vec<LimitBalance>,
    /// What is wrong, the first [`MAX_FINDINGS`] of it.
    pub findings: Vec<String>,
    /// How much is wrong in all.
    pub wrong: u64,
}

/// The sums of all accounts of a limit: reserved is settled, released, expired and held.
/// Amounts are in the limit's unit: nano-dollars for money, milliseconds for seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LimitBalance {
    /// Its name, or its id where no policy was noted.
    pub limit: String,
    /// What it counts.
    pub unit: Unit,
    /// Its sums.
    #[serde(flatten)]
    pub balance: Balance,
}

/// What became of what was reserved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// Taken by reservations and extensions.
    pub reserved: u64,
    /// Used, as far as it had been reserved.
    pub settled: u64,
    /// Given back.
    pub released: u64,
    /// Counted as used because nobody said.
    pub expired: u64,
    /// Not ended yet.
    pub held: u64,
    /// Used beyond what had been reserved.
    pub overrun: u64,
}

/// Findings that are told one by one.
pub const MAX_FINDINGS: usize = 100;

impl Audit {
    /// Whether nothing is wrong.
    pub const fn is_clean(&self) -> bool {
        self.wrong == 0
    }

    fn find(&mut self, what: String) {
        self.wrong += 1;
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(what);
        }
    }
}

impl Balance {
    /// Whether all that was reserved is somewhere.
    pub const fn is_even(&self) -> bool {
        self.reserved == self.settled + self.released + self.expired + self.held
    }

    const fn plus(self, other: &Self) -> Self {
        Self {
            reserved: self.reserved.saturating_add(other.reserved),
            settled: self.settled.saturating_add(other.settled),
            released: self.released.saturating_add(other.released),
            expired: self.expired.saturating_add(other.expired),
            held: self.held.saturating_add(other.held),
            overrun: self.overrun.saturating_add(other.overrun),
        }
    }
}

/// Reads a ledger and says whether it keeps its promises. Nothing is changed, but that what a
/// crash has left in its redo file is written to it first.
///
/// # Errors
/// When there is no such ledger or it can't be read.
pub fn audit(path: &Path) -> Result<Audit, LedgerError> {
    let connection = schema::open_to_read(path, None)?;
    check_pages(&connection, path)?;
    redo::bring_in(path);
    let read = || -> rusqlite::Result<Audit> {
        // One transaction, so that a process that writes meanwhile does not disturb it.
        connection.execute_batch("BEGIN")?;
        let mut books = Books::new(Rules::read(&connection)?, &connection)?;
        let all = format!("SELECT {} FROM entries ORDER BY seq", entry::COLUMNS);
        let mut all = connection.prepare(&all)?;
        let mut rows = Entries::of(all.query([])?);
        while let Some(entry) = rows.next()? {
            books.enter(&entry);
        }
        Ok(books.close())
    };
    read().map_err(|error| LedgerError::from_sqlite(path, &error))
}

fn check_pages(connection: &Connection, path: &Path) -> Result<(), LedgerError> {
    let check: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| LedgerError::from_sqlite(path, &error))?;
    // The check names the database first, in a line of its own.
    let what = check.lines().last().unwrap_or_default();
    if what == "ok" { Ok(()) } else { Err(LedgerError::damaged(path, what)) }
}
