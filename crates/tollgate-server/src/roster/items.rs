//! What nodes have in common, item by item: a key with all that works as it, a user's tier, an
//! override, a forced circuit, the emergency. Each is read and written whole, as JSON.

use rusqlite::{OptionalExtension as _, Transaction, params};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{RosterError, Terms};

/// The name of something that nodes have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub(crate) enum Item {
    /// A key, by its id.
    Key(String),
    /// A user's tier.
    Tier(String),
    /// Who, by what kind and which name, and of which limit.
    Override([String; 3]),
    /// A provider's model, or all of them where that is empty.
    Circuit([String; 2]),
    /// The emergency.
    Emergency,
}

/// A key as it is kept, but for its name.
#[derive(Serialize, Deserialize)]
struct KeyState {
    terms: String,
    created: i64,
    expires: Option<i64>,
    revoked: Option<i64>,
    secrets: Vec<SecretState>,
    own: Vec<OwnState>,
}

#[derive(Serialize, Deserialize)]
struct SecretState {
    hash: String,
    created: i64,
    ends: Option<i64>,
    keyed_by: String,
}

/// A provider's key, sealed.
#[derive(Serialize, Deserialize)]
struct OwnState {
    provider: String,
    sealed: String,
    keyed_by: String,
    attached: i64,
}

#[derive(Serialize, Deserialize)]
struct TierState {
    tier: String,
    since: i64,
}

#[derive(Serialize, Deserialize)]
struct OverrideState {
    amount: String,
    until: Option<i64>,
    since: i64,
}

#[derive(Serialize, Deserialize)]
struct CircuitState {
    mode: String,
    reason: Option<String>,
    since: i64,
}

#[derive(Serialize, Deserialize)]
struct EmergencyState {
    since: i64,
    until: i64,
    who: String,
    reason: Option<String>,
    downgrade: u8,
    ended: Option<i64>,
    how: Option<String>,
}

const READ_KEY: &str = "SELECT json_object('terms', terms, 'created', created, 'expires', expires,
    'revoked', revoked,
    'secrets', json((SELECT json_group_array(json_object('hash', hex(hash), 'created', created,
        'ends', ends, 'keyed_by', keyed_by) ORDER BY hash) FROM secrets WHERE key = ?1)),
    'own', json((SELECT json_group_array(json_object('provider', provider, 'sealed', hex(sealed),
        'keyed_by', keyed_by, 'attached', attached) ORDER BY provider)
        FROM provider_keys WHERE key = ?1))) FROM keys WHERE id = ?1";
const READ_TIER: &str =
    "SELECT json_object('tier', tier, 'since', since) FROM tiers WHERE user = ?1";
const READ_OVERRIDE: &str = "SELECT json_object('amount', amount, 'until', until, 'since', since)
    FROM overrides WHERE of = ?1 AND name = ?2 AND limit_name = ?3";
const READ_CIRCUIT: &str = "SELECT json_object('mode', mode, 'reason', reason, 'since', since)
    FROM circuits WHERE provider = ?1 AND model = ?2";
const READ_EMERGENCY: &str = "SELECT json_object('since', since, 'until', until, 'who', who,
    'reason', reason, 'downgrade', downgrade, 'ended', ended, 'how', how) FROM emergency";

/// The longest state that is taken from elsewhere, in bytes.
pub(super) const MAX_STATE_BYTES: usize = 256 * 1024;

impl Item {
    /// What the rows of the audit call it.
    fn subject(&self) -> (&'static str, String) {
        match self {
            Self::Key(id) => ("key.", id.clone()),
            Self::Tier(user) => ("tier.", user.clone()),
            Self::Override(parts) => ("override.", parts.join(" ")),
            Self::Circuit([provider, model]) if model.is_empty() => ("circuit.", provider.clone()),
            Self::Circuit(parts) => ("circuit.", parts.join("/")),
            Self::Emergency => ("emergency.", String::new()),
        }
    }

    /// Whether a row of the audit tells of it.
    pub(super) fn is_told_by(&self, what: &str, subject: &str) -> bool {
        let (kind, own) = self.subject();
        what.starts_with(kind) && own == subject
    }

    /// How it is; nothing where it is not there.
    pub(super) fn read(&self, tx: &Transaction<'_>) -> Result<Option<String>, RosterError> {
        let read = |sql, values: &[String]| {
            tx.prepare_cached(sql)?
                .query_row(rusqlite::params_from_iter(values), |row| row.get(0))
                .optional()
        };
        Ok(match self {
            Self::Key(id) => read(READ_KEY, std::slice::from_ref(id))?,
            Self::Tier(user) => read(READ_TIER, std::slice::from_ref(user))?,
            Self::Override(parts) => read(READ_OVERRIDE, parts)?,
            Self::Circuit(parts) => read(READ_CIRCUIT, parts)?,
            Self::Emergency => read(READ_EMERGENCY, &[])?,
        })
    }

    /// Makes it so, or takes it away. What another node says must make sense here: a row that
    /// cannot be read would keep the whole roster from being read.
    pub(super) fn write(
        &self,
        tx: &Transaction<'_>,
        state: Option<&str>,
    ) -> Result<(), RosterError> {
        match self {
            Self::Key(id) => write_key(tx, id, state),
            Self::Tier(user) => {
                tx.execute("DELETE FROM tiers WHERE user = ?", [user])?;
                let Some(its) = parsed::<TierState>(state)? else { return Ok(()) };
                let row = params![user, its.tier, its.since];
                tx.execute("INSERT INTO tiers VALUES (?, ?, ?)", row)?;
                Ok(())
            }
            Self::Override([of, name, limit]) => {
                let sql = "DELETE FROM overrides WHERE of = ? AND name = ? AND limit_name = ?";
                tx.execute(sql, params![of, name, limit])?;
                let Some(its) = parsed::<OverrideState>(state)? else { return Ok(()) };
                let row = params![of, name, limit, its.amount, its.until, its.since];
                tx.execute("INSERT INTO overrides VALUES (?, ?, ?, ?, ?, ?)", row)?;
                Ok(())
            }
            Self::Circuit([provider, model]) => {
                let sql = "DELETE FROM circuits WHERE provider = ? AND model = ?";
                tx.execute(sql, params![provider, model])?;
                let Some(its) = parsed::<CircuitState>(state)? else { return Ok(()) };
                let row = params![provider, model, its.mode, its.reason, its.since];
                tx.execute("INSERT INTO circuits VALUES (?, ?, ?, ?, ?)", row)?;
                Ok(())
            }
            Self::Emergency => {
                // One that was is never taken away: it is ended.
                let Some(its) = parsed::<EmergencyState>(state)? else { return Ok(()) };
                tx.execute(
                    "REPLACE INTO emergency VALUES (1, ?, ?, ?, ?, ?, ?, ?)",
                    params![
                        its.since,
                        its.until,
                        its.who,
                        its.reason,
                        its.downgrade,
                        its.ended,
                        its.how
                    ],
                )?;
                Ok(())
            }
        }
    }
}

fn write_key(tx: &Transaction<'_>, id: &str, state: Option<&str>) -> Result<(), RosterError> {
    let Some(key) = parsed::<KeyState>(state)? else {
        tx.execute("DELETE FROM keys WHERE id = ?", [id])?;
        return Ok(());
    };
    serde_json::from_str::<Terms>(&key.terms).map_err(|why| senseless(&why))?;
    tx.execute(
        "INSERT INTO keys VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id)
         DO UPDATE SET terms = ?2, created = ?3, expires = ?4, revoked = ?5",
        params![id, key.terms, key.created, key.expires, key.revoked],
    )?;
    tx.execute("DELETE FROM secrets WHERE key = ?", [id])?;
    for secret in key.secrets {
        let hash = blake3::Hash::from_hex(secret.hash.to_ascii_lowercase());
        let hash = hash.map_err(|why| senseless(&why))?;
        let row = params![hash.as_bytes(), id, secret.created, secret.ends, secret.keyed_by];
        tx.execute("REPLACE INTO secrets VALUES (?, ?, ?, ?, ?)", row)?;
    }
    tx.execute("DELETE FROM provider_keys WHERE key = ?", [id])?;
    for own in key.own {
        tx.execute(
            "INSERT INTO provider_keys VALUES (?1, ?2, ifnull(unhex(?3), x''), ?4, ?5)",
            params![id, own.provider, own.sealed, own.keyed_by, own.attached],
        )?;
    }
    Ok(())
}

fn parsed<T: DeserializeOwned>(state: Option<&str>) -> Result<Option<T>, RosterError> {
    let Some(state) = state else { return Ok(None) };
    if state.len() > MAX_STATE_BYTES {
        return Err(senseless(&format!("it has {} bytes", state.len())));
    }
    serde_json::from_str(state).map(Some).map_err(|why| senseless(&why))
}

fn senseless(why: &dyn std::fmt::Display) -> RosterError {
    RosterError::Invalid(format!("what another node says of the roster makes no sense here: {why}"))
}

impl From<Item> for Vec<String> {
    fn from(item: Item) -> Self {
        let named = |kind: &str, parts: &[String]| {
            std::iter::once(kind.to_owned()).chain(parts.iter().cloned()).collect()
        };
        match item {
            Item::Key(id) => named("key", &[id]),
            Item::Tier(user) => named("tier", &[user]),
            Item::Override(parts) => named("override", &parts),
            Item::Circuit(parts) => named("circuit", &parts),
            Item::Emergency => named("emergency", &[]),
        }
    }
}

impl TryFrom<Vec<String>> for Item {
    type Error = &'static str;

    fn try_from(mut parts: Vec<String>) -> Result<Self, &'static str> {
        let kind = if parts.is_empty() { String::new() } else { parts.remove(0) };
        let unknown = |_| "no item of a roster has such a name";
        match kind.as_str() {
            "key" => <[String; 1]>::try_from(parts).map(|[id]| Self::Key(id)).map_err(unknown),
            "tier" => {
                <[String; 1]>::try_from(parts).map(|[user]| Self::Tier(user)).map_err(unknown)
            }
            "override" => <[String; 3]>::try_from(parts).map(Self::Override).map_err(unknown),
            "circuit" => <[String; 2]>::try_from(parts).map(Self::Circuit).map_err(unknown),
            "emergency" if parts.is_empty() => Ok(Self::Emergency),
            _ => Err("no item of a roster has such a name"),
        }
    }
}
