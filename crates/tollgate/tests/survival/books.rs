//! What was asked of a store and what it acknowledged, and so what it must know after a crash.

use std::collections::HashMap;

use tollgate::{
    Receipt, Store as _,
    core::{Amounts, ReservationId},
    store::embedded::audit,
};

use crate::world::{USERS, counted, open, path};

/// What was said at some instant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Note {
    pub(crate) id: u128,
    /// A place in [`USERS`].
    pub(crate) user: usize,
    pub(crate) step: Step,
    /// Whether the store has said that it is durable; else it was asked for.
    pub(crate) is_acknowledged: bool,
}

/// What is done to a reservation; money in nano-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Reserve(u64),
    Extend(u64),
    Settle(u64),
    Void,
}

/// What a crash may leave of everything that was asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Books {
    lives: HashMap<u128, Life>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Life {
    user: usize,
    /// The least and the most that may count.
    least: u64,
    most: u64,
    /// How it ended, as was acknowledged.
    ended: Option<u64>,
}

impl Books {
    pub(crate) fn enter(&mut self, note: &Note) {
        let life = self.lives.entry(note.id).or_default();
        life.user = note.user;
        match (note.step, note.is_acknowledged) {
            (Step::Reserve(cost) | Step::Extend(cost), false) => life.most += cost,
            (Step::Reserve(cost) | Step::Extend(cost), true) => life.least += cost,
            (Step::Settle(used), false) => {
                life.most = life.most.max(used);
                life.least = life.least.min(used);
            }
            (Step::Void, false) => life.least = 0,
            (Step::Settle(used), true) => life.end(used),
            (Step::Void, true) => life.end(0),
        }
    }

    /// How many ends were acknowledged.
    pub(crate) fn ended(&self) -> usize {
        self.lives.values().filter(|life| life.ended.is_some()).count()
    }

    /// Opens the ledger of a folder as after a crash and holds it to what was said. What
    /// went wrong is told after `context`.
    pub(crate) async fn hold(&self, folder: &std::path::Path, context: &str) {
        let opened = open(folder, None).unwrap_or_else(|error| panic!("{context}: {error}"));
        self.hold_open(&opened, context).await;
        drop(opened);
        let file = rusqlite::Connection::open(path(folder)).expect("a database");
        let check: String = file
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(check, "ok", "{context}");
        drop(file);
        let found = audit(&path(folder)).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert!(found.is_clean(), "{context}: {:#?}", found.findings);
    }

    /// The same of a store that is open.
    pub(crate) async fn hold_open(
        &self,
        opened: &(tollgate::Embedded, tollgate::Clock),
        context: &str,
    ) {
        let before = self.count(opened, context).await;
        for (id, life) in &self.lives {
            let Some(used) = life.ended else { continue };
            // Asked again with another amount: an id ends once.
            let other = Amounts { requests: 7, ..Amounts::default() };
            let now = opened.1.now();
            let again = opened.0.settle(ReservationId(*id), &other, now).await;
            let cost = again.as_ref().map(|Receipt { usage, .. }| usage.cost.0);
            assert_eq!(cost, Ok(used), "{context}: the end of {id:x} was acknowledged");
        }
        let after = self.count(opened, context).await;
        assert_eq!(after, before, "{context}: asking again changes nothing");
    }

    async fn count(
        &self,
        opened: &(tollgate::Embedded, tollgate::Clock),
        context: &str,
    ) -> [u64; USERS.len()] {
        let mut all = [0; USERS.len()];
        for (nth, user) in USERS.iter().enumerate() {
            let lives = || self.lives.values().filter(|life| life.user == nth);
            let least: u64 = lives().map(|life| life.least).sum();
            let most: u64 = lives().map(|life| life.most).sum();
            let counted = counted(opened, user).await;
            let is_right = (least..=most).contains(&counted);
            assert!(is_right, "{context}: {counted} of {user} is not in {least}..={most}");
            all[nth] = counted;
        }
        all
    }
}

impl Life {
    const fn end(&mut self, used: u64) {
        (self.least, self.most, self.ended) = (used, used, Some(used));
    }
}
