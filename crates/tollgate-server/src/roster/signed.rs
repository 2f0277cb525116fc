//! What nodes tell each other is signed with the secret that they have in common.
//!
//! The promise: whoever may write to Redis, and no more, makes no key by that, gives nobody a tier,
//! takes no revocation back and ends no emergency: what is not signed is not taken over, and nor is
//! what was signed for another instant. Where no secret is set, nothing is signed and all is taken.

use super::{News, Vault};

/// Signs, and opens what was signed.
#[derive(Clone)]
pub(crate) struct Signer(Option<[u8; blake3::KEY_LEN]>);

/// Why something is not taken over.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsigned {
    #[error("it is not signed with the secret of this node")]
    Forged,
    #[error("it makes no sense here: {0}")]
    Senseless(String),
}

/// What it is that is signed: what, as of when, and in which gateway's part of Redis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) item: &'a str,
    pub(crate) at: i64,
}

/// Stands where there is no signature.
const NONE: &str = "-";

impl Signer {
    pub(super) const fn of(vault: &Vault) -> Self {
        Self(vault.signing())
    }

    /// Whether there is a secret to sign with.
    pub(crate) const fn signs(&self) -> bool {
        self.0.is_some()
    }

    /// What travels.
    pub(crate) fn sign(&self, about: About<'_>, news: &News) -> String {
        let news = serde_json::to_string(news).unwrap_or_default();
        let mac = self.0.map_or_else(|| NONE.to_owned(), |key| mac(&key, about, &news).to_string());
        format!("{mac} {news}")
    }

    /// What has travelled.
    ///
    /// # Errors
    /// When it is not signed by whoever has the secret, or makes no sense.
    pub(crate) fn open(&self, about: About<'_>, text: &str) -> Result<News, Unsigned> {
        let (told, news) = text.split_once(' ').ok_or(Unsigned::Forged)?;
        if let Some(key) = &self.0 {
            let told = blake3::Hash::from_hex(told).map_err(|_| Unsigned::Forged)?;
            // Compared in constant time.
            if told != mac(key, about, news) {
                return Err(Unsigned::Forged);
            }
        }
        serde_json::from_str(news).map_err(|why| Unsigned::Senseless(why.to_string()))
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("signs", &self.signs()).finish_non_exhaustive()
    }
}

fn mac(key: &[u8; blake3::KEY_LEN], about: About<'_>, news: &str) -> blake3::Hash {
    let About { prefix, item, at } = about;
    let mut hasher = blake3::Hasher::new_keyed(key);
    for part in [prefix, item, &at.to_string(), news] {
        // With its length, so that nothing can be moved from one part to the next.
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: About<'_> = About { prefix: "tg", item: r#"["key","k"]"#, at: 7 };

    fn news(state: &str) -> News {
        News { state: Some(state.to_owned()), change: None, node: "a".to_owned() }
    }

    #[test]
    fn what_was_signed_is_opened_for_what_it_was_signed_and_for_nothing_else() {
        let signer = Signer(Some([1; 32]));
        let signed = signer.sign(ABOUT, &news("x"));
        assert_eq!(signer.open(ABOUT, &signed), Ok(news("x")));
        for other in [
            About { at: 8, ..ABOUT },
            About { item: r#"["key","l"]"#, ..ABOUT },
            About { prefix: "t", ..ABOUT },
        ] {
            assert_eq!(signer.open(other, &signed), Err(Unsigned::Forged), "{other:?}");
        }
        let changed = signed.replace("\"x\"", "\"y\"");
        assert_ne!(changed, signed);
        let unsigned = Signer(None).sign(ABOUT, &news("x"));
        let bare = serde_json::to_string(&news("x")).unwrap_or_default();
        for forged in [&changed, &unsigned, &bare, ""] {
            assert_eq!(signer.open(ABOUT, forged), Err(Unsigned::Forged), "{forged}");
        }
        assert_eq!(Signer(Some([2; 32])).open(ABOUT, &signed), Err(Unsigned::Forged));
    }

    #[test]
    fn without_a_secret_nothing_is_signed_and_all_is_taken() {
        let nobody = Signer(None);
        assert!(!nobody.signs());
        let told = nobody.sign(ABOUT, &news("x"));
        assert_eq!(nobody.open(ABOUT, &told), Ok(news("x")));
        assert_eq!(
            nobody.open(ABOUT, &Signer(Some([1; 32])).sign(ABOUT, &news("x"))),
            Ok(news("x"))
        );
        assert!(matches!(nobody.open(ABOUT, "- {"), Err(Unsigned::Senseless(_))));
    }
}
