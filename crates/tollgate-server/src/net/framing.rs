//! Requests that two readers could read in two ways are refused before anything looks at them.
//!
//! What hyper refuses by itself never comes here: differing lengths, codings of HTTP/1.0,
//! folded lines, control characters. What it makes plain itself cannot be seen here: a
//! `Content-Length` beside a `Transfer-Encoding` is dropped, equal lengths become one, a bare
//! line feed ends a line. Nothing of it travels on, since a request is framed anew for the
//! upstream; and a connection ends with its first chunked request
//! ([`is_last_of_connection`]), as RFC 9112 §6.3 demands where both were sent.

use http::{
    HeaderMap, Method, Uri, Version,
    header::{CONTENT_LENGTH, HOST, HeaderName, TRANSFER_ENCODING},
    request::Parts,
    uri::{Authority, PathAndQuery},
};

/// Why a request is not served: one reader's request is another reader's two.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadFraming {
    /// A tunnel was asked for.
    #[error("CONNECT is not served here: Tollgate is no tunnel, ask it for a path")]
    Connect,
    /// `*`, or something else that is no path.
    #[error("the request's target is no path: begin it with a slash")]
    Target,
    /// HTTP/1.1 without `Host`.
    #[error("the request has no Host header: send exactly one")]
    HostMissing,
    /// More than one `Host`.
    #[error("the request has more than one Host header: send exactly one")]
    HostDoubled,
    /// A `Host` that names no host.
    #[error("the request's Host header is not a host name with an optional port")]
    HostInvalid,
    /// The target names another host than `Host` does.
    #[error("the request's target and its Host header name different hosts: make them the same")]
    HostDiffers,
    /// A length given twice.
    #[error("the request has more than one Content-Length: send exactly one")]
    LengthDoubled,
    /// A length and a coding.
    #[error("the request has both Content-Length and Transfer-Encoding: send one of them")]
    LengthAndCoding,
    /// A coding that is not understood.
    #[error("the only Transfer-Encoding served here is a single \"chunked\"")]
    Coding,
    /// A header name that others spell with a hyphen.
    #[error("the header name {0} has an underscore, which some servers take for a hyphen")]
    Underscore(HeaderName),
}

/// Refuses a head that could be read in two ways.
///
/// # Errors
/// With the first ambiguity that is found.
pub(crate) fn check(head: &Parts) -> Result<(), BadFraming> {
    if head.method == Method::CONNECT {
        return Err(BadFraming::Connect);
    }
    if !head.uri.path().starts_with('/') {
        return Err(BadFraming::Target);
    }
    check_host(head)?;
    check_length(&head.headers)?;
    match head.headers.keys().find(|name| name.as_str().contains('_')) {
        Some(name) => Err(BadFraming::Underscore(name.clone())),
        None => Ok(()),
    }
}

/// The path and query alone: what a target names besides is the same as its `Host`.
pub(crate) fn origin_form(uri: &Uri) -> Uri {
    let root = || PathAndQuery::from_static("/");
    Uri::from(uri.path_and_query().cloned().unwrap_or_else(root))
}

/// Whether no further request may be read from the connection of this one.
pub(crate) fn is_last_of_connection(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
}

fn check_host(head: &Parts) -> Result<(), BadFraming> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let Some(host) = hosts.next() else {
        // HTTP/1.0 did not know it, and health checks still speak that.
        let may_lack = head.version < Version::HTTP_11 && head.uri.authority().is_none();
        return if may_lack { Ok(()) } else { Err(BadFraming::HostMissing) };
    };
    if hosts.next().is_some() {
        return Err(BadFraming::HostDoubled);
    }
    let host = Authority::try_from(host.as_bytes()).map_err(|_| BadFraming::HostInvalid)?;
    if !is_host_and_port(&host) {
        return Err(BadFraming::HostInvalid);
    }
    match head.uri.authority() {
        Some(target) if !same_host(target, &host, head.uri.scheme_str()) => {
            Err(BadFraming::HostDiffers)
        }
        _ => Ok(()),
    }
}

fn is_host_and_port(authority: &Authority) -> bool {
    let host = authority.host();
    match authority.as_str().strip_prefix(host) {
        _ if host.is_empty() || authority.as_str().contains('@') => false,
        // A port may be left empty (RFC 3986 §3.2.3).
        Some("" | ":") => true,
        _ => authority.port_u16().is_some(),
    }
}

fn same_host(target: &Authority, host: &Authority, scheme: Option<&str>) -> bool {
    let default = if scheme == Some("https") { 443 } else { 80 };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default);
    !target.as_str().contains('@')
        && target.host().eq_ignore_ascii_case(host.host())
        && port(target) == port(host)
}

fn check_length(headers: &HeaderMap) -> Result<(), BadFraming> {
    let lengths = headers.get_all(CONTENT_LENGTH).iter().count();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if lengths > 1 {
        return Err(BadFraming::LengthDoubled);
    }
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(_), _) if lengths > 0 => Err(BadFraming::LengthAndCoding),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(BadFraming::Coding),
    }
}
