//! What a provider is shown so that it lets a request in: a key, in the header where clients
//! of its dialect send it, or a signature.
//!
//! Where the policy has either, nothing of the caller's own goes on; where it has none, the
//! caller's own key passes through.

mod sigv4;
#[cfg(test)]
mod tests;

use anyhow::Context as _;
use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use tollgate_core::policy::{
    Secret,
    settings::{self, Dialect},
};

use crate::identity::KEY_HEADERS;
pub(crate) use sigv4::{Payload, Signer};

/// What a policy has for a provider.
#[derive(Debug)]
pub(crate) enum Credentials {
    /// Nothing: the caller's own passes through.
    Callers,
    /// One key for all.
    Key(Key),
    /// AWS's, by which each request is signed.
    Aws(Signer),
}

/// A key as clients of a dialect send it.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    name: HeaderName,
    value: HeaderValue,
    /// Anthropic's newer clients send it so, and their version of the API asks for that.
    bearer: Option<HeaderValue>,
}

static API_KEY: HeaderName = HeaderName::from_static("api-key");
static X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
static X_GOOG_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

/// What belongs to AWS's credentials that were lent for some time.
static SESSION_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

impl Credentials {
    /// Those of a provider.
    ///
    /// # Errors
    /// When a secret has characters that no header can bear.
    pub(crate) fn of(name: &str, its: &settings::Provider) -> anyhow::Result<Self> {
        let bad = |secret: &Secret| {
            format!(
                "the key of the provider `{name}` ({}) has characters that no header can bear",
                secret.name()
            )
        };
        if let Some(key) = &its.api_key {
            let made = Key::of(its.dialect, key.expose().as_bytes());
            return made.map(Self::Key).with_context(|| bad(key));
        }
        if let Some(aws) = &its.aws {
            let region = its.aws_region().unwrap_or_default();
            let token = aws.session_token.as_ref().map(Secret::expose);
            let (id, secret) = (aws.access_key_id.expose(), aws.secret_access_key.expose());
            let made = Signer::new(id, secret, token, region);
            return made.map(Self::Aws).with_context(|| bad(&aws.access_key_id));
        }
        Ok(Self::Callers)
    }
}

impl Key {
    /// A key in the header where clients of that dialect send it, marked so that nothing
    /// shows it.
    pub(crate) fn of(
        dialect: Dialect,
        key: &[u8],
    ) -> Result<Self, http::header::InvalidHeaderValue> {
        let (name, scheme) = match dialect {
            Dialect::Openai | Dialect::Bedrock | Dialect::Http => (&AUTHORIZATION, "Bearer "),
            Dialect::Deepgram => (&AUTHORIZATION, "Token "),
            Dialect::Azure => (&API_KEY, ""),
            Dialect::Anthropic => (&X_API_KEY, ""),
            Dialect::Gemini => (&X_GOOG_API_KEY, ""),
        };
        let value = |scheme: &str| {
            let mut value = HeaderValue::from_bytes(&[scheme.as_bytes(), key].concat())?;
            value.set_sensitive(true);
            Ok(value)
        };
        let bearer = (dialect == Dialect::Anthropic).then(|| value("Bearer ")).transpose()?;
        Ok(Self { name: name.clone(), value: value(scheme)?, bearer })
    }

    /// Puts it where whatever the caller sent was. `by_bearer` says that this was in
    /// `Authorization`.
    pub(crate) fn put(self, headers: &mut HeaderMap, by_bearer: bool) {
        remove_all(headers);
        match self.bearer.filter(|_| by_bearer) {
            Some(bearer) => headers.insert(AUTHORIZATION, bearer),
            None => headers.insert(self.name, self.value),
        };
    }
}

/// Takes away whatever a caller showed.
pub(crate) fn remove_all(headers: &mut HeaderMap) {
    for name in KEY_HEADERS.iter().chain([&SESSION_TOKEN]) {
        headers.remove(name);
    }
}
