//! The keys of a policy, by their hashes: the text of none is known here.

use std::collections::{BTreeMap, HashMap};

use compact_str::CompactString;
use subtle::ConstantTimeEq as _;
use tollgate_core::{
    Attribute, Attributes,
    policy::{KeyHash, settings::StaticKey},
};

/// The keys of a policy, found by the beginning of their hash and compared by all of it.
#[derive(Debug, Default)]
pub(crate) struct KeyRing(HashMap<u64, Vec<Key>>);

/// One key, and whom it names.
#[derive(Debug)]
pub(crate) struct Key {
    hash: KeyHash,
    holder: Holder,
}

/// Whom a key names.
#[derive(Debug)]
pub(crate) struct Holder {
    id: CompactString,
    attributes: Vec<(Attribute, CompactString)>,
}

impl KeyRing {
    pub(crate) fn new(keys: &[StaticKey]) -> Self {
        let mut ring: HashMap<u64, Vec<Key>> = HashMap::new();
        for key in keys {
            ring.entry(beginning(key.hash.as_bytes())).or_default().push(Key::new(key));
        }
        Self(ring)
    }

    /// The key of that text. How long it takes tells nothing about the text of any key:
    /// hashes are looked up, and compared in constant time.
    pub(crate) fn find(&self, text: &str) -> Option<&Key> {
        let hash = blake3::hash(text.as_bytes());
        let alike = self.0.get(&beginning(hash.as_bytes()))?;
        alike.iter().find(|key| key.hash.as_bytes().ct_eq(hash.as_bytes()).into())
    }

    /// Whether there is a key of that id.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.0.values().flatten().any(|key| key.holder().id() == id)
    }

    /// The first of the keys of a user.
    pub(crate) fn of_user(&self, user: &str) -> Option<&Holder> {
        let holders = self.0.values().flatten().map(Key::holder);
        holders.filter(|holder| holder.user() == user).min_by_key(|holder| holder.id())
    }
}

fn beginning(hash: &[u8; 32]) -> u64 {
    hash[..8].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

impl Key {
    fn new(key: &StaticKey) -> Self {
        let named = [
            (Attribute::User, &key.user),
            (Attribute::Team, &key.team),
            (Attribute::Customer, &key.customer),
            (Attribute::Tag, &key.tag),
            (Attribute::Tier, &key.tier),
        ];
        let named = named.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        let own: &BTreeMap<String, String> = &key.attributes;
        let own = own.iter().map(|(name, value)| (Attribute::named(name), value.as_str()));
        Self { hash: key.hash, holder: Holder::new(&key.id, own.chain(named)) }
    }

    /// Whom it names.
    pub(crate) const fn holder(&self) -> &Holder {
        &self.holder
    }
}

impl Holder {
    /// The holder of the key of that id, with these attributes.
    pub(crate) fn new<'a>(
        id: &str,
        attributes: impl Iterator<Item = (Attribute, &'a str)>,
    ) -> Self {
        Self { id: id.into(), attributes: attributes.map(|(n, value)| (n, value.into())).collect() }
    }

    /// The public name of its key.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The user that it is, where nobody else names one.
    pub(crate) fn user(&self) -> &str {
        self.value(&Attribute::User).unwrap_or(&self.id)
    }

    /// What it is called in one respect, if its key says so.
    pub(crate) fn value(&self, attribute: &Attribute) -> Option<&str> {
        let mut values = self.attributes.iter().filter(|(name, _)| name == attribute);
        values.next().map(|(_, value)| value.as_str())
    }

    /// Sets what it names. A key that names no user, where nobody else did, is a user of its
    /// own.
    pub(crate) fn name(&self, attributes: &mut Attributes) {
        for (attribute, value) in &self.attributes {
            attributes.set(attribute.clone(), value.clone());
        }
        attributes.set(Attribute::Key, self.id.clone());
        if attributes.value(&Attribute::User).is_none() {
            attributes.set(Attribute::User, self.id.clone());
        }
    }
}
