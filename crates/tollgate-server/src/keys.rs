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
        let named = named.into_iter().filter_map(|(attribute, value)| {
            Some((attribute, CompactString::from(value.as_ref()?)))
        });
        let own: &BTreeMap<String, String> = &key.attributes;
        let own = own.iter().map(|(name, value)| (Attribute::named(name), value.into()));
        Self { hash: key.hash, id: key.id.as_str().into(), attributes: own.chain(named).collect() }
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
