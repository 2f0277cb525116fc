//! Rules by number: a charge's row names its rule in a few digits.

use hashbrown::HashMap;
use rusqlite::{Connection, params};
use tollgate_core::{Charge, Kind, LimitId, Rule, Unit, Warn};

use super::schema::integer;

/// The rules that the ledger has.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// Of each limit, the newest last.
    by_limit: HashMap<LimitId, Vec<(Charge, i64)>>,
    by_number: HashMap<i64, Charge>,
}

impl Rules {
    /// Reads all rules of a ledger.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut rules = Self::default();
        let mut statement =
            connection.prepare("SELECT id, limit_id, unit, kind, cap, shadow FROM rules")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let number = row.get(0)?;
            let kind: Kind = json(3, row.get_ref(3)?.as_str()?)?;
            let unit: Unit = json(2, &format!("{:?}", row.get_ref(2)?.as_str()?))?;
            let charge = Charge {
                limit: LimitId(row.get::<_, i64>(1)?.cast_unsigned()),
                rule: Rule { kind, cap: row.get::<_, i64>(4)?.cast_unsigned() },
                unit,
                amount: 0,
                shadow: row.get(5)?,
                warn: Warn::NEVER,
            };
            rules.remember(charge, number);
        }
        Ok(rules)
    }

    /// The rule of that number, as a charge of nothing.
    pub(super) fn charge(&self, number: i64) -> Option<Charge> {
        self.by_number.get(&number).copied()
    }

    /// The number of a charge's rule, which is written if it is a new one.
    pub(super) fn number(
        &mut self,
        connection: &Connection,
        charge: &Charge,
    ) -> rusqlite::Result<i64> {
        // When an account warns is nothing that its rows say.
        let rule = Charge { amount: 0, warn: Warn::NEVER, ..*charge };
        let known = self.by_limit.get(&charge.limit).into_iter().flatten();
        if let Some((_, number)) = known.rev().find(|(known, _)| *known == rule) {
            return Ok(*number);
        }
        let kind = serde_json::to_string(&charge.rule.kind)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        connection
            .prepare_cached(
                "INSERT INTO rules (limit_id, unit, kind, cap, shadow) VALUES (?, ?, ?, ?, ?)",
            )?
            .execute(params![
                charge.limit.0.cast_signed(),
                charge.unit.name(),
                kind,
                integer(charge.rule.cap),
                charge.shadow
            ])?;
        let number = connection.last_insert_rowid();
        self.remember(rule, number);
        Ok(number)
    }

    fn remember(&mut self, rule: Charge, number: i64) {
        self.by_limit.entry(rule.limit).or_default().push((rule, number));
        self.by_number.insert(number, rule);
    }
}

/// Reads a column of JSON.
pub(super) fn json<'a, T: serde::Deserialize<'a>>(
    column: usize,
    text: &'a str,
) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
    })
}
