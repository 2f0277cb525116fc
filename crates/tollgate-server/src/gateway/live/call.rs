//! The handshake of a live session: what its caller offers, and what its provider is asked.
//!
//! Browsers cannot send a key in a header of its own; Deepgram takes it as the second of the
//! subprotocols that they offer, and agrees to the first.

use http::{
    HeaderMap, HeaderValue,
    header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL},
};
use tollgate_core::policy::settings::Dialect;
use tollgate_meter::deepgram::{self, Live};

use super::super::exchange::Incoming;
use crate::{
    net::websocket::{self, Handshake},
    refusal::{Failure, What},
};

/// A live session as it is asked for.
#[derive(Debug)]
pub(in super::super) struct Call {
    offered: Handshake,
    /// What is offered to the provider.
    ours: Handshake,
    /// The subprotocol that is agreed to: the scheme of the key that came with it.
    scheme: Option<HeaderValue>,
    target: deepgram::Target,
}

/// How a key may be shown in a subprotocol, as in `Authorization`.
const SCHEMES: [&str; 2] = ["token", "bearer"];

impl Call {
    /// What is asked for, if that is a live session. A key among its subprotocols becomes one
    /// in `Authorization`, unless there is one.
    ///
    /// # Errors
    /// When it cannot be agreed to, or its query says too little.
    pub(in super::super) fn of(
        dialect: Dialect,
        incoming: &mut Incoming,
    ) -> Result<Option<Self>, Failure> {
        if dialect != Dialect::Deepgram || !websocket::is_asked(&incoming.head) {
            return Ok(None);
        }
        let (path, query) = incoming.path_and_query();
        let Some(target) = deepgram::Target::of(path, query)? else { return Ok(None) };
        let headers = &mut incoming.head.headers;
        let offered = Handshake::offered(headers)
            .map_err(|error| Failure::new(What::InvalidRequest, error.to_string()))?;
        let scheme = take_key(headers);
        Ok(Some(Self { offered, ours: Handshake::fresh(), scheme, target }))
    }

    /// What it asks for.
    pub(in super::super) const fn target(&self) -> &deepgram::Target {
        &self.target
    }

    /// Asks a provider for it.
    pub(in super::super) fn ask(&self, headers: &mut HeaderMap) {
        self.ours.ask(headers);
    }

    /// Whether the provider has agreed.
    pub(super) fn is_agreed(&self, headers: &HeaderMap) -> bool {
        self.ours.is_agreed(headers)
    }

    /// Agrees to what its caller offers.
    pub(super) fn agree(&self, headers: &mut HeaderMap) {
        self.offered.agree(headers);
        if let Some(scheme) = &self.scheme {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, scheme.clone());
        }
    }

    /// The meter of what it asks for.
    pub(super) fn meter(&self) -> Live {
        Live::new(&self.target)
    }
}

/// The scheme of the key among the subprotocols, which becomes a header of its own.
fn take_key(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let offered: Vec<&str> = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let [scheme, key] = offered[..] else { return None };
    let known = SCHEMES.iter().find(|known| scheme.eq_ignore_ascii_case(known))?;
    let written = HeaderValue::from_str(scheme).ok()?;
    let mut value = HeaderValue::try_from(format!("{} {key}", title(known))).ok()?;
    value.set_sensitive(true);
    headers.entry(AUTHORIZATION).or_insert(value);
    Some(written)
}

/// As `Authorization` has it.
fn title(scheme: &str) -> &'static str {
    if scheme == "token" { "Token" } else { "Bearer" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(
        offered: &[&'static str],
        own: Option<&'static str>,
    ) -> (Option<String>, Option<String>) {
        let mut headers = HeaderMap::new();
        for value in offered {
            headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(value));
        }
        if let Some(own) = own {
            headers.insert(AUTHORIZATION, HeaderValue::from_static(own));
        }
        let text = |value: &HeaderValue| value.to_str().expect("text").to_owned();
        let scheme = take_key(&mut headers).map(|scheme| text(&scheme));
        (scheme, headers.get(AUTHORIZATION).map(text))
    }

    #[test]
    fn a_key_among_the_subprotocols_is_one_in_authorization() {
        let found = |scheme: &str, value: &str| (Some(scheme.to_owned()), Some(value.to_owned()));
        assert_eq!(taken(&["token, tg_a"], None), found("token", "Token tg_a"));
        assert_eq!(taken(&["token", "tg_a"], None), found("token", "Token tg_a"));
        assert_eq!(taken(&["Bearer,tg_a"], None), found("Bearer", "Bearer tg_a"));
        assert_eq!(taken(&["token, tg_a"], Some("Token b")), found("token", "Token b"));
        for other in ["chat, tg_a", "token", "token, tg_a, c", ""] {
            assert_eq!(taken(&[other], None), (None, None), "{other}");
        }
    }
}
