//! Managed keys: made, rotated and revoked while the gateway runs.

use std::time::Duration;

use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use serde::Serialize;
use serde_json::json;
use tollgate_core::policy::Settings;

use super::{Book, By, KeyText, Moment, RosterError, Terms, Vault, audit::Change, terms::excerpt};
use crate::identity::KEY_PREFIX;

/// A key that is to be made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draft {
    /// Its public name; one is made up if none is given.
    pub(crate) id: Option<String>,
    pub(crate) terms: Terms,
    pub(crate) expires: Option<Moment>,
}

/// A key, as operators see it: everything but its text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Key {
    pub(crate) id: String,
    /// `active`, `expired`, `revoked`, or `locked`: hashed under another `TOLLGATE_SECRET`.
    pub(crate) state: &'static str,
    #[serde(flatten)]
    pub(crate) terms: Terms,
    pub(crate) created_at: Moment,
    pub(crate) expires_at: Option<Moment>,
    pub(crate) revoked_at: Option<Moment>,
    /// What works as the key, the newest first.
    pub(crate) secrets: Vec<Secret>,
    /// Providers that are sent a key of its own.
    pub(crate) provider_keys: Vec<String>,
}

/// One text that works as a key, by what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Secret {
    pub(crate) created_at: Moment,
    /// When it ends, where another has taken its place.
    pub(crate) ends_at: Option<Moment>,
    #[serde(skip)]
    is_usable: bool,
}

/// Which keys are listed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listing {
    /// Only this user's.
    pub(crate) user: Option<String>,
    /// Those after this id, in the order of the alphabet.
    pub(crate) after: String,
    pub(crate) most: u32,
}

/// Keys of one roster, with those that were revoked: these go when it is full.
const MAX_KEYS: i64 = 100_000;

/// Texts that work as one key at once.
const MAX_SECRETS: i64 = 4;

/// The longest id, in bytes.
const MAX_ID_BYTES: usize = 64;

/// How long an old text of a key may work beside the new one.
const MAX_GRACE: Duration = Duration::from_secs(90 * 86_400);

const COLUMNS: &str = "id, terms, created, expires, revoked";

impl Draft {
    /// Whether all of it makes sense under a policy.
    ///
    /// # Errors
    /// With what does not.
    pub(crate) fn check(&self, settings: &Settings) -> Result<(), RosterError> {
        self.terms.check(settings)?;
        let taken = settings.keys.iter().find(|key| Some(&key.id) == self.id.as_ref());
        taken.map_or(Ok(()), |key| {
            let why = format!("the policy has a key `{}`: choose another id", key.id);
            Err(RosterError::Conflict(why))
        })
    }
}

impl Book {
    /// Makes a key. Its text is told here and never again.
    ///
    /// # Errors
    /// When the id is taken or is none, there are too many keys, or it cannot be kept.
    pub(crate) fn create(&mut self, draft: Draft, by: &By) -> Result<(Key, KeyText), RosterError> {
        let Draft { id, terms, expires } = draft;
        let id = id.unwrap_or_else(|| format!("key-{:012x}", rand::random::<u64>() >> 16));
        check_id(&id)?;
        let after = json!({ "terms": terms, "expires_at": expires });
        let terms = serde_json::to_string(&terms).unwrap_or_default();
        self.change(by, |tx, vault| {
            make_room(tx)?;
            let sql = "INSERT OR IGNORE INTO keys VALUES (?, ?, ?, ?, NULL)";
            if tx.execute(sql, params![id, terms, by.at, expires])? == 0 {
                return Err(RosterError::Conflict(format!(
                    "there is a key `{id}` already: choose another id, or rotate that one"
                )));
            }
            let text = add_secret(tx, vault, &id, by)?;
            let key = of_id(tx, vault, &id, by.at)?;
            let (what, before) = ("key.create", json!(null));
            Ok(((key, text), Some(Change { what, subject: id, before, after })))
        })
    }

    /// Gives a key a new text; the old ones work until `ends`.
    ///
    /// # Errors
    /// When there is no such key, it was revoked, or it was rotated too often of late.
    pub(crate) fn rotate(
        &mut self,
        id: &str,
        ends: Moment,
        by: &By,
    ) -> Result<(Key, KeyText), RosterError> {
        if ends > by.at.after(MAX_GRACE) {
            let days = MAX_GRACE.as_secs() / 86_400;
            return Err(RosterError::Invalid(format!("the grace is longer than {days} days")));
        }
        self.change(by, |tx, vault| {
            let key = of_id(tx, vault, id, by.at)?;
            if key.revoked_at.is_some() {
                return Err(RosterError::Conflict(format!(
                    "the key `{id}` was revoked, and there is no way back: create another"
                )));
            }
            tx.execute("DELETE FROM secrets WHERE key = ? AND ends <= ?", params![id, by.at])?;
            let sql = "UPDATE secrets SET ends = min(ifnull(ends, ?2), ?2) WHERE key = ?1";
            let works = tx.execute(sql, params![id, ends])?;
            if i64::try_from(works).unwrap_or(i64::MAX) >= MAX_SECRETS {
                return Err(RosterError::Conflict(format!(
                    "{works} texts work as the key `{id}` until their grace is over: wait for that, or revoke it"
                )));
            }
            let text = add_secret(tx, vault, id, by)?;
            let before = json!({ "secrets": key.secrets });
            let key = of_id(tx, vault, id, by.at)?;
            let after = json!({ "secrets": key.secrets });
            let (what, subject) = ("key.rotate", id.to_owned());
            Ok(((key, text), Some(Change { what, subject, before, after })))
        })
    }

    /// Ends a key for good. Again it changes nothing.
    ///
    /// # Errors
    /// When there is no such key, or it cannot be kept.
    pub(crate) fn revoke(&mut self, id: &str, by: &By) -> Result<Key, RosterError> {
        self.change(by, |tx, vault| {
            let before = of_id(tx, vault, id, by.at)?;
            let sql = "UPDATE keys SET revoked = ?2 WHERE id = ?1 AND revoked IS NULL";
            let is_news = tx.execute(sql, params![id, by.at])? > 0;
            // Nobody needs them any more.
            tx.execute("DELETE FROM provider_keys WHERE key = ?", [id])?;
            let key = of_id(tx, vault, id, by.at)?;
            let (before, after) = (json!(before), json!(key));
            let change = Change { what: "key.revoke", subject: id.to_owned(), before, after };
            Ok((key, is_news.then_some(change)))
        })
    }

    /// One key.
    ///
    /// # Errors
    /// When there is no such key.
    pub(crate) fn key(&mut self, id: &str, now: Moment) -> Result<Key, RosterError> {
        self.read(|tx, vault| of_id(tx, vault, id, now))
    }

    /// Keys in the order of their ids.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn keys(&mut self, which: &Listing, now: Moment) -> Result<Vec<Key>, RosterError> {
        let sql = "SELECT id FROM keys WHERE id > ?1 AND (?2 IS NULL OR terms ->> 'user' = ?2)
             ORDER BY id LIMIT ?3";
        self.read(|tx, vault| {
            let mut statement = tx.prepare(sql)?;
            let found = params![which.after, which.user, which.most];
            let ids = statement.query_map(found, |row| row.get::<_, String>(0))?;
            ids.map(|id| of_id(tx, vault, &id?, now)).collect()
        })
    }
}

impl Key {
    fn read(row: &Row<'_>) -> rusqlite::Result<(Self, String)> {
        let key = Self {
            id: row.get(0)?,
            state: "active",
            terms: Terms::default(),
            created_at: row.get(2)?,
            expires_at: row.get(3)?,
            revoked_at: row.get(4)?,
            secrets: Vec::new(),
            provider_keys: Vec::new(),
        };
        Ok((key, row.get(1)?))
    }

    fn judge(&mut self, now: Moment) {
        let has_expired = self.expires_at.is_some_and(|at| at <= now);
        let is_usable = self.secrets.iter().any(|secret| secret.is_usable);
        self.state = match self.revoked_at {
            Some(_) => "revoked",
            None if has_expired => "expired",
            None if !is_usable => "locked",
            None => "active",
        };
    }
}

/// What the terms of a key say.
pub(super) fn terms(id: &str, text: &str) -> Result<Terms, RosterError> {
    serde_json::from_str(text).map_err(|why| {
        RosterError::Unavailable(format!(
            "the roster has terms of `{id}` that make no sense: {why}"
        ))
    })
}

pub(super) fn of_id(
    tx: &Transaction<'_>,
    vault: &Vault,
    id: &str,
    now: Moment,
) -> Result<Key, RosterError> {
    let mut statement = tx.prepare_cached(&format!("SELECT {COLUMNS} FROM keys WHERE id = ?"))?;
    let found = statement.query_row([id], Key::read).optional()?;
    let (mut key, text) = found.ok_or_else(|| unknown(id))?;
    key.terms = terms(id, &text)?;
    let mut statement = tx.prepare_cached(
        "SELECT created, ends, keyed_by FROM secrets WHERE key = ?1 AND (ends IS NULL OR ends > ?2)
         ORDER BY ends IS NOT NULL, created DESC",
    )?;
    let secrets = statement.query_map(params![id, now], |row| {
        let keyed_by: String = row.get(2)?;
        let is_usable = vault.hashers().any(|hasher| hasher.name == keyed_by);
        Ok(Secret { created_at: row.get(0)?, ends_at: row.get(1)?, is_usable })
    })?;
    key.secrets = secrets.collect::<Result<_, _>>()?;
    let mut statement =
        tx.prepare_cached("SELECT provider FROM provider_keys WHERE key = ? ORDER BY provider")?;
    let providers = statement.query_map([id], |row| row.get(0))?;
    key.provider_keys = providers.collect::<Result<_, _>>()?;
    key.judge(now);
    Ok(key)
}

fn unknown(id: &str) -> RosterError {
    // Whoever writes the text of a key instead must not read it again in a log.
    if id.starts_with(KEY_PREFIX) {
        return RosterError::Invalid(
            "this is the text of a key: name the key by its id, which `tollgate keys list` shows"
                .to_owned(),
        );
    }
    RosterError::Missing(format!(
        "there is no key `{}`: `tollgate keys list` shows those there are",
        excerpt(id)
    ))
}

fn add_secret(
    tx: &Transaction<'_>,
    vault: &Vault,
    id: &str,
    by: &By,
) -> Result<KeyText, RosterError> {
    let (text, hasher) = (KeyText::random(), vault.own());
    let hash = hasher.hash(text.expose());
    tx.execute(
        "INSERT INTO secrets VALUES (?, ?, ?, NULL, ?)",
        params![hash.as_bytes(), id, by.at, hasher.name],
    )?;
    Ok(text)
}

/// Forgets the key that was revoked first where there are too many.
fn make_room(tx: &Transaction<'_>) -> Result<(), RosterError> {
    if tx.query_row("SELECT count(*) FROM keys", [], |row| row.get::<_, i64>(0))? < MAX_KEYS {
        return Ok(());
    }
    let first = "SELECT id FROM keys WHERE revoked IS NOT NULL ORDER BY revoked LIMIT 1";
    if tx.execute(&format!("DELETE FROM keys WHERE id = ({first})"), [])? == 0 {
        return Err(RosterError::Conflict(format!(
            "there are {MAX_KEYS} keys, and no more are kept: revoke those that nobody uses"
        )));
    }
    Ok(())
}

fn check_id(id: &str) -> Result<(), RosterError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if id.starts_with(KEY_PREFIX) {
        let why = "an id is public and does not look like a key's text: begin it with something else than tg_";
        return Err(RosterError::Invalid(why.to_owned()));
    }
    if (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(is_plain) {
        return Ok(());
    }
    Err(RosterError::Invalid(format!(
        "`{}` is no id of a key: use up to {MAX_ID_BYTES} letters, digits, hyphens, dots and underscores",
        excerpt(id)
    )))
}
