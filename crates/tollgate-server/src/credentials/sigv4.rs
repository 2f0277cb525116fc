//! AWS's Signature Version 4: a request is let in by a signature over all that decides what
//! it does.
//!
//! What is signed: the method, the path and the query as they are sent, the host, the type of
//! the body and all headers of AWS's own that nobody changes on the way, and the body's hash.

use std::fmt::Write as _;

use http::{
    HeaderMap, HeaderValue, Method, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, InvalidHeaderValue},
};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::{digest, hmac};
use secrecy::{ExposeSecret as _, SecretString};
use tollgate_core::Time;

use super::SESSION_TOKEN;

/// Signs requests.
#[derive(Debug)]
pub(crate) struct Signer {
    access_key_id: String,
    secret: SecretString,
    session_token: Option<HeaderValue>,
    region: String,
}

/// The body of a request, by its hash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Payload(digest::Digest);

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "bedrock";
const TERMINATOR: &str = "aws4_request";

const DATE: &str = "x-amz-date";

/// It would have to be right; where it is left out, the hash that is signed holds alone.
const CONTENT_HASH: &str = "x-amz-content-sha256";

/// Headers of AWS's own, all of which must be signed but for one.
const OWN: &str = "x-amz";

/// The one that whoever passes a request on may change.
const TRACE: &str = "x-amzn-trace-id";

/// What is not encoded in a path.
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

impl Payload {
    /// That of these bytes.
    pub(crate) fn of(body: &[u8]) -> Self {
        Self(digest::digest(&digest::SHA256, body))
    }
}

impl Signer {
    /// One with these credentials.
    ///
    /// # Errors
    /// When one of them has characters that no header can bear.
    pub(crate) fn new(
        access_key_id: &str,
        secret: &str,
        session_token: Option<&str>,
        region: &str,
    ) -> Result<Self, InvalidHeaderValue> {
        HeaderValue::from_str(access_key_id)?;
        let token = session_token.map(|token| {
            let mut value = HeaderValue::from_str(token)?;
            value.set_sensitive(true);
            Ok(value)
        });
        Ok(Self {
            access_key_id: access_key_id.to_owned(),
            secret: secret.into(),
            session_token: token.transpose()?,
            region: region.to_owned(),
        })
    }

    /// Signs a request to `host`, as of `wall`; whatever signature it had is gone.
    pub(crate) fn sign(
        &self,
        (method, uri): (&Method, &Uri),
        headers: &mut HeaderMap,
        host: &HeaderValue,
        payload: Payload,
        wall: Time,
    ) {
        self.sign_for(SERVICE, (method, uri), headers, host, payload, wall);
    }

    pub(super) fn sign_for(
        &self,
        service: &str,
        (method, uri): (&Method, &Uri),
        headers: &mut HeaderMap,
        host: &HeaderValue,
        Payload(payload): Payload,
        wall: Time,
    ) {
        super::remove_all(headers);
        headers.remove(CONTENT_HASH);
        let stamp = stamp(wall);
        insert(headers, DATE, &stamp);
        if let Some(token) = &self.session_token {
            headers.insert(&SESSION_TOKEN, token.clone());
        }
        let (canonical, names) = canonical_headers(headers, host);
        let request = format!(
            "{method}\n{}\n{}\n{canonical}\n{names}\n{}",
            canonical_path(uri.path()),
            canonical_query(uri.query().unwrap_or_default()),
            hex(payload.as_ref()),
        );
        let date = &stamp[..8];
        let scope = format!("{date}/{}/{service}/{TERMINATOR}", self.region);
        let hash = hex(digest::digest(&digest::SHA256, request.as_bytes()).as_ref());
        let text = format!("{ALGORITHM}\n{stamp}\n{scope}\n{hash}");
        let key = self.key([date, &self.region, service, TERMINATOR]);
        let signature = hex(hmac::sign(&key, text.as_bytes()).as_ref());
        let id = &self.access_key_id;
        let authorization = format!(
            "{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
        );
        insert(headers, AUTHORIZATION.as_str(), &authorization);
    }

    /// The key for one day, region and service.
    fn key(&self, parts: [&str; 4]) -> hmac::Key {
        let secret = format!("AWS4{}", self.secret.expose_secret());
        let first = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        parts.iter().fold(first, |key, part| {
            hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref())
        })
    }
}

/// The headers that are signed, a line for each, and their names.
fn canonical_headers(headers: &HeaderMap, host: &HeaderValue) -> (String, String) {
    let signed =
        |name: &str| name.starts_with(OWN) && name != TRACE || name == CONTENT_TYPE.as_str();
    let own = headers.keys().map(http::HeaderName::as_str).filter(|name| signed(name));
    let mut names: Vec<&str> = own.chain([HOST.as_str()]).collect();
    names.sort_unstable();
    let mut lines = String::new();
    for name in &names {
        let values: Vec<String> = match *name {
            "host" => vec![trimmed(host)],
            name => headers.get_all(name).iter().map(trimmed).collect(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{name}:{}", values.join(","));
    }
    (lines, names.join(";"))
}

/// A header's value with single blanks.
fn trimmed(value: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes());
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// The path, encoded once more than it is sent.
fn canonical_path(path: &str) -> String {
    let mut canonical = String::with_capacity(path.len() + 8);
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        canonical.push('/');
        canonical.extend(utf8_percent_encode(segment, PATH));
    }
    if path.ends_with('/') {
        canonical.push('/');
    }
    canonical
}

/// The parameters in the order of their names, as they are sent.
fn canonical_query(query: &str) -> String {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(&str, &str)> =
        pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// An instant as AWS writes it, `20150830T123600Z`.
fn stamp(wall: Time) -> String {
    let seconds = i64::try_from(wall.as_nanos() / 1_000_000_000).unwrap_or(0);
    let at = Timestamp::from_second(seconds).unwrap_or_default();
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn insert(headers: &mut HeaderMap, name: &'static str, text: &str) {
    // Names, stamps, digests and an id that was checked fit into any header.
    if let Ok(mut value) = HeaderValue::from_str(text) {
        value.set_sensitive(name != DATE);
        headers.insert(name, value);
    }
}
