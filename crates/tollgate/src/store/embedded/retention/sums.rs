//! What rows add up to, before they go.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use tollgate_core::{Amounts, Kind, LimitId};

use crate::store::embedded::{
    Balance,
    entry::{Entry, EntryCharge},
    rules::Rules,
    schema::{EntryKind, integer},
};

/// The sums of some rows.
#[derive(Debug, Default)]
pub(super) struct Sums {
    accounts: BTreeMap<(u32, LimitId), Summary>,
    kinds: BTreeMap<i64, (u64, Amounts)>,
}

/// The sums of an account.
#[derive(Debug, Default)]
struct Summary {
    rule: i64,
    balance: Balance,
    ever: u64,
}

const ADD: &str = "INSERT INTO summaries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) \
    ON CONFLICT (cell, limit_id) DO UPDATE SET rule = excluded.rule, \
    reserved = reserved + excluded.reserved, settled = settled + excluded.settled, \
    released = released + excluded.released, expired = expired + excluded.expired, \
    overrun = overrun + excluded.overrun, ever = ever + excluded.ever";

const COUNT: &str = "INSERT INTO totals VALUES (?, ?, ?, ?, ?, ?, ?) \
    ON CONFLICT (kind) DO UPDATE SET count = count + excluded.count, \
    requests = requests + excluded.requests, \
    input_tokens = input_tokens + excluded.input_tokens, \
    output_tokens = output_tokens + excluded.output_tokens, \
    nano_usd = nano_usd + excluded.nano_usd, millis = millis + excluded.millis";

impl Sums {
    /// Counts a row.
    pub(super) fn count(&mut self, row: &Entry) {
        let (count, amounts) = self.kinds.entry(row.kind as i64).or_default();
        *count += 1;
        *amounts = amounts.plus(&row.amounts);
    }

    /// Adds what a row takes from accounts, or gives them back where it is the last one.
    pub(super) fn add(&mut self, rules: &Rules, row: &Entry, is_last: bool) {
        for EntryCharge { cell, rule, amount, used } in &row.charges {
            let Some(charge) = rules.charge(*rule) else { continue };
            let summary = self.accounts.entry((*cell, charge.limit)).or_default();
            summary.rule = *rule;
            let balance = &mut summary.balance;
            let within = *used.min(amount);
            match row.kind {
                EntryKind::Reserve | EntryKind::Extend => balance.reserved += amount,
                EntryKind::Settle | EntryKind::Void if is_last => balance.settled += within,
                EntryKind::Expire if is_last => balance.expired += within,
                _ => {}
            }
            if is_last {
                balance.released += amount - within;
                balance.overrun += used - within;
                if charge.rule.kind == Kind::TOTAL {
                    summary.ever += used;
                }
            }
        }
    }

    /// Adds them to what is in the ledger.
    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut add = connection.prepare_cached(ADD)?;
        for ((cell, limit), Summary { rule, balance, ever }) in &self.accounts {
            add.execute(params![
                cell,
                limit.0.cast_signed(),
                rule,
                integer(balance.reserved),
                integer(balance.settled),
                integer(balance.released),
                integer(balance.expired),
                integer(balance.overrun),
                integer(*ever),
            ])?;
        }
        let mut add = connection.prepare_cached(COUNT)?;
        for (kind, (count, amounts)) in &self.kinds {
            add.execute(params![
                kind,
                integer(*count),
                integer(amounts.requests),
                integer(amounts.input_tokens),
                integer(amounts.output_tokens),
                integer(amounts.cost.0),
                integer(amounts.millis),
            ])?;
        }
        Ok(())
    }
}
