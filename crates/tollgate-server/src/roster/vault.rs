//! What keys are hashed and providers' keys sealed under, and the texts of keys, which nothing
//! shows.
//!
//! Everything is made from one secret, `TOLLGATE_SECRET`. Where none is given, keys are hashed
//! under one that is made at the first use and kept beside the roster, so that a copy of the
//! roster alone is of no use; providers' keys are then not kept at all, since whoever copies the
//! folder would have both.

use std::{fmt, fs, io, io::Write as _, path::Path};

use secrecy::{ExposeSecret as _, SecretString};
use tollgate_core::policy::Settings;

use super::{RosterError, seal::Seal};
use crate::{guards::Accounts, identity::KEY_PREFIX};

/// The text of a Tollgate key. It is shown once, to whom it is made for.
#[derive(Debug)]
pub(crate) struct KeyText(SecretString);

/// Makes hashes and seals.
#[derive(Debug)]
pub(crate) struct Vault {
    /// What new keys are hashed under.
    own: Hasher,
    /// What keys were hashed under before there was a secret.
    former: Option<Hasher>,
    seal: Option<Seal>,
    /// What is told to other nodes is signed under it.
    signing: Option<[u8; blake3::KEY_LEN]>,
}

/// Hashes the texts of keys.
#[derive(Clone)]
pub(crate) struct Hasher {
    /// Which secret it is of.
    pub(super) name: String,
    key: [u8; blake3::KEY_LEN],
}

/// The bytes of a new key that are random.
const RANDOM_BYTES: usize = 32;

/// The shortest secret that keys are made from, in bytes.
const MIN_SECRET_BYTES: usize = 32;

const OF_HASHES: &str = "Tollgate 2026-11 hashes of keys";
const OF_ACCOUNTS: &str = "Tollgate 2026-11 accounts at providers";
const OF_NODES: &str = "Tollgate 2026-12 what nodes tell each other";
const OF_NAMES: &str = "Tollgate 2026-11 names of secrets";

impl Vault {
    /// Makes everything from the policy's secret, else from the one in the file `beside`,
    /// which is made if there is none. Without a file it is as old as the process.
    ///
    /// # Errors
    /// When the secret is too short, or the file cannot be used.
    pub(super) fn of(settings: &Settings, beside: Option<&Path>) -> Result<Self, RosterError> {
        let Some(secret) = &settings.secret else {
            let random = || Ok(rand::random());
            let key = beside.map_or_else(random, |path| kept(path, rand::random()))?;
            return Ok(Self { own: Hasher::of(&key), former: None, seal: None, signing: None });
        };
        let bytes = secret.expose().as_bytes();
        if bytes.len() < MIN_SECRET_BYTES {
            return Err(RosterError::Invalid(format!(
                "the secret in {} has {} bytes and needs at least {MIN_SECRET_BYTES}: make one with `openssl rand -hex 32`",
                secret.name(),
                bytes.len()
            )));
        }
        let former = beside.map(read).transpose()?.flatten();
        let former = former.map(|key| Hasher::of(&key));
        let signing = Some(blake3::derive_key(OF_NODES, bytes));
        Ok(Self { own: Hasher::of(bytes), former, seal: Some(Seal::of(bytes)?), signing })
    }

    /// What is told to other nodes is signed under this.
    pub(super) const fn signing(&self) -> Option<[u8; blake3::KEY_LEN]> {
        self.signing
    }

    /// What new keys are hashed under.
    pub(super) const fn own(&self) -> &Hasher {
        &self.own
    }

    /// What keys of providers are told apart under.
    pub(super) fn accounts(&self) -> Accounts {
        Accounts::under(blake3::derive_key(OF_ACCOUNTS, &self.own.key))
    }

    /// What keys may be hashed under, the newest first.
    pub(super) fn hashers(&self) -> impl Iterator<Item = &Hasher> {
        std::iter::once(&self.own).chain(&self.former)
    }

    /// What providers' keys are sealed with.
    ///
    /// # Errors
    /// When there is no secret for that.
    pub(super) fn seal(&self) -> Result<&Seal, RosterError> {
        self.seal.as_ref().ok_or_else(|| {
            RosterError::Conflict(
                "providers' keys are kept under a secret only: set TOLLGATE_SECRET to 32 random bytes or more (`openssl rand -hex 32`), here and where the gateway runs".to_owned(),
            )
        })
    }
}

impl Hasher {
    fn of(secret: &[u8]) -> Self {
        Self { name: name(secret), key: blake3::derive_key(OF_HASHES, secret) }
    }

    /// The hash of a key's text.
    pub(super) fn hash(&self, text: &str) -> blake3::Hash {
        blake3::keyed_hash(&self.key, text.as_bytes())
    }
}

impl KeyText {
    /// A new one, that nobody can guess.
    pub(crate) fn random() -> Self {
        let random: [u8; RANDOM_BYTES] = rand::random();
        let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Self(format!("{KEY_PREFIX}{digits}").into())
    }

    /// The text itself: for showing it once.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Tells secrets apart, and nothing else of them.
pub(super) fn name(secret: &[u8]) -> String {
    blake3::Hash::from_bytes(blake3::derive_key(OF_NAMES, secret)).to_hex()[..16].to_owned()
}

/// The secret in a file, if there is one.
fn read(path: &Path) -> Result<Option<[u8; blake3::KEY_LEN]>, RosterError> {
    match fs::read(path) {
        Ok(bytes) => bytes.try_into().map(Some).map_err(|_| {
            RosterError::Unavailable(format!(
                "{} is no key of the roster: put the right one in its place, or remove it and rotate every key",
                path.display()
            ))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(RosterError::of_file(path, &error)),
    }
}

/// The secret in a file, which becomes `new` if there is none. Of several processes that begin
/// at once, all have the same: the file gets its name when it is whole, and the first one stays.
fn kept(path: &Path, new: [u8; blake3::KEY_LEN]) -> Result<[u8; blake3::KEY_LEN], RosterError> {
    if let Some(key) = read(path)? {
        return Ok(key);
    }
    let failed = |error: io::Error| RosterError::of_file(path, &error);
    let unfinished = path.with_extension(format!("new-{:08x}", rand::random::<u32>()));
    let mut file = private(&unfinished).map_err(failed)?;
    let written = file.write_all(&new).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| fs::hard_link(&unfinished, path));
    let _ = fs::remove_file(&unfinished);
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(error)),
        _ => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = fs::File::open(folder.unwrap_or(Path::new(".")));
            folder.and_then(|folder| folder.sync_all()).map_err(failed)?;
            read(path)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
        }
    }
}

/// A new file that its owner alone may read.
pub(crate) fn private(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hasher({})", self.name)
    }
}
