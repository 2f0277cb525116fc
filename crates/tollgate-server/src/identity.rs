//! Who asks: Tollgate keys, and the headers of callers that the policy trusts.
//!
//! What a stranger writes into a header names nobody: unless the policy says
//! `trust_headers = true`, identity comes from keys alone, and what is written is dropped.

use std::sync::{Arc, LazyLock};

use compact_str::CompactString;
use http::{HeaderMap, HeaderName, header::AUTHORIZATION};
use memchr::memmem::Finder;
use tollgate_core::{Attribute, Attributes, Now};

use crate::{
    app::App,
    live::Live,
    roster::{ManagedKey, Snapshot},
};

/// Why a caller is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unauthorized {
    /// A Tollgate key that neither the policy nor the roster has.
    #[error(
        "The Tollgate key that was sent is not known: check it, or ask the operator for a new one."
    )]
    UnknownKey,
    /// A Tollgate key that was revoked.
    #[error("The Tollgate key that was sent was revoked: ask the operator for a new one.")]
    RevokedKey,
    /// A Tollgate key whose time is over.
    #[error("The Tollgate key that was sent has expired: ask the operator for a new one.")]
    ExpiredKey,
    /// A Tollgate key that was rotated, and the grace is over.
    #[error(
        "The Tollgate key that was sent was replaced by a new one: use that, or ask the operator."
    )]
    ReplacedKey,
    /// No key where one is needed.
    #[error(
        "This gateway counts per caller, so say who you are: send a Tollgate key (tg_…) as the API key."
    )]
    Anonymous,
}

/// Where callers are looked up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Books<'a> {
    pub(crate) live: &'a Live,
    pub(crate) roster: &'a Snapshot,
    /// When that is.
    pub(crate) now: Now,
}

/// What a request shows of who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'a> {
    pub(crate) headers: &'a HeaderMap,
    /// A key in its query, where the dialect has it there.
    pub(crate) in_query: Option<&'a str>,
}

/// Who asks.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) who: Attributes,
    /// The managed key, if one was sent: it may be for some providers and models only.
    pub(crate) key: Option<Arc<ManagedKey>>,
}

/// What every Tollgate key begins with.
pub(crate) const KEY_PREFIX: &str = "tg_";

/// Headers in which clients send API keys.
pub(crate) static KEY_HEADERS: [HeaderName; 4] = [
    AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

/// What AWS's clients write before their signature; in it, whose it is.
const SIGNATURE: &str = "AWS4-HMAC-SHA256 ";

/// The longest value of an identity header that is believed, in bytes.
const MAX_VALUE_BYTES: usize = 256;

static TRUSTED: [(HeaderName, Attribute); 8] = [
    (HeaderName::from_static("x-tollgate-user"), Attribute::User),
    (HeaderName::from_static("x-tollgate-session"), Attribute::Session),
    (HeaderName::from_static("x-tollgate-team"), Attribute::Team),
    (HeaderName::from_static("x-tollgate-customer"), Attribute::Customer),
    (HeaderName::from_static("x-tollgate-tag"), Attribute::Tag),
    (HeaderName::from_static("x-tollgate-task"), Attribute::Task),
    (HeaderName::from_static("x-tollgate-priority"), Attribute::Priority),
    (HeaderName::from_static("x-tollgate-job"), JOB),
];

/// Which piece of work a request belongs to.
const JOB: Attribute = Attribute::Own(CompactString::const_new("job"));

/// Finds out who asks, without a word about whether it may.
///
/// A key's own attributes stand before what trusted headers say. A key that names no user,
/// with no trusted header that does, is a user of its own.
///
/// # Errors
/// When a Tollgate key was sent that is not known or may not be used any more.
fn identify(shown: Shown<'_>, books: &Books<'_>) -> Result<Caller, Unauthorized> {
    let headers = shown.headers;
    let mut who = Attributes::new();
    if books.live.settings.identity.trust_headers {
        for (name, attribute) in &TRUSTED {
            if let Some(value) = believed(headers, name) {
                who.set(attribute.clone(), value);
            }
        }
    }
    let mut key = None;
    if let Some(text) = presented(shown).next() {
        if let Some(fixed) = books.live.keys.find(text) {
            fixed.holder().name(&mut who);
        } else {
            let managed = books.roster.find(text, books.now.wall)?;
            managed.holder().name(&mut who);
            key = Some(Arc::clone(managed));
        }
    }
    books.roster.grant(&mut who, &books.live.policy, books.now);
    Ok(Caller { who, key })
}

/// Finds out who asks in this process, without a word about whether it may.
///
/// # Errors
/// When a Tollgate key was sent that is not known or may not be used any more.
pub(crate) fn of(headers: &HeaderMap, app: &App, live: &Live) -> Result<Attributes, Unauthorized> {
    let (roster, now) = (app.roster.snapshot(), app.gate.clock().now());
    let shown = Shown { headers, in_query: None };
    Ok(identify(shown, &Books { live, roster: &roster, now })?.who)
}

/// Finds out who asks and whether it may ask at all.
///
/// # Errors
/// When a key is not known, or there is none where the policy counts per caller.
pub(crate) fn admit(shown: Shown<'_>, books: &Books<'_>) -> Result<Caller, Unauthorized> {
    let caller = identify(shown, books)?;
    if books.live.allows_anonymous || is_known(&caller.who) {
        Ok(caller)
    } else {
        Err(Unauthorized::Anonymous)
    }
}

/// Takes away every header that bears a Tollgate key: no provider is to see one.
pub(crate) fn strip_keys(headers: &mut HeaderMap) {
    for name in &KEY_HEADERS {
        let mut values = headers.get_all(name).iter();
        if values.any(|value| value.to_str().is_ok_and(|text| key_in(text).is_some())) {
            headers.remove(name);
        }
    }
}

/// The same of all headers, where none has a use for what only looks like one.
pub(crate) fn strip_every_key(headers: &mut HeaderMap) {
    let bear = headers.iter().filter(|(_, value)| bears_key(value.as_bytes()));
    let names: Vec<HeaderName> = bear.map(|(name, _)| name.clone()).collect();
    for name in names {
        headers.remove(name);
    }
}

/// Whether a Tollgate key stands somewhere in a text, at the beginning of a word.
pub(crate) fn bears_key(text: &[u8]) -> bool {
    static PREFIX: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(KEY_PREFIX));
    PREFIX.find_iter(text).any(|at| at == 0 || !text[at - 1].is_ascii_alphanumeric())
}

/// Whether a caller has a key or a name.
fn is_known(who: &Attributes) -> bool {
    const NAMES: [Attribute; 5] =
        [Attribute::Key, Attribute::User, Attribute::Session, Attribute::Team, Attribute::Customer];
    NAMES.iter().any(|attribute| who.value(attribute).is_some())
}

/// The Tollgate keys that a request presents.
fn presented(shown: Shown<'_>) -> impl Iterator<Item = &str> {
    let values = KEY_HEADERS.iter().flat_map(|name| shown.headers.get_all(name));
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.chain(shown.in_query).filter_map(key_in)
}

/// The Tollgate key in a header: by itself, after a scheme, or as whose a signature is.
pub(crate) fn key_in(value: &str) -> Option<&str> {
    let value = value.trim();
    let key = match value.strip_prefix(SIGNATURE) {
        Some(parts) => parts.split_once("Credential=")?.1.split(['/', ',']).next()?,
        None => value.rsplit([' ', '\t']).next()?,
    };
    key.starts_with(KEY_PREFIX).then_some(key)
}

/// Whether somebody signed as AWS's clients do.
pub(crate) fn is_signed(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    values.any(|value| value.as_bytes().starts_with(SIGNATURE.as_bytes()))
}

fn believed<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    (1..=MAX_VALUE_BYTES).contains(&value.len()).then_some(value)
}
