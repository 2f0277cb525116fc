//! Providers' keys of single callers: sealed where they are kept, and shown nowhere.

use std::fmt;

use http::HeaderValue;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, de};

use super::{RosterError, vault::name};
use crate::identity::KEY_PREFIX;

/// A provider's key, as it is sent.
#[derive(Debug, Clone)]
pub(crate) struct ProviderKey(SecretString);

/// Seals providers' keys with ChaCha20-Poly1305.
pub(super) struct Seal {
    /// Which secret it is of.
    pub(super) name: String,
    key: LessSafeKey,
}

/// The longest provider's key, in bytes.
const MAX_BYTES: usize = 4_096;

const CONTEXT: &str = "Tollgate 2026-11 seals of provider keys";

impl Seal {
    /// The one that a secret makes.
    pub(super) fn of(secret: &[u8]) -> Result<Self, RosterError> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &blake3::derive_key(CONTEXT, secret));
        let key = key.map_err(|_| RosterError::Invalid("no key to seal under".to_owned()))?;
        Ok(Self { name: name(secret), key: LessSafeKey::new(key) })
    }

    /// Seals a key. It opens for the same `whose` alone, so that what is kept for one caller
    /// is of no use in the row of another.
    pub(super) fn close(&self, whose: &str, key: &ProviderKey) -> Result<Vec<u8>, RosterError> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut sealed = key.0.expose_secret().as_bytes().to_vec();
        let (once, aad) = (Nonce::assume_unique_for_key(nonce), Aad::from(whose.as_bytes()));
        let done = self.key.seal_in_place_append_tag(once, aad, &mut sealed);
        done.map_err(|_| RosterError::Invalid("the provider's key can't be sealed".to_owned()))?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Opens what was sealed for `whose`; nothing where that was under another secret, or it
    /// is not what was sealed.
    pub(super) fn open(&self, whose: &str, sealed: &[u8]) -> Option<ProviderKey> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let (mut opened, aad) = (sealed.to_vec(), Aad::from(whose.as_bytes()));
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let text = self.key.open_in_place(nonce, aad, &mut opened).ok()?;
        Some(ProviderKey(std::str::from_utf8(text).ok()?.into()))
    }
}

impl ProviderKey {
    /// The key that is written so.
    ///
    /// # Errors
    /// With a sentence that does not tell the key, when it can be none.
    pub(crate) fn parse(text: &str) -> Result<Self, RosterError> {
        let text = text.trim();
        let key = Self(text.into());
        let is_one_word =
            (1..=MAX_BYTES).contains(&text.len()) && !text.contains(char::is_whitespace);
        if !is_one_word || text.starts_with(KEY_PREFIX) || key.header().is_none() {
            return Err(RosterError::Invalid(format!(
                "this is no provider's key: that has no spaces, 1 to {MAX_BYTES} bytes, and is none of Tollgate's own"
            )));
        }
        Ok(key)
    }

    /// As a provider reads it, marked so that nothing shows it.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::try_from(self.0.expose_secret()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl<'de> Deserialize<'de> for ProviderKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = SecretText::deserialize(deserializer)?;
        Self::parse(text.0.expose_secret()).map_err(de::Error::custom)
    }
}

/// A text that no error quotes.
struct SecretText(SecretString);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer);
        text.map(|text| Self(text.into())).map_err(|_| de::Error::custom("it is no text"))
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seal({})", self.name)
    }
}
