//! The emergency that is in force, or the last one that was: one row, so that it outlives the
//! process that began it.

use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use serde::Serialize;
use serde_json::json;

use super::{Book, By, Moment, RosterError, audit::Change};

/// An emergency: only critical work passes, within the minimum of each limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Emergency {
    pub(crate) since_at: Moment,
    /// When it is over by itself.
    pub(crate) until_at: Moment,
    /// Who began it: `command:` or `api:` and what is known of who asked, or `system:`.
    pub(crate) who: String,
    pub(crate) reason: Option<String>,
    /// Whether cheaper models take the place of those that the policy names.
    pub(crate) downgrade: bool,
}

/// What the file says of emergencies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Siren {
    /// There was none.
    #[default]
    Silent,
    /// Nobody has noted that it is over.
    On(Emergency),
    /// It was ended by somebody, and when.
    Off(Moment),
    /// Its time has passed.
    Expired,
}

const COLUMNS: &str = "since, until, who, reason, downgrade, ended, how";

impl Siren {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (ended, how): (Option<Moment>, Option<String>) = (row.get(5)?, row.get(6)?);
        Ok(match (ended, how.as_deref()) {
            (Some(at), Some("off")) => Self::Off(at),
            (Some(_), _) => Self::Expired,
            (None, _) => Self::On(Emergency {
                since_at: row.get(0)?,
                until_at: row.get(1)?,
                who: row.get(2)?,
                reason: row.get(3)?,
                downgrade: row.get(4)?,
            }),
        })
    }

    fn of(tx: &Transaction<'_>) -> Result<Self, RosterError> {
        let sql = format!("SELECT {COLUMNS} FROM emergency");
        Ok(tx.query_row(&sql, [], Self::read).optional()?.unwrap_or_default())
    }
}

impl Book {
    /// What the file says of emergencies.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn siren(&mut self) -> Result<Siren, RosterError> {
        self.read(|tx, _| Siren::of(tx))
    }

    /// Begins an emergency, or gives the one in force another end: what it is follows from what
    /// the file says when it is written.
    ///
    /// # Errors
    /// When it is not to begin, or the file cannot be written.
    pub(crate) fn begin_emergency(
        &mut self,
        by: &By,
        begin: impl FnOnce(&Siren) -> Result<Emergency, RosterError>,
    ) -> Result<Emergency, RosterError> {
        // One whose time has passed unnoticed has its row first.
        self.expire_emergency(by.at)?;
        self.change(by, |tx, _| {
            let before = Siren::of(tx)?;
            let begun = begin(&before)?;
            tx.execute(
                "REPLACE INTO emergency VALUES (1, ?, ?, ?, ?, ?, NULL, NULL)",
                params![begun.since_at, begun.until_at, begun.who, begun.reason, begun.downgrade],
            )?;
            let before = if let Siren::On(before) = before { json!(before) } else { json!(null) };
            let change = Change {
                what: "emergency.on",
                subject: String::new(),
                before,
                after: json!(begun),
            };
            Ok((begun, Some(change)))
        })
    }

    /// Ends the emergency that is in force.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn end_emergency(&mut self, by: &By) -> Result<Emergency, RosterError> {
        self.expire_emergency(by.at)?;
        self.change(by, |tx, _| {
            let Siren::On(before) = Siren::of(tx)? else {
                let why = "there is no emergency that could be ended";
                return Err(RosterError::Missing(why.to_owned()));
            };
            tx.execute("UPDATE emergency SET ended = ?, how = 'off'", [by.at])?;
            let (what, after) = ("emergency.off", json!(null));
            let change = Change { what, subject: String::new(), before: json!(before), after };
            Ok((before, Some(change)))
        })
    }

    /// Notes that an emergency is over since its time has passed; the one that was, if one was.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn expire_emergency(
        &mut self,
        now: Moment,
    ) -> Result<Option<Emergency>, RosterError> {
        self.change(&By::clock(now), |tx, _| {
            let Siren::On(before) = Siren::of(tx)? else { return Ok((None, None)) };
            if before.until_at > now {
                return Ok((None, None));
            }
            tx.execute("UPDATE emergency SET ended = until, how = 'expired'", [])?;
            let (what, after) = ("emergency.expired", json!(null));
            let change = Change { what, subject: String::new(), before: json!(before), after };
            Ok((Some(before), Some(change)))
        })
    }
}
