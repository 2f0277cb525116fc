//! How the writer sums up: what it has kept of the rows that it wrote, or some rows at a time
//! that it has to read again, between its groups.

use hashbrown::HashMap;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params_from_iter};

use super::{
    Dimension, OTHERS, SUMS,
    tally::{Spent, Tally},
};
use crate::store::embedded::schema::integer;

/// How far the sums have come.
#[derive(Debug)]
pub(in crate::store::embedded) struct Roll {
    /// Every row up to this one is in the sums.
    pub(in crate::store::embedded) rolled: u64,
    /// Rows of `spend` in each of the hours that were added to of late.
    counts: HashMap<i64, u32>,
    /// The last rows, which are not in the sums yet.
    tally: Tally,
}

/// A row of `spend`: the hour, the names, the sums.
pub(super) struct Sums {
    pub(super) hour: i64,
    pub(super) names: [String; 8],
    pub(super) sums: [i64; 7],
}

/// Rows of an hour under their own names; the rest loses all names but the provider's and the
/// model's.
const MAX_NAMED: u32 = 4_096;

/// Rows of an hour with a provider and a model; the rest loses these too.
const MAX_HALF_NAMED: u32 = MAX_NAMED + 256;

/// Combinations of names that are worth a step, however few rows they are of.
const MANY: usize = 2_048;

/// Hours whose number of rows is remembered.
const MAX_COUNTS: usize = 64;

/// The names that the first step of folding keeps.
const KEPT: [Dimension; 2] = [Dimension::Provider, Dimension::Model];

const SUM_UP: &str = "SELECT hour, user, key, team, customer, provider, model, task, tag, \
    sum(requests), sum(input_tokens), sum(output_tokens), sum(nano_usd), sum(millis), \
    sum(overrun_nano_usd), sum(estimated) FROM spent WHERE seq > ? AND seq <= ? \
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9";

const ADD: &str = "UPDATE spend SET requests = requests + ?10, \
    input_tokens = input_tokens + ?11, output_tokens = output_tokens + ?12, \
    nano_usd = nano_usd + ?13, millis = millis + ?14, \
    overrun_nano_usd = overrun_nano_usd + ?15, estimated = estimated + ?16 \
    WHERE hour = ?1 AND user = ?2 AND key = ?3 AND team = ?4 AND customer = ?5 \
    AND provider = ?6 AND model = ?7 AND task = ?8 AND tag = ?9";

const MAKE: &str = "INSERT INTO spend VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

impl Roll {
    /// Goes on from what a ledger has, whose last row is this one.
    pub(in crate::store::embedded) fn read(
        connection: &Connection,
        last: u64,
    ) -> rusqlite::Result<Self> {
        let rolled = "SELECT value FROM meta WHERE name = 'rolled'";
        let rolled: Option<i64> = connection.query_row(rolled, [], |row| row.get(0)).optional()?;
        let rolled = rolled.unwrap_or(0).cast_unsigned();
        Ok(Self { rolled, counts: HashMap::new(), tally: Tally::from(last + 1) })
    }

    /// Takes note of an end whose row is written.
    pub(in crate::store::embedded) fn note(&mut self, spent: Spent<'_>) {
        self.tally.add(spent);
    }

    /// Whether so much is kept that a step is due.
    pub(in crate::store::embedded) fn is_full(&self) -> bool {
        self.tally.len() >= MANY
    }

    /// Adds to the sums what there is up to the last row that is written, but reads no more
    /// than so many rows again; inside the transaction that is open.
    pub(in crate::store::embedded) fn advance(
        &mut self,
        connection: &Connection,
        most: u64,
        last: u64,
    ) -> rusqlite::Result<()> {
        let unknown = self.tally.from - 1;
        if self.rolled < unknown {
            self.read_again(connection, unknown.min(self.rolled + most))?;
        }
        if self.rolled < unknown {
            return Ok(());
        }
        let sums: Vec<Sums> = self.tally.take(last).collect();
        sums.into_iter().try_for_each(|sums| self.add(connection, sums))?;
        self.set_rolled(connection, last)
    }

    fn read_again(&mut self, connection: &Connection, to: u64) -> rusqlite::Result<()> {
        let mut sum_up = connection.prepare_cached(SUM_UP)?;
        let mut rows = sum_up.query([integer(self.rolled), integer(to)])?;
        while let Some(row) = rows.next()? {
            self.add(connection, Sums::read(row)?)?;
        }
        self.set_rolled(connection, to)
    }

    fn set_rolled(&mut self, connection: &Connection, to: u64) -> rusqlite::Result<()> {
        connection
            .prepare_cached("UPDATE meta SET value = ? WHERE name = 'rolled'")?
            .execute([integer(to)])?;
        self.rolled = to;
        Ok(())
    }

    /// Adds to the row of these names, or of fewer where the hour has too many.
    fn add(&mut self, connection: &Connection, mut sums: Sums) -> rusqlite::Result<()> {
        let count = self.count(connection, sums.hour)?;
        for most in [MAX_NAMED, MAX_HALF_NAMED, u32::MAX] {
            if connection.prepare_cached(ADD)?.execute(params_from_iter(sums.columns()))? > 0 {
                return Ok(());
            }
            if count < most {
                connection.prepare_cached(MAKE)?.execute(params_from_iter(sums.columns()))?;
                self.counts.insert(sums.hour, count + 1);
                return Ok(());
            }
            sums.fold(most == MAX_NAMED);
        }
        Ok(())
    }

    /// How many rows an hour has.
    fn count(&mut self, connection: &Connection, hour: i64) -> rusqlite::Result<u32> {
        if let Some(count) = self.counts.get(&hour) {
            return Ok(*count);
        }
        if self.counts.len() == MAX_COUNTS {
            self.counts.clear();
        }
        let count = "SELECT count(*) FROM spend WHERE hour = ?";
        let count = connection.prepare_cached(count)?.query_row([hour], |row| row.get(0))?;
        self.counts.insert(hour, count);
        Ok(count)
    }
}

impl Sums {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let mut read = Self { hour: row.get(0)?, names: Default::default(), sums: [0; 7] };
        for (nth, name) in read.names.iter_mut().enumerate() {
            *name = row.get(1 + nth)?;
        }
        for (nth, sum) in read.sums.iter_mut().enumerate() {
            *sum = row.get(1 + Dimension::ALL.len() + nth)?;
        }
        Ok(read)
    }

    fn columns(&self) -> impl Iterator<Item = &dyn ToSql> {
        let hour = std::iter::once(&self.hour as &dyn ToSql);
        let names = self.names.iter().map(|name| name as &dyn ToSql);
        hour.chain(names).chain(self.sums.iter().map(|sum| sum as &dyn ToSql))
    }

    /// Forgets the names that tell it apart; all of them, unless it is the first time.
    fn fold(&mut self, is_first: bool) {
        for (dimension, name) in Dimension::ALL.iter().zip(&mut self.names) {
            if !(is_first && KEPT.contains(dimension)) {
                OTHERS.clone_into(name);
            }
        }
    }
}

const _: () = assert!(SUMS.len() == 7, "`Sums` has as many");

#[cfg(test)]
mod tests;
