//! Circuits that breakers have opened by themselves, as the next process finds them.
//!
//! Nobody decided this, so it is no row of the audit.

use std::time::Duration;

use rusqlite::{TransactionBehavior, params};

use super::{Book, Moment, RosterError};
use crate::guards::Opened;

impl Book {
    /// Writes down which circuits are not closed, in the place of what was written before.
    ///
    /// # Errors
    /// When the file cannot be written; what was written before stays.
    pub(crate) fn keep_opened(&mut self, all: &[Opened], now: Moment) -> Result<(), RosterError> {
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute("DELETE FROM opened", [])?;
        let mut insert = tx.prepare_cached("INSERT INTO opened VALUES (?, ?, ?, ?, ?)")?;
        for one in all {
            let until = now.after(one.left);
            let Opened { provider, model, address, .. } = one;
            insert.execute(params![provider, model, address, until, now])?;
        }
        drop(insert);
        Ok(tx.commit()?)
    }

    /// Which circuits were not closed, and what is left of their waits by now.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn opened(&self, now: Moment) -> Result<Vec<Opened>, RosterError> {
        let sql = "SELECT provider, model, address, until, saved FROM opened";
        let mut select = self.connection.prepare(sql)?;
        let rows = select.query_map([], |row| {
            let (until, saved): (Moment, Moment) = (row.get(3)?, row.get(4)?);
            // No more than there was, should somebody have set the clock back meanwhile.
            let left = until.since(now).min(until.since(saved));
            Ok(Opened { provider: row.get(0)?, model: row.get(1)?, address: row.get(2)?, left })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Moment {
    /// How long after `earlier` this is; zero if it is not.
    pub(super) fn since(self, earlier: Self) -> Duration {
        let millis = self.millis().saturating_sub(earlier.millis());
        Duration::from_millis(u64::try_from(millis).unwrap_or_default())
    }
}
