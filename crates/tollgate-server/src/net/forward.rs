//! What a message sheds on its way through: headers that concern one connection only, and
//! what a stranger claims about where it came from.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};

/// Concern one connection only (RFC 9110 §7.6.1), whether `Connection` names them or not.
const HOP_BY_HOP: [HeaderName; 7] =
    [CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
/// The same, without a constant of their own.
const HOP_BY_HOP_NAMES: [&str; 4] =
    ["keep-alive", "proxy-connection", "proxy-authentication-info", "http2-settings"];
/// Said of the connection to Tollgate: the host, the length and the wish to be told to go on
/// are stated anew for the upstream.
const STATED_ANEW: [HeaderName; 3] = [HOST, CONTENT_LENGTH, EXPECT];
/// Where a request came from, as proxies tell it.
const ORIGIN_NAMES: [&str; 7] = [
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "fastly-client-ip",
];
const FORWARDING_PREFIX: &str = "x-forwarded-";
const OWN_PREFIX: &str = "x-tollgate-";

/// Makes a caller's headers fit for the upstream: without those of the connection, without
/// any claim about the origin (`Forwarded`, `X-Forwarded-*`, `X-Real-IP`, …), without
/// Tollgate's own (`X-Tollgate-*`), which must have been read before, and without `Host` and
/// `Content-Length`, which the client sets from where and what it really sends.
pub(crate) fn strip_request(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    for name in STATED_ANEW {
        headers.remove(name);
    }
    headers.remove(FORWARDED);
    for name in ORIGIN_NAMES {
        headers.remove(name);
    }
    remove_prefixed(headers, &[FORWARDING_PREFIX, OWN_PREFIX]);
}

/// Makes an upstream's headers fit for the caller: without those of the connection.
/// The length stays; it is that of the body unless somebody changes the body.
pub(crate) fn strip_response(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
}

/// Asks the upstream for an answer that can be read as it passes.
pub(crate) fn identity_encoding(headers: &mut HeaderMap) {
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
    for name in HOP_BY_HOP_NAMES {
        headers.remove(name);
    }
}

fn remove_prefixed(headers: &mut HeaderMap, prefixes: &[&str]) {
    let matching = |name: &&HeaderName| prefixes.iter().any(|it| name.as_str().starts_with(it));
    let names: Vec<HeaderName> = headers.keys().filter(matching).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}
