//! What was learned of providers, as the next process finds it: what they have left, and how much
//! they read of what requests do not show.
//!
//! Nobody decided this, so it is no row of the audit.

use std::time::Duration;

use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};
use tollgate_meter::OpenLesson;

use super::{Book, Moment, RosterError};
use crate::guards::{Account, LearnedQuota};

/// Rows of each kind that are kept; the oldest go first.
const MAX_ROWS: u32 = 10_000;

/// What moments are rounded by: it is not taken for time that has passed.
const INEXACT: Duration = Duration::from_millis(1);

impl Book {
    /// Writes down what was learned since the last time.
    ///
    /// # Errors
    /// When the file cannot be written; what was written before stays.
    pub(crate) fn keep_learned(
        &mut self,
        quotas: &[LearnedQuota],
        lessons: &[OpenLesson],
        now: Moment,
    ) -> Result<(), RosterError> {
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for quota in quotas {
            keep_quota(&tx, quota, now)?;
        }
        for lesson in lessons {
            keep_lesson(&tx, lesson, now)?;
        }
        tx.execute("DELETE FROM quotas WHERE until <= ?", [now])?;
        bound(&tx)?;
        Ok(tx.commit()?)
    }

    /// What providers had left that means something yet, the newest first, and how long ago.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn quotas(&self, now: Moment) -> Result<Vec<(LearnedQuota, Duration)>, RosterError> {
        let sql = "SELECT provider, model, account, address, known, saved FROM quotas
                   WHERE until > ? ORDER BY saved DESC";
        let mut select = self.connection.prepare(sql)?;
        let rows = select.query_map([now], |row| read_quota(row, now))?;
        readable("quotas", rows)
    }

    /// How much providers read, the oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn lessons(&self) -> Result<Vec<OpenLesson>, RosterError> {
        let sql = "SELECT caller, model, numbers FROM lessons ORDER BY saved";
        let mut select = self.connection.prepare(sql)?;
        let rows = select.query_map([], |row| {
            Ok(OpenLesson { caller: row.get(0)?, model: row.get(1)?, numbers: row.get(2)? })
        })?;
        readable("lessons", rows)
    }
}

fn keep_quota(tx: &Transaction<'_>, quota: &LearnedQuota, now: Moment) -> rusqlite::Result<()> {
    let LearnedQuota { provider, model, account, address, saved } = quota;
    let account = account.number();
    let Some(saved) = saved else {
        let sql = "DELETE FROM quotas WHERE provider = ? AND model = ? AND account = ?";
        tx.prepare_cached(sql)?.execute(params![provider, model, account])?;
        return Ok(());
    };
    // Plain numbers in bounded arrays can be written down.
    let known = serde_json::to_string(saved).unwrap_or_default();
    let until = now.after(saved.lasts());
    let sql = "REPLACE INTO quotas VALUES (?, ?, ?, ?, ?, ?, ?)";
    let row = params![provider, model, account, address, known, until, now];
    tx.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

fn keep_lesson(tx: &Transaction<'_>, lesson: &OpenLesson, now: Moment) -> rusqlite::Result<()> {
    let OpenLesson { caller, model, numbers } = lesson;
    let sql = "REPLACE INTO lessons VALUES (?, ?, ?, ?)";
    tx.prepare_cached(sql)?.execute(params![caller, model, numbers, now])?;
    Ok(())
}

/// The rows that can be read: one that holds something else than its table says is passed over.
fn readable<T>(
    table: &str,
    rows: impl Iterator<Item = rusqlite::Result<T>>,
) -> Result<Vec<T>, RosterError> {
    let mut read = Vec::new();
    for row in rows {
        match row {
            Ok(row) => read.push(row),
            Err(
                error @ (rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)),
            ) => tracing::warn!(%table, %error, "a row of what was learned is passed over"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(read)
}

/// Nothing is known of what another version wrote.
fn read_quota(row: &Row<'_>, now: Moment) -> rusqlite::Result<(LearnedQuota, Duration)> {
    let (known, saved): (String, Moment) = (row.get(4)?, row.get(5)?);
    let quota = LearnedQuota {
        provider: row.get(0)?,
        model: row.get(1)?,
        account: Account::of_number(row.get(2)?),
        address: row.get(3)?,
        saved: serde_json::from_str(&known).ok(),
    };
    // Nothing at all where somebody has set the clock back meanwhile.
    Ok((quota, now.since(saved).saturating_sub(INEXACT)))
}

fn bound(connection: &Connection) -> rusqlite::Result<()> {
    for (table, key) in [("quotas", "provider, model, account"), ("lessons", "rowid")] {
        let count: u32 =
            connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        if count > MAX_ROWS {
            let sql = format!(
                "DELETE FROM {table} WHERE ({key}) IN
                 (SELECT {key} FROM {table} ORDER BY saved LIMIT {})",
                count - MAX_ROWS
            );
            connection.execute(&sql, [])?;
        }
    }
    Ok(())
}
