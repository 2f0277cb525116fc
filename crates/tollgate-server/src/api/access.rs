//! Who may use `/v1` and the control plane.
//!
//! Without a token they are open to programs on the same machine only: the listener is on
//! loopback, no proxy stands between, and no foreign web page asks through a browser. With a
//! token, it is needed.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, Request, header, uri::Authority};
use subtle::ConstantTimeEq as _;
use tollgate_core::{Attribute, policy::Secret};

use super::Problem;
use crate::{app::App, identity};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Caller {
    /// The operator's own programs: they may do everything.
    Operator,
    /// The holder of a user's key: may read that user's statistics.
    User(String),
}

/// Which door is asked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Door<'a> {
    /// The token of its section, if one is set.
    pub(crate) token: Option<&'a Secret>,
    /// Its section of the policy.
    pub(crate) section: &'static str,
    /// Where it listens.
    pub(crate) listen: SocketAddr,
}

/// What proxies write, beside `X-Forwarded-*`. A request that bears it comes from elsewhere.
const FORWARDING: [HeaderName; 3] =
    [header::FORWARDED, header::VIA, HeaderName::from_static("x-real-ip")];

/// Who asks at `/v1`, which listens there.
///
/// # Errors
/// When nobody may who asks like this.
pub(super) fn caller<B>(app: &App, request: &Request<B>) -> Result<Caller, Problem> {
    let live = app.live();
    let door = Door { token: live.settings.api.token.as_ref(), section: "api", listen: app.listen };
    if door.is_opened_by(request.headers()) {
        return Ok(Caller::Operator);
    }
    let who = identity::of(request.headers(), app, &live)?;
    // A user's key says who asks, even where anybody may: it never gets more than its own.
    if who.value(&Attribute::Key).is_some() {
        let user = who.value(&Attribute::User).unwrap_or_default();
        return Ok(Caller::User(user.to_owned()));
    }
    operator(door, request).map(|()| Caller::Operator)
}

/// Whether the operator asks.
///
/// # Errors
/// When it cannot be told that it is the operator, with what would tell.
pub(crate) fn operator<B>(door: Door<'_>, request: &Request<B>) -> Result<(), Problem> {
    let headers = request.headers();
    let section = door.section;
    if door.is_opened_by(headers) {
        return Ok(());
    }
    if door.token.is_some() {
        return Err(Problem::unauthorized(match bearer(headers) {
            Some(_) => format!("This is not the token of `[{section}]`: check it for typos."),
            None => format!(
                "This needs the token of `[{section}]`: send it as `Authorization: Bearer …`."
            ),
        }));
    }
    let is_local = door.listen.ip().is_loopback()
        && !is_forwarded(headers)
        && names_loopback(request)
        && !is_foreign_page(headers);
    if is_local {
        return Ok(());
    }
    Err(Problem::unauthorized(format!(
        "This is open to programs on the same machine only: set `[{section}] token = \"env:…\"` in the policy and send it as `Authorization: Bearer …`."
    )))
}

impl Door<'_> {
    /// Whether the token is presented.
    fn is_opened_by(&self, headers: &HeaderMap) -> bool {
        let presented = bearer(headers).zip(self.token);
        presented.is_some_and(|(presented, token)| is_same(presented, token.expose()))
    }
}

/// Whether two secrets are the same, in a time that tells nothing of where they differ.
fn is_same(presented: &str, expected: &str) -> bool {
    let [presented, expected] = [presented, expected].map(|secret| blake3::hash(secret.as_bytes()));
    presented.as_bytes().ct_eq(expected.as_bytes()).into()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn is_forwarded(headers: &HeaderMap) -> bool {
    FORWARDING.iter().any(|name| headers.contains_key(name))
        || headers.keys().any(|name| name.as_str().starts_with("x-forwarded-"))
}

/// A web page whose name was made to point here asks with that name; programs on this
/// machine ask by address or as `localhost`.
fn names_loopback<B>(request: &Request<B>) -> bool {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = host.and_then(|host| host.parse::<Authority>().ok());
    authority.or_else(|| request.uri().authority().cloned()).is_none_or(|a| is_loopback(a.host()))
}

/// A browser says which page asks; a page of another machine must not.
fn is_foreign_page(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let page = origin.to_str().ok().and_then(|origin| origin.parse::<http::Uri>().ok());
    !page.is_some_and(|page| page.host().is_some_and(is_loopback))
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
