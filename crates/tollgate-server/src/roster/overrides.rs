//! Overrides as requests see them: made for the policy in force, so that no request has to
//! read what people wrote.

use std::{collections::HashMap, sync::Arc};

use compact_str::CompactString;
use foldhash::fast::RandomState;
use rusqlite::Transaction;
use tollgate_core::{Attributes, Grant, Policy};

use super::{Moment, Of, Override, RosterError};

/// Overrides, made for a policy.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    rows: Arc<Vec<Override>>,
    policy: Arc<Policy>,
    /// By who has them.
    granted: HashMap<(Of, CompactString), Vec<Granted>, RandomState>,
}

#[derive(Debug)]
struct Granted {
    /// Its place in the rows.
    row: usize,
    grants: Vec<Grant>,
}

/// Reads all of them.
pub(super) fn read(tx: &Transaction<'_>) -> Result<Vec<Override>, RosterError> {
    let mut statement =
        tx.prepare("SELECT of, name, limit_name, amount, until, since FROM overrides")?;
    let rows = statement.query_map([], Override::read)?;
    Ok(rows.filter_map(Result::transpose).collect::<Result<_, _>>()?)
}

impl Overrides {
    /// What does not fit the policy is left out of what is granted.
    pub(super) fn new(rows: Arc<Vec<Override>>, policy: Arc<Policy>) -> Self {
        let mut granted: HashMap<_, Vec<Granted>, RandomState> = HashMap::default();
        for (place, row) in rows.iter().enumerate() {
            let grants = row.whose.grants(&row.amount, &policy).unwrap_or_default();
            let whose = (row.whose.of, CompactString::from(&row.whose.name));
            granted.entry(whose).or_default().push(Granted { row: place, grants });
        }
        Self { rows, policy, granted }
    }

    /// The same for another policy.
    pub(super) fn under(&self, policy: Arc<Policy>) -> Self {
        Self::new(Arc::clone(&self.rows), policy)
    }

    /// The policy that they are made for.
    pub(super) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy)
    }

    /// What a caller is granted now; nearly everybody nothing, at the cost of a look.
    pub(super) fn of(&self, who: &Attributes, policy: &Arc<Policy>, now: Moment) -> Vec<Grant> {
        let mut grants = Vec::new();
        if self.rows.is_empty() {
            return grants;
        }
        for of in Of::ALL {
            let Some(name) = who.value(&of.attribute()) else { continue };
            let its = self.granted.get(&(of, CompactString::from(name)));
            for one in its.into_iter().flatten() {
                let row = &self.rows[one.row];
                if row.until_at.is_some_and(|until| until <= now) {
                    continue;
                }
                if Arc::ptr_eq(policy, &self.policy) {
                    grants.extend(one.grants.iter().cloned());
                } else {
                    // For the instant in which one policy takes the place of another.
                    grants.extend(row.whose.grants(&row.amount, policy).unwrap_or_default());
                }
            }
        }
        grants
    }
}
