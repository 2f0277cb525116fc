//! One reservation, found by its id: what it was charged to, where those accounts stood, and how
//! it ended.
//!
//! Ids are in no index, since every admission would pay for it. One that was made here tells
//! when: rows are read from a minute before then, and all of them where that finds none, as for
//! an id that its caller chose.

mod before;

use std::{collections::HashMap, path::Path};

use rusqlite::{Connection, OptionalExtension as _, Row};
use tollgate_core::{Charge, Kind, ReservationId, Time, Unit};

use self::before::Account;
use super::{
    LedgerError, LedgerRow, charges,
    entry::{unsigned, wrong},
    export::ROWS,
    redo,
    rules::Rules,
    schema::{self, integer},
};

/// A row about one reservation, with what it says of every account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationRow {
    /// What every row has.
    pub row: LedgerRow,
    /// When the reservation expires unless it is renewed, where the row says so.
    pub expires: Option<Time>,
    /// What it reserved, added or used of each account.
    pub charges: Vec<AccountCharge>,
}

/// What a row says of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountCharge {
    /// The limit, as the policy named it last; its number where no policy is known to have it.
    pub limit: String,
    /// What the limit allowed when it was described last, in words.
    pub allows: String,
    /// Whose account it is: attributes and their values, none where it is one for all.
    pub account: Vec<(String, String)>,
    /// What it counts.
    pub unit: Unit,
    /// How it counts.
    pub kind: Kind,
    /// The most it allowed.
    pub cap: u64,
    /// Whether it counts and never refuses.
    pub shadow: bool,
    /// What was reserved.
    pub held: u64,
    /// What was used of it, in rows that end a reservation.
    pub used: Option<u64>,
    /// What of the account was used or reserved before, in rows that reserve; nothing where it
    /// can't be told from the rows that are there.
    pub before: Option<u64>,
}

/// How long before its instant a row of an id may be, as where the wall clock is set.
const SLACK_NS: u64 = 60_000_000_000;

/// Reads all rows of a reservation, in their order; none where the ledger has none of that id.
/// Also while a process writes the ledger. An id that tells its time is looked for from a minute
/// before that on; if nothing is there, and the search is `thorough`, from the beginning.
///
/// # Errors
/// When there is no such ledger or it can't be read.
pub fn lookup(
    path: &Path,
    id: ReservationId,
    thorough: bool,
) -> Result<Vec<ReservationRow>, LedgerError> {
    redo::bring_in(path);
    let connection = schema::open_to_read(path, None)?;
    let found = (|| {
        // One transaction, so that all is as of one instant.
        let reading = connection.unchecked_transaction()?;
        let lookup = Lookup::new(&reading)?;
        let from = first_at(&reading, made_at(id).saturating_sub(SLACK_NS))?;
        let found = lookup.rows(id, from)?;
        if found.is_empty() && from > 0 && thorough { lookup.rows(id, 0) } else { Ok(found) }
    })();
    found.map_err(|error| LedgerError::from_sqlite(path, &error))
}

/// The wall clock that a UUID of version 7 tells; the beginning of time for others.
fn made_at(id: ReservationId) -> u64 {
    let is_timed = (id.0 >> 76) & 0xf == 7;
    if is_timed { u64::try_from(id.0 >> 80).unwrap_or(0).saturating_mul(1_000_000) } else { 0 }
}

/// The first row from about this instant of the wall clock on.
fn first_at(connection: &Connection, wall: u64) -> rusqlite::Result<u64> {
    let ends = "SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM entries";
    let read = |row: &Row<'_>| Ok((unsigned(row, 0)?, unsigned(row, 1)?));
    let (mut low, mut high) = connection.query_row(ends, [], read)?;
    if wall == 0 {
        return Ok(low);
    }
    let mut next =
        connection.prepare("SELECT seq, wall FROM entries WHERE seq >= ? ORDER BY seq LIMIT 1")?;
    while low < high {
        let middle = low + (high - low) / 2;
        match next.query_row([integer(middle)], read).optional()? {
            Some((seq, at)) if at < wall => low = seq + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

struct Lookup<'c> {
    connection: &'c Connection,
    rules: Rules,
    limits: HashMap<u64, Described>,
}

/// A limit as it was described last.
struct Described {
    name: String,
    per: Vec<String>,
    allows: String,
}

impl<'c> Lookup<'c> {
    fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        let mut limits = HashMap::new();
        let mut statement = connection.prepare("SELECT id, name, per, description FROM limits")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let per: String = row.get(2)?;
            let per = per.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            let described = Described { name: row.get(1)?, per, allows: row.get(3)? };
            limits.insert(row.get::<_, i64>(0)?.cast_unsigned(), described);
        }
        Ok(Self { connection, rules: Rules::read(connection)?, limits })
    }

    fn rows(&self, id: ReservationId, from: u64) -> rusqlite::Result<Vec<ReservationRow>> {
        let select = format!("{ROWS} WHERE e.id = ?1 AND e.seq >= ?2 ORDER BY e.seq");
        let mut statement = self.connection.prepare(&select)?;
        let mut found = statement.query((id.0.to_be_bytes(), integer(from)))?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            let begun = LedgerRow::read(row)?;
            let end = begun.read_end(row)?;
            let charges = self.charges(row, &begun, end.is_some())?;
            let expires: Option<i64> = row.get(27)?;
            let expires = expires.map(|at| Time::from_nanos(at.cast_unsigned()));
            rows.push(ReservationRow { row: begun, expires, charges: charges.begun });
            rows.extend(end.map(|row| ReservationRow {
                row,
                expires: None,
                charges: charges.ended,
            }));
        }
        rows.sort_by_key(|row| row.row.seq);
        Ok(rows)
    }

    /// What a row says of its accounts, where it begins something and where it ends it.
    fn charges(
        &self,
        row: &Row<'_>,
        told: &LedgerRow,
        is_whole: bool,
    ) -> rusqlite::Result<Charges> {
        let count = match told.kind {
            _ if is_whole => 4,
            "reserve" | "extend" => 3,
            "settle" | "void" | "expire" => 4,
            _ => return Ok(Charges::default()),
        };
        let text = row.get_ref(26)?.as_str()?;
        let numbers = charges::read(text, count);
        let numbers = numbers.ok_or_else(|| wrong(26, format!("these are no charges: {text}")))?;
        let mut charges = Charges::default();
        for [cell, rule, held, used] in numbers {
            let Some(charge) = self.rules.charge(rule.cast_signed()) else { continue };
            let account = self.account(cell, &charge, held)?;
            if is_whole || count == 4 {
                charges.ended.push(AccountCharge { used: Some(used), ..account.clone() });
            }
            if is_whole || count == 3 {
                let before = match told.kind {
                    "reserve" => Account::of(self.connection, &self.rules, cell, &charge)?
                        .before(self.connection, told)?,
                    _ => None,
                };
                charges.begun.push(AccountCharge { before, ..account });
            }
        }
        if !is_whole && count == 4 {
            charges.begun = std::mem::take(&mut charges.ended);
        }
        Ok(charges)
    }

    fn account(&self, cell: u64, charge: &Charge, held: u64) -> rusqlite::Result<AccountCharge> {
        let key = self
            .connection
            .prepare_cached("SELECT key FROM cells WHERE number = ?")?
            .query_row([integer(cell)], |row| row.get::<_, String>(0))
            .optional()?
            .unwrap_or_default();
        let described = self.limits.get(&charge.limit.0);
        let per = described.map(|it| it.per.as_slice()).unwrap_or_default();
        let values = key.split('\u{1f}').map(str::to_owned);
        Ok(AccountCharge {
            limit: described
                .map_or_else(|| format!("#{:016x}", charge.limit.0), |it| it.name.clone()),
            allows: described.map(|it| it.allows.clone()).unwrap_or_default(),
            account: per.iter().cloned().zip(values).collect(),
            unit: charge.unit,
            kind: charge.rule.kind,
            cap: charge.rule.cap,
            shadow: charge.shadow,
            held,
            used: None,
            before: None,
        })
    }
}

/// What one row says of its accounts.
#[derive(Default)]
struct Charges {
    begun: Vec<AccountCharge>,
    ended: Vec<AccountCharge>,
}
