//! What single callers have that others have not: the tier of a user, and amounts of single
//! limits until a date.

use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tollgate_core::{
    Attribute, Grant, Policy,
    policy::{Limit, Measure},
};

use super::{
    Book, By, Moment, RosterError,
    audit::Change,
    terms::{check_name, excerpt},
};

/// A user's tier, which stands before what keys and callers say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Tier {
    pub(crate) user: String,
    pub(crate) tier: String,
    pub(crate) since_at: Moment,
}

/// In which respect a caller is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Of {
    User,
    Key,
    Team,
}

/// Whose amount of which limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Whose {
    pub(crate) of: Of,
    pub(crate) name: String,
    /// The limit's name in the policy.
    pub(crate) limit: String,
}

/// Another amount of one limit, for one caller, until a date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Override {
    #[serde(flatten)]
    pub(crate) whose: Whose,
    /// As the limit is written in the policy: `100/minute`, or `5` for slots.
    pub(crate) amount: String,
    pub(crate) until_at: Option<Moment>,
    pub(crate) since_at: Moment,
}

/// Tiers or overrides of one roster.
const MAX_ROWS: i64 = 100_000;

/// The longest amount, in bytes.
const MAX_AMOUNT_BYTES: usize = 64;

impl Of {
    /// All of them, the narrowest first.
    pub(super) const ALL: [Self; 3] = [Self::Key, Self::User, Self::Team];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Key => "key",
            Self::Team => "team",
        }
    }

    pub(super) const fn attribute(self) -> Attribute {
        match self {
            Self::User => Attribute::User,
            Self::Key => Attribute::Key,
            Self::Team => Attribute::Team,
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|of| of.name() == name)
    }
}

impl Whose {
    /// What an amount comes to under a policy: of every limit of that name that is kept per
    /// caller in that respect.
    ///
    /// # Errors
    /// With what the policy has instead, or how its limit is written.
    pub(crate) fn grants(&self, amount: &str, policy: &Policy) -> Result<Vec<Grant>, RosterError> {
        let Self { of, limit: name, .. } = self;
        let limits = || policy.limits().iter().chain(policy.key_budgets());
        let own = |limit: &&Limit| limit.per.contains(&of.attribute());
        let named: Vec<&Limit> = limits().filter(|limit| limit.name == *name).collect();
        let Some(first) = named.iter().copied().find(own) else {
            let could: Vec<&str> = limits().filter(own).map(|limit| limit.name.as_str()).collect();
            let (name, of) = (excerpt(name), of.name());
            let why = if named.is_empty() {
                format!("the policy has no limit `{name}`")
            } else {
                format!("`{name}` is not kept per {of}, so no {of} can have another amount of it")
            };
            let could = could.join(", ");
            return Err(RosterError::Invalid(format!("{why}; kept per {of} are {could}")));
        };
        let grant = |limit: &Limit| {
            let measure: Result<Measure, String> = limit.granted(amount);
            measure.map(|measure| Grant { limit: limit.id, measure, dialed: None })
        };
        let first = grant(first).map_err(RosterError::Invalid)?;
        let others = named.into_iter().filter(own).filter_map(|limit| grant(limit).ok());
        let others = others.filter(|grant| grant.limit != first.limit);
        Ok(std::iter::once(first.clone()).chain(others).collect())
    }

    fn subject(&self) -> String {
        format!("{} {} {}", self.of.name(), self.name, self.limit)
    }

    fn unknown(&self) -> RosterError {
        RosterError::Missing(format!(
            "the {} `{}` has no amount of its own of `{}`",
            self.of.name(),
            excerpt(&self.name),
            excerpt(&self.limit)
        ))
    }
}

impl Override {
    /// `in_force`, `over`, or `idle`: nothing of the policy fits it.
    pub(crate) fn state(&self, policy: &Policy, now: Moment) -> &'static str {
        match self.whose.grants(&self.amount, policy) {
            _ if self.until_at.is_some_and(|until| until <= now) => "over",
            Ok(_) => "in_force",
            Err(_) => "idle",
        }
    }

    /// Reads a row of the columns `of, name, limit_name, amount, until, since`; nothing of
    /// what another version wrote.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Option<Self>> {
        let of: String = row.get(0)?;
        let Some(of) = Of::named(&of) else { return Ok(None) };
        let whose = Whose { of, name: row.get(1)?, limit: row.get(2)? };
        let (amount, until_at) = (row.get(3)?, row.get(4)?);
        Ok(Some(Self { whose, amount, until_at, since_at: row.get(5)? }))
    }
}

impl Book {
    /// Puts a user into a tier. Again it changes nothing.
    ///
    /// # Errors
    /// When a name is none, or there are too many.
    pub(crate) fn set_tier(
        &mut self,
        user: &str,
        tier: &str,
        by: &By,
    ) -> Result<Tier, RosterError> {
        check_name("the user", user)?;
        check_name("the tier", tier)?;
        self.change(by, |tx, _| {
            let sql = "SELECT tier, since FROM tiers WHERE user = ?";
            let before = tx.query_row(sql, [user], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, Moment>(1)?))
            });
            let before = before.optional()?;
            let (user, tier) = (user.to_owned(), tier.to_owned());
            if let Some((_, since_at)) = before.clone().filter(|(before, _)| *before == tier) {
                return Ok((Tier { user, tier, since_at }, None));
            }
            let is_new = before.is_none();
            bounded(is_new, tx.query_row("SELECT count(*) FROM tiers", [], |row| row.get(0))?)?;
            tx.execute("REPLACE INTO tiers VALUES (?, ?, ?)", params![user, tier, by.at])?;
            let before = before.map(|(tier, _)| json!({ "tier": tier })).unwrap_or_default();
            let after = json!({ "tier": tier });
            let change = Change { what: "tier.set", subject: user.clone(), before, after };
            Ok((Tier { user, tier, since_at: by.at }, Some(change)))
        })
    }

    /// Takes a user out of its tier, so that its key's or its caller's word holds again.
    ///
    /// # Errors
    /// When it was in none.
    pub(crate) fn remove_tier(&mut self, user: &str, by: &By) -> Result<(), RosterError> {
        self.change(by, |tx, _| {
            let sql = "DELETE FROM tiers WHERE user = ? RETURNING tier";
            let tier: Option<String> = tx.query_row(sql, [user], |row| row.get(0)).optional()?;
            let tier = tier.ok_or_else(|| {
                RosterError::Missing(format!("the user `{}` was put into no tier", excerpt(user)))
            })?;
            let (before, after) = (json!({ "tier": tier }), json!(null));
            let change = Change { what: "tier.remove", subject: user.to_owned(), before, after };
            Ok(((), Some(change)))
        })
    }

    /// Users that were put into tiers, in the order of their names.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn tiers(&mut self, after: &str, most: u32) -> Result<Vec<Tier>, RosterError> {
        self.read(|tx, _| {
            let sql = "SELECT user, tier, since FROM tiers WHERE user > ? ORDER BY user LIMIT ?";
            let mut statement = tx.prepare(sql)?;
            let rows = statement.query_map(params![after, most], |row| {
                Ok(Tier { user: row.get(0)?, tier: row.get(1)?, since_at: row.get(2)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Gives a caller another amount of a limit. What it was before is written down.
    ///
    /// # Errors
    /// When a name or the amount is none, or there are too many.
    pub(crate) fn set_override(
        &mut self,
        whose: Whose,
        amount: &str,
        until_at: Option<Moment>,
        by: &By,
    ) -> Result<Override, RosterError> {
        check_name(whose.of.name(), &whose.name)?;
        if amount.len() > MAX_AMOUNT_BYTES {
            let why =
                format!("the amount has {} bytes and not {MAX_AMOUNT_BYTES} at most", amount.len());
            return Err(RosterError::Invalid(why));
        }
        let amount = amount.trim().to_owned();
        self.change(by, |tx, _| {
            // What is over makes room.
            tx.execute("DELETE FROM overrides WHERE until <= ?", [by.at])?;
            let Whose { of, name, limit } = &whose;
            let before = tx.query_row(
                "SELECT of, name, limit_name, amount, until, since FROM overrides
                 WHERE of = ? AND name = ? AND limit_name = ?",
                params![of.name(), name, limit],
                Override::read,
            );
            let before = before.optional()?.flatten();
            let same = |one: &Override| one.amount == amount && one.until_at == until_at;
            if let Some(same) = before.clone().filter(same) {
                return Ok((same, None));
            }
            let count = tx.query_row("SELECT count(*) FROM overrides", [], |row| row.get(0))?;
            bounded(before.is_none(), count)?;
            tx.execute(
                "REPLACE INTO overrides VALUES (?, ?, ?, ?, ?, ?)",
                params![of.name(), name, limit, amount, until_at, by.at],
            )?;
            let state = |one: &Override| json!({ "amount": one.amount, "until_at": one.until_at });
            let (before, subject) = (before.as_ref().map(state), whose.subject());
            let set = Override { whose, amount, until_at, since_at: by.at };
            let (before, after) = (before.unwrap_or_default(), state(&set));
            Ok((set, Some(Change { what: "override.set", subject, before, after })))
        })
    }

    /// Takes a caller's own amount of a limit away.
    ///
    /// # Errors
    /// When it has none.
    pub(crate) fn remove_override(&mut self, whose: &Whose, by: &By) -> Result<(), RosterError> {
        self.change(by, |tx, _| {
            let amount = tx.query_row(
                "DELETE FROM overrides WHERE of = ? AND name = ? AND limit_name = ?
                 RETURNING amount, until",
                params![whose.of.name(), whose.name, whose.limit],
                |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<Moment>>(1)?)),
            );
            let (amount, until_at) = amount.optional()?.ok_or_else(|| whose.unknown())?;
            let before = json!({ "amount": amount, "until_at": until_at });
            let (what, subject, after) = ("override.remove", whose.subject(), json!(null));
            Ok(((), Some(Change { what, subject, before, after })))
        })
    }

    /// All overrides, by whose they are.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn overrides(&mut self, most: u32) -> Result<Vec<Override>, RosterError> {
        self.read(|tx, _| {
            let mut statement = tx.prepare(
                "SELECT of, name, limit_name, amount, until, since FROM overrides
                 ORDER BY of, name, limit_name LIMIT ?",
            )?;
            let rows = statement.query_map([most], Override::read)?;
            Ok(rows.filter_map(Result::transpose).collect::<Result<_, _>>()?)
        })
    }
}

pub(super) fn bounded(is_new: bool, count: i64) -> Result<(), RosterError> {
    if is_new && count >= MAX_ROWS {
        return Err(RosterError::Conflict(format!(
            "there are {count} of them, and no more are kept: remove those that nobody needs"
        )));
    }
    Ok(())
}
