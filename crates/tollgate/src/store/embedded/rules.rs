//! Rules by number: a charge's row names its rule in a few digits.

use std::hash::{Hash, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use rusqlite::{Connection, params};
use tollgate_core::{Charge, Kind, LimitId, Rule, Unit, Warn};

use super::schema::integer;

/// The rules that a ledger has, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Rules(HashMap<i64, Charge>);

/// The numbers of rules, where rows are made.
#[derive(Debug, Default)]
pub(super) struct RuleNumbers {
    numbers: HashMap<Known, i64, RandomState>,
    last: i64,
}

/// What a rule's number stands for: a charge but its amount. When its account warns is nothing
/// that rows say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    limit: LimitId,
    rule: Rule,
    unit: Unit,
    shadow: bool,
}

impl Rules {
    /// Reads all rules of a ledger.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut rules = Self::default();
        let mut statement =
            connection.prepare("SELECT id, limit_id, unit, kind, cap, shadow FROM rules")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
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
            rules.0.insert(row.get(0)?, charge);
        }
        Ok(rules)
    }

    /// The rule of that number, as a charge of nothing.
    pub(super) fn charge(&self, number: i64) -> Option<Charge> {
        self.0.get(&number).copied()
    }

    /// All rules by their numbers, each as a charge of nothing.
    pub(super) fn all(&self) -> impl Iterator<Item = (i64, &Charge)> {
        self.0.iter().map(|(number, charge)| (*number, charge))
    }

    /// Writes a new rule.
    pub(super) fn add(
        &mut self,
        connection: &Connection,
        (number, charge): (i64, Charge),
    ) -> rusqlite::Result<()> {
        let kind = serde_json::to_string(&charge.rule.kind)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        connection.prepare_cached("INSERT INTO rules VALUES (?, ?, ?, ?, ?, ?)")?.execute(
            params![
                number,
                charge.limit.0.cast_signed(),
                charge.unit.name(),
                kind,
                integer(charge.rule.cap),
                charge.shadow
            ],
        )?;
        self.0.insert(number, Charge { amount: 0, warn: Warn::NEVER, ..charge });
        Ok(())
    }
}

impl RuleNumbers {
    /// Those of a ledger.
    pub(super) fn of(rules: &Rules) -> Self {
        let mut known = Self::default();
        for (number, charge) in &rules.0 {
            known.numbers.insert(Known::of(charge), *number);
            known.last = known.last.max(*number);
        }
        known
    }

    /// The number of a charge's rule, and whether the ledger has yet to learn it.
    pub(super) fn number(&mut self, charge: &Charge) -> (i64, bool) {
        let known = Known::of(charge);
        if let Some(number) = self.numbers.get(&known) {
            return (*number, false);
        }
        self.last += 1;
        self.numbers.insert(known, self.last);
        (self.last, true)
    }
}

impl Known {
    const fn of(charge: &Charge) -> Self {
        let Charge { limit, rule, unit, shadow, amount: _, warn: _ } = *charge;
        Self { limit, rule, unit, shadow }
    }
}

impl Hash for Known {
    /// Enough to tell rules apart that there are many of, since each charge is looked up.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let kind = match self.rule.kind {
            Kind::Period { start, .. } => start,
            Kind::Window { length_ns } => length_ns,
            _ => 0,
        };
        let [cap, kind] = [self.rule.cap.rotate_left(32), kind.rotate_left(16)];
        state.write_u64(self.limit.0 ^ cap ^ kind);
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
