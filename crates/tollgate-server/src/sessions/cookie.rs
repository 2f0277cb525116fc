//! The cookie of a session: a secret of 128 random bits, signed, so that nobody can make one
//! up and fill the server with names of its own choice.

use std::{fs, io::Write as _, path::Path};

use anyhow::Context as _;
use http::{HeaderMap, HeaderValue, header::COOKIE};
use tollgate_core::policy::Settings;

/// What cookies are signed with.
#[derive(Clone)]
pub(crate) struct CookieKey([u8; blake3::KEY_LEN]);

/// What a browser holds. It is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(u128);

/// The cookie's name.
const NAME: &str = "tollgate_session";

/// Letters of a session's public name.
const NAME_LETTERS: usize = 12;

/// What a key is derived for.
const CONTEXT: &str = "Tollgate 2026-11 session cookies";

/// Whether a pair of a `Cookie` header is Tollgate's.
pub(crate) fn is_own_cookie(pair: &[u8]) -> bool {
    pair.split(|byte| *byte == b'=').next().is_some_and(|name| name.trim_ascii() == NAME.as_bytes())
}

impl CookieKey {
    /// The key that the policy names, or the one beside the ledger, which is made at the
    /// first start; where neither is, one that is as old as the process.
    ///
    /// # Errors
    /// When the file cannot be read or made.
    pub(crate) fn of(settings: &Settings) -> anyhow::Result<Self> {
        if let Some(secret) = &settings.session.secret {
            return Ok(Self(blake3::derive_key(CONTEXT, secret.expose().as_bytes())));
        }
        match settings.store.ledger() {
            None => Ok(Self(rand::random())),
            Some(ledger) => Self::kept(&ledger.with_extension("session-key")),
        }
    }

    fn kept(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        match fs::read(path) {
            Ok(bytes) => {
                let key = bytes.try_into().ok().with_context(|| {
                    format!(
                        "{shown} is no key of session cookies: remove it, and a new one is made"
                    )
                })?;
                Ok(Self(key))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let key: [u8; blake3::KEY_LEN] = rand::random();
                let mut file = private(path)
                    .with_context(|| format!("cannot make {shown}, the key of session cookies"))?;
                file.write_all(&key).and_then(|()| file.sync_all())?;
                Ok(Self(key))
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {shown}")),
        }
    }

    /// The secret of the first cookie that bears this key's signature.
    pub(crate) fn find(&self, headers: &HeaderMap) -> Option<Secret> {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = cookies.flat_map(|cookies| cookies.split(';'));
        let values =
            pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(n, _)| *n == NAME);
        values.map(|(_, value)| value).find_map(|value| self.check(value))
    }

    fn check(&self, value: &str) -> Option<Secret> {
        let (secret, signature) = value.split_once('.')?;
        let secret = Secret::parse(secret)?;
        let signature = blake3::Hash::from_hex(signature).ok()?;
        // This comparison takes as long for the right one as for a wrong one.
        (self.sign(&secret) == signature).then_some(secret)
    }

    fn sign(&self, secret: &Secret) -> blake3::Hash {
        blake3::keyed_hash(&self.0, &secret.0.to_be_bytes())
    }

    /// `Set-Cookie` for a browser that has none yet.
    pub(crate) fn set(&self, secret: &Secret, is_secure: bool) -> HeaderValue {
        let signature = self.sign(secret).to_hex();
        let secure = if is_secure { "; Secure" } else { "" };
        let cookie =
            format!("{NAME}={:032x}.{signature}; Path=/; HttpOnly; SameSite=Lax{secure}", secret.0);
        // Hexadecimal digits and fixed words fit into any header.
        let mut value =
            HeaderValue::try_from(cookie).unwrap_or_else(|_| HeaderValue::from_static(""));
        value.set_sensitive(true);
        value
    }
}

impl Secret {
    /// A new one.
    pub(crate) fn random() -> Self {
        Self(rand::random())
    }

    fn parse(text: &str) -> Option<Self> {
        let well = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        well.then(|| u128::from_str_radix(text, 16).ok().map(Self)).flatten()
    }

    /// The session's public name, from which nobody finds the secret.
    pub(crate) fn name(&self) -> String {
        let hash = blake3::derive_key("Tollgate 2026-11 session names", &self.0.to_be_bytes());
        blake3::Hash::from_bytes(hash).to_hex()[..NAME_LETTERS].to_owned()
    }
}

impl std::fmt::Debug for CookieKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CookieKey(…)")
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret of {}", self.name())
    }
}

/// A new file that its owner alone may read.
fn private(path: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
