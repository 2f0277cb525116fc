//! The roster as requests see it: in memory, whole, never changed. Finding a key is one look
//! at a table of hashes.

use std::{collections::HashMap, sync::Arc};

use compact_str::CompactString;
use foldhash::fast::RandomState;
use http::HeaderValue;
use rusqlite::Transaction;
use smallvec::SmallVec;
use subtle::ConstantTimeEq as _;
use tollgate_core::{Attribute, Attributes, Grant, Grants, Now, Policy, Time, policy::Pattern};

use super::{
    Book, Hasher, Moment, RosterError, Vault,
    circuits::{self, Circuits},
    keys::terms as terms_of,
    overrides::{self, Overrides},
    provider_keys::whose,
};
use crate::{dials::Dials, emergency::Board, guards::Forced, identity::Unauthorized, keys::Holder};

/// The roster as requests see it.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    keys: Arc<Keys>,
    tiers: Arc<Tiers>,
    overrides: Overrides,
    circuits: Arc<Circuits>,
    dials: Arc<Dials>,
    emergency: Arc<Board>,
}

/// Tiers by user.
type Tiers = HashMap<CompactString, CompactString, RandomState>;

#[derive(Debug, Default)]
struct Keys {
    /// By the beginnings of the hashes.
    by_hash: HashMap<u64, SmallVec<[Secret; 1]>, RandomState>,
    by_id: HashMap<CompactString, Arc<ManagedKey>, RandomState>,
    /// Those that any key is hashed under.
    hashers: Vec<Hasher>,
    /// Texts that were hashed under a secret that is not known here.
    locked: usize,
    /// Providers' keys that were sealed under one.
    sealed: usize,
}

/// One text that works as a key.
#[derive(Debug)]
struct Secret {
    hash: blake3::Hash,
    ends: Option<Moment>,
    key: Arc<ManagedKey>,
}

/// A managed key, ready for requests.
#[derive(Debug)]
pub(crate) struct ManagedKey {
    holder: Holder,
    expires: Option<Moment>,
    revoked: bool,
    models: Vec<Pattern>,
    providers: Vec<String>,
    budgets: Vec<Grant>,
    /// By provider, what is sent to it; nothing where it was sealed under another secret.
    own: Vec<(CompactString, Option<HeaderValue>)>,
}

/// A provider's key is attached and cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sealed;

impl Snapshot {
    /// Of a roster that is not read yet.
    pub(super) fn none(dials: Arc<Dials>, emergency: Arc<Board>) -> Self {
        Self { dials, emergency, ..Self::default() }
    }

    /// Reads all of a roster at one instant, for the same policy.
    ///
    /// # Errors
    /// When the file cannot be read, or what is in it makes no sense.
    pub(super) fn read(&self, book: &mut Book) -> Result<Self, RosterError> {
        let (keys, tiers, rows, circuits) = book.read(|tx, vault| {
            let mut statement = tx.prepare("SELECT user, tier FROM tiers")?;
            let tiers = statement.query_map([], |row| {
                Ok((row.get::<_, String>(0)?.into(), row.get::<_, String>(1)?.into()))
            })?;
            let tiers: Tiers = tiers.collect::<Result<_, _>>()?;
            Ok((Keys::read(tx, vault)?, tiers, overrides::read(tx)?, circuits::read(tx)?))
        })?;
        if keys.locked > 0 {
            tracing::warn!(
                keys = keys.locked,
                "keys of the roster were made under another TOLLGATE_SECRET and are refused: set it back, or rotate them",
            );
        }
        if keys.sealed > 0 {
            tracing::warn!(
                keys = keys.sealed,
                "providers' keys of the roster were sealed under another TOLLGATE_SECRET, and requests that need them are refused: set it back, or attach them again",
            );
        }
        let overrides = Overrides::new(Arc::new(rows), self.overrides.policy());
        let (keys, tiers, circuits) = (Arc::new(keys), Arc::new(tiers), Arc::new(circuits));
        let (dials, emergency) = (Arc::clone(&self.dials), Arc::clone(&self.emergency));
        Ok(Self { keys, tiers, overrides, circuits, dials, emergency })
    }

    /// The same for another policy.
    pub(super) fn under(&self, policy: Arc<Policy>) -> Self {
        Self {
            keys: Arc::clone(&self.keys),
            tiers: Arc::clone(&self.tiers),
            overrides: self.overrides.under(policy),
            circuits: Arc::clone(&self.circuits),
            dials: Arc::clone(&self.dials),
            emergency: Arc::clone(&self.emergency),
        }
    }

    /// What operators have forced of a provider's circuits.
    pub(crate) fn forced(&self, provider: &str) -> Forced {
        self.circuits.get(provider).cloned().unwrap_or_default()
    }

    /// The key of that text, if it may be used now.
    ///
    /// How long it takes tells nothing about the text of any key: what is looked up is a hash
    /// that nobody else can make, and it is compared in constant time.
    ///
    /// # Errors
    /// Why it may not be used.
    pub(crate) fn find(&self, text: &str, wall: Time) -> Result<&Arc<ManagedKey>, Unauthorized> {
        let found = self.keys.hashers.iter().find_map(|hasher| {
            let hash = hasher.hash(text);
            let alike = self.keys.by_hash.get(&beginning(&hash))?;
            alike.iter().find(|one| one.hash.as_bytes().ct_eq(hash.as_bytes()).into())
        });
        let Secret { ends, key, .. } = found.ok_or(Unauthorized::UnknownKey)?;
        let now = Moment::of(wall);
        key.works(now)?;
        if ends.is_some_and(|end| end <= now) {
            return Err(Unauthorized::ReplacedKey);
        }
        Ok(key)
    }

    /// The key of that id, whether or not it may be used.
    pub(crate) fn key(&self, id: &str) -> Option<&ManagedKey> {
        self.keys.by_id.get(id).map(Arc::as_ref)
    }

    /// Gives a caller whose names are known what is its own: its user's tier, the amounts of
    /// single limits, and the budget of its key; and less of limits that are dialed down.
    pub(crate) fn grant(&self, who: &mut Attributes, policy: &Arc<Policy>, now: Now) {
        let wall = now.wall;
        let tier = who.value(&Attribute::User).and_then(|user| self.tiers.get(user));
        if let Some(tier) = tier {
            who.set(Attribute::Tier, tier.clone());
        }
        let mut grants = self.own(who, policy, wall);
        self.dials.turn(who, policy, &mut grants);
        if !grants.is_empty() {
            who.set_grants(Grants::new(grants));
        }
        if let Some(emergency) = self.emergency.at(wall) {
            let until = emergency.ends(now);
            let all = who.grants().iter().cloned().chain(policy.kept(who, until)).collect();
            who.set_grants(Grants::new(all));
        }
    }

    /// The amounts of single limits that are a caller's own, whatever is dialed down.
    pub(crate) fn own(&self, who: &Attributes, policy: &Arc<Policy>, wall: Time) -> Vec<Grant> {
        let mut grants = self.overrides.of(who, policy, Moment::of(wall));
        let key = who.value(&Attribute::Key).and_then(|id| self.key(id));
        // Of several for one limit the first holds, so what was overridden comes first.
        grants.extend(key.iter().flat_map(|key| key.budgets.iter().cloned()));
        grants
    }

    /// Whether the key of that id may still be used.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn still_works(&self, id: &str, wall: Time) -> Result<(), Unauthorized> {
        self.key(id).ok_or(Unauthorized::UnknownKey)?.works(Moment::of(wall))
    }

    /// A key of that user's, if there is one that works.
    pub(crate) fn key_of(&self, user: &str, wall: Time) -> Option<&ManagedKey> {
        let now = Moment::of(wall);
        let works = |key: &&Arc<ManagedKey>| key.works(now).is_ok() && key.holder.user() == user;
        let keys = self.keys.by_id.values().filter(works);
        keys.map(Arc::as_ref).min_by_key(|key| key.id())
    }
}

impl Keys {
    fn read(tx: &Transaction<'_>, vault: &Vault) -> Result<Self, RosterError> {
        let (mut all, mut keys) = (Self::default(), HashMap::<CompactString, ManagedKey>::new());
        let mut statement = tx.prepare("SELECT id, terms, expires, revoked FROM keys")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (id, terms): (String, String) = (row.get(0)?, row.get(1)?);
            let terms = terms_of(&id, &terms)?;
            let key = ManagedKey {
                holder: Holder::new(&id, terms.named()),
                expires: row.get(2)?,
                revoked: row.get::<_, Option<Moment>>(3)?.is_some(),
                models: terms.models.iter().map(Pattern::new).collect(),
                budgets: terms.budgets.iter().map(super::Budget::grant).collect(),
                providers: terms.providers,
                own: Vec::new(),
            };
            keys.insert(id.into(), key);
        }
        let mut statement = tx.prepare("SELECT key, provider, sealed FROM provider_keys")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (id, provider): (String, String) = (row.get(0)?, row.get(1)?);
            let Some(key) = keys.get_mut(id.as_str()) else { continue };
            let sealed: Vec<u8> = row.get(2)?;
            let opened =
                vault.seal().ok().and_then(|seal| seal.open(&whose(&id, &provider), &sealed));
            let own = opened.and_then(|own| own.header());
            all.sealed += usize::from(own.is_none());
            key.own.push((provider.into(), own));
        }
        all.by_id = keys.into_iter().map(|(id, key)| (id, Arc::new(key))).collect();
        let mut statement = tx.prepare("SELECT hash, key, ends, keyed_by FROM secrets")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (id, keyed_by): (String, String) = (row.get(1)?, row.get(3)?);
            let Some(key) = all.by_id.get(id.as_str()) else { continue };
            let Some(hasher) = vault.hashers().find(|hasher| hasher.name == keyed_by) else {
                all.locked += usize::from(!key.revoked);
                continue;
            };
            let hash = blake3::Hash::from_bytes(row.get(0)?);
            let secret = Secret { hash, ends: row.get(2)?, key: Arc::clone(key) };
            all.by_hash.entry(beginning(&hash)).or_default().push(secret);
            if all.hashers.iter().all(|known| known.name != keyed_by) {
                all.hashers.push(hasher.clone());
            }
        }
        Ok(all)
    }
}

impl ManagedKey {
    /// Its public name.
    pub(crate) fn id(&self) -> &str {
        self.holder.id()
    }

    /// Whom it names.
    pub(crate) const fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Whether it may be used now.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn works(&self, now: Moment) -> Result<(), Unauthorized> {
        match () {
            () if self.revoked => Err(Unauthorized::RevokedKey),
            () if self.expires.is_some_and(|at| at <= now) => Err(Unauthorized::ExpiredKey),
            () => Ok(()),
        }
    }

    /// What is sent to a provider instead of the policy's key, if one is attached.
    ///
    /// # Errors
    /// When it cannot be opened: the policy's must not be used in its place.
    pub(crate) fn own(&self, provider: &str) -> Result<Option<HeaderValue>, Sealed> {
        match self.own.iter().find(|(name, _)| name == provider) {
            Some((_, own)) => own.clone().ok_or(Sealed).map(Some),
            None => Ok(None),
        }
    }

    /// Whether it may be used for a provider.
    ///
    /// # Errors
    /// With a sentence that says what it may be used for.
    pub(crate) fn allow_provider(&self, name: &str) -> Result<(), String> {
        if self.providers.is_empty() || self.providers.iter().any(|allowed| allowed == name) {
            return Ok(());
        }
        let (id, providers) = (self.id(), self.providers.join(", "));
        Err(format!("The key `{id}` may not be used for `{name}`: it may be for {providers}."))
    }

    /// Whether it may be used for a model; a request that names none is for whatever model.
    ///
    /// # Errors
    /// With a sentence that says what it may be used for.
    pub(crate) fn allow_model(&self, model: Option<&str>) -> Result<(), String> {
        let fits = |model: &str| self.models.iter().any(|allowed| allowed.matches(model));
        if self.models.is_empty() || model.is_some_and(fits) {
            return Ok(());
        }
        let models: Vec<&str> = self.models.iter().map(Pattern::as_str).collect();
        let (id, models) = (self.id(), models.join(", "));
        Err(match model {
            Some(model) => format!(
                "The key `{id}` may not be used for the model `{model}`: it may be for {models}."
            ),
            None => format!(
                "The key `{id}` may be used for {models} only, and which model this request is for cannot be told."
            ),
        })
    }
}

fn beginning(hash: &blake3::Hash) -> u64 {
    hash.as_bytes()[..8].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}
