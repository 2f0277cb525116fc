//! What nodes tell each other of their rosters.
//!
//! Each node's roster is its own file. What is changed in one, by whichever process, is marked in
//! it as untold until the others can know it; what others changed is written here with its row of
//! the audit, which says who did it and where. Of two changes of one item the later one holds, by
//! the clock that all nodes share.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension as _, Transaction, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Book, By, Change, Moment, RosterError,
    audit::{self, AuditRow},
    items::Item,
};

/// A change as it travels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct News {
    /// How the item is now; nothing where it is gone.
    pub(crate) state: Option<String>,
    /// Who changed it, where that is known.
    pub(crate) change: Option<Told>,
    /// The node that tells of it.
    pub(crate) node: String,
}

/// Who changed what, when and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    what: String,
    subject: String,
    who: String,
    /// In milliseconds of the wall where it was changed.
    at: i64,
    reason: Option<String>,
    before: Value,
    after: Value,
}

/// Something that the other nodes are to know.
#[derive(Debug, Clone)]
pub(crate) struct Untold {
    pub(crate) item: Item,
    pub(crate) state: Option<String>,
    pub(crate) change: Option<Told>,
    pub(crate) when: When,
    /// The row of the audit that tells of it.
    pub(crate) seq: Option<i64>,
}

/// Some of what other nodes were not told.
#[derive(Debug, Default)]
pub(crate) struct Lot {
    pub(crate) untold: Vec<Untold>,
    /// How many were looked at, those of no sense among them.
    pub(crate) looked: u32,
}

/// When something was changed, by the clock of all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// So many microseconds ago, and no earlier than `after` and a microsecond.
    Ago { micros: i64, after: i64 },
    /// Then.
    At(i64),
}

/// What became of a change that was made elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Adopted {
    /// It holds here now.
    Changed,
    /// It did already, or a later one does.
    Known,
    /// It makes no sense here, as where its node is of a newer version: what was stays.
    Unread,
    /// This node has something to tell of the item first.
    Untold,
}

/// Changes that travel, as the audit calls them.
const WHATS: [&str; 14] = [
    "key.create",
    "key.rotate",
    "key.revoke",
    "key.attach",
    "key.detach",
    "tier.set",
    "tier.remove",
    "override.set",
    "override.remove",
    "circuit.force",
    "circuit.release",
    "emergency.on",
    "emergency.off",
    "emergency.expired",
];

/// How much is told at once.
const LOT: u32 = 64;

/// The longest that it is remembered that something is gone: whoever was away for longer may
/// bring it back.
const REMEMBERED_MICROS: i64 = 90 * 86_400 * 1_000_000;

impl Book {
    /// What other nodes were not told yet, some of it; the first so many are passed over.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn untold(&mut self, now: Moment, skip: u32) -> Result<Lot, RosterError> {
        self.read(|tx, _| {
            let sql = "SELECT item, seq, untold.at, told.at FROM untold LEFT JOIN told USING (item)
                 ORDER BY seq IS NULL, seq, item LIMIT ? OFFSET ?";
            let mut statement = tx.prepare_cached(sql)?;
            let mut rows = statement.query([LOT, skip])?;
            let mut lot = Lot::default();
            while let Some(row) = rows.next()? {
                lot.looked += 1;
                let Some(item) = named(&row.get::<_, String>(0)?) else { continue };
                let (seq, then): (Option<i64>, Option<i64>) = (row.get(1)?, row.get(2)?);
                let last: Option<i64> = row.get(3)?;
                let state = item.read(tx)?;
                let change = seq.map(|seq| Told::of(tx, seq)).transpose()?.flatten();
                let when = match (then, &change) {
                    (Some(then), _) => When::At(then),
                    (None, Some(change)) => {
                        let micros = now.millis().saturating_sub(change.at).saturating_mul(1_000);
                        When::Ago { micros: micros.max(0), after: last.unwrap_or_default() }
                    }
                    // Nobody knows when: it stands before nothing that others know.
                    (None, None) => When::At(last.unwrap_or_default() + 1),
                };
                lot.untold.push(Untold { item, state, change, when, seq });
            }
            Ok(lot)
        })
    }

    /// The other nodes can know something: it was told at that instant of all. What was changed
    /// once more meanwhile is still to be told.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn told(&mut self, told: &Untold, at: i64) -> Result<(), RosterError> {
        self.write(|tx| {
            give_way(tx, told)?;
            know(tx, &told.item, at)?;
            forget(tx, at.saturating_sub(REMEMBERED_MICROS))
        })
    }

    /// What all know of an item is no earlier, and makes no sense here: it is not told.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn give_way(&mut self, untold: &Untold) -> Result<(), RosterError> {
        self.write(|tx| give_way(tx, untold))
    }

    /// Takes over what other nodes changed, all of it or nothing. Where this node knows a later
    /// change, that is to be told again: it was lost.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn adopt(
        &mut self,
        news: &[(Item, i64, News)],
    ) -> Result<Vec<Adopted>, RosterError> {
        self.write(|tx| {
            let adopt = |(item, at, news): &(Item, i64, News)| {
                let mark = "SELECT 1 FROM untold WHERE item = ?";
                if tx.query_row(mark, [name(item)], |_| Ok(())).optional()?.is_some() {
                    return Ok(Adopted::Untold);
                }
                adopt_one(tx, item, *at, news, false)
            };
            news.iter().map(adopt).collect()
        })
    }

    /// Takes over what all know of an item, which is no earlier than what this node wanted to
    /// tell of it. What was changed here since then is still to be told.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn be_answered(
        &mut self,
        untold: &Untold,
        (at, news): (i64, &News),
    ) -> Result<Adopted, RosterError> {
        self.write(|tx| {
            if untold.item.read(tx)? != untold.state {
                return Ok(Adopted::Untold);
            }
            let adopted = adopt_one(tx, &untold.item, at, news, true)?;
            if adopted == Adopted::Unread {
                give_way(tx, untold)?;
            }
            Ok(adopted)
        })
    }

    /// What nodes have in common has these items and no others: what else this node knows is to
    /// be told again, as of when it was changed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn tell_missing(&mut self, there: &BTreeSet<String>) -> Result<(), RosterError> {
        self.write(|tx| {
            let mut statement = tx.prepare_cached("SELECT item, at FROM told")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (item, at): (String, i64) = (row.get(0)?, row.get(1)?);
                if !there.contains(&item) {
                    tell_again(tx, &item, at)?;
                }
            }
            Ok(())
        })
    }

    fn write<T>(
        &mut self,
        write: impl FnOnce(&Transaction<'_>) -> Result<T, RosterError>,
    ) -> Result<T, RosterError> {
        let behavior = rusqlite::TransactionBehavior::Immediate;
        let tx = self.connection.transaction_with_behavior(behavior)?;
        let written = write(&tx)?;
        tx.commit()?;
        Ok(written)
    }
}

fn adopt_one(
    tx: &Transaction<'_>,
    item: &Item,
    at: i64,
    news: &News,
    is_answer: bool,
) -> Result<Adopted, RosterError> {
    let name = name(item);
    let last = tx.query_row("SELECT at FROM told WHERE item = ?", [&name], |row| row.get(0));
    match last.optional()? {
        Some(last) if last > at => {
            tell_again(tx, &name, last)?;
            return Ok(Adopted::Known);
        }
        Some(last) if last == at && !is_answer => return Ok(Adopted::Known),
        _ => {}
    }
    let is_news = item.read(tx)? != news.state;
    if is_news {
        // A state that makes no sense leaves all as it was, and as of when it was.
        tx.execute_batch("SAVEPOINT item")?;
        match item.write(tx, news.state.as_deref()) {
            Err(RosterError::Invalid(why)) => {
                tx.execute_batch("ROLLBACK TO item; RELEASE item")?;
                tracing::error!(node = %news.node, "{why}");
                return Ok(Adopted::Unread);
            }
            written => written?,
        }
        tx.execute_batch("RELEASE item")?;
        if let Some(told) = &news.change {
            let (by, change) = told.as_made_at(&news.node);
            audit::append(tx, &by, change)?;
        }
    }
    known(tx, item, at)?;
    Ok(if is_news { Adopted::Changed } else { Adopted::Known })
}

/// Notes which items the row of the audit tells of that was just written.
pub(super) fn attribute(
    tx: &Transaction<'_>,
    what: &str,
    subject: &str,
) -> Result<(), RosterError> {
    let mut statement = tx.prepare_cached("SELECT item FROM untold WHERE seq IS NULL")?;
    let items = statement.query_map([], |row| row.get::<_, String>(0))?;
    for text in items.collect::<Result<Vec<_>, _>>()? {
        if named(&text).is_some_and(|item| item.is_told_by(what, subject)) {
            let sql =
                "UPDATE untold SET seq = (SELECT max(seq) FROM audit), at = NULL WHERE item = ?";
            tx.execute(sql, [text])?;
        }
    }
    Ok(())
}

/// Forgets some of what has been gone since before an instant.
fn forget(tx: &Transaction<'_>, before: i64) -> Result<(), RosterError> {
    let mut statement = tx.prepare_cached("SELECT item FROM told WHERE at < ? LIMIT 8")?;
    let items = statement.query_map([before], |row| row.get::<_, String>(0))?;
    for text in items.collect::<Result<Vec<_>, _>>()? {
        let Some(item) = named(&text) else { continue };
        if item.read(tx)?.is_none() {
            tx.execute("DELETE FROM told WHERE item = ?", [text])?;
        }
    }
    Ok(())
}

/// All nodes know an item, and nothing of it is to be told.
fn known(tx: &Transaction<'_>, item: &Item, at: i64) -> Result<(), RosterError> {
    tx.execute("DELETE FROM untold WHERE item = ?", [name(item)])?;
    know(tx, item, at)
}

/// Something is to be told again, as of when it was changed, unless it is to be told anyway.
fn tell_again(tx: &Transaction<'_>, name: &str, at: i64) -> Result<(), RosterError> {
    tx.execute("INSERT OR IGNORE INTO untold VALUES (?, NULL, ?)", params![name, at])?;
    Ok(())
}

/// An item is not told, unless it was changed once more.
fn give_way(tx: &Transaction<'_>, untold: &Untold) -> Result<(), RosterError> {
    if untold.item.read(tx)? == untold.state {
        tx.execute("DELETE FROM untold WHERE item = ?", [name(&untold.item)])?;
    }
    Ok(())
}

fn know(tx: &Transaction<'_>, item: &Item, at: i64) -> Result<(), RosterError> {
    tx.execute("REPLACE INTO told VALUES (?, ?)", params![name(item), at])?;
    Ok(())
}

fn name(item: &Item) -> String {
    serde_json::to_string(item).unwrap_or_default()
}

/// The item of that name; nothing where a newer version has written it and this one knows none.
fn named(text: &str) -> Option<Item> {
    serde_json::from_str(text).ok()
}

impl Told {
    fn of(tx: &Transaction<'_>, seq: i64) -> Result<Option<Self>, RosterError> {
        let sql = format!("SELECT {} FROM audit WHERE seq = ?", audit::COLUMNS);
        let row = tx.query_row(&sql, [seq], |row| Ok(AuditRow::read(row)?.0)).optional()?;
        Ok(row.map(|row| Self {
            what: row.what,
            subject: row.subject,
            who: row.who,
            at: row.at.millis(),
            reason: row.reason,
            before: row.before,
            after: row.after,
        }))
    }

    /// What the audit of this node says of it.
    fn as_made_at(&self, node: &str) -> (By, Change) {
        let at = Moment::of_millis(self.at);
        let who = if self.who.starts_with("node:") {
            self.who.clone()
        } else {
            format!("node:{node} {}", self.who)
        };
        let by = By { who, at, reason: self.reason.clone() };
        let known = WHATS.into_iter().find(|what| *what == self.what);
        let Self { subject, before, after, .. } = self.clone();
        (by, Change { what: known.unwrap_or("node.change"), subject, before, after })
    }
}
