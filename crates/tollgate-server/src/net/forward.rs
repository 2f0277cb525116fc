//! What a message sheds on its way through: headers that concern one connection only, and
//! what a stranger claims about where it came from.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT_ENCODING, CONNECTION},
};
use smallvec::SmallVec;

/// Names of headers that a message sheds; rarely more than these.
type Names = SmallVec<[HeaderName; 8]>;

/// Makes a caller's headers fit for the upstream: without those of the connection, without
/// any claim about the origin (`Forwarded`, `X-Forwarded-*`, `X-Real-IP`, …), without
/// Tollgate's own (`X-Tollgate-*`), which must have been read before, and without `Host` and
/// `Content-Length`, which the client sets from where and what it really sends.
pub(crate) fn strip_request(headers: &mut HeaderMap) {
    strip(headers, |name| {
        is_of_connection(name)
            || is_stated_anew(name)
            || tells_origin(name)
            || name.starts_with("x-tollgate-")
    });
}

/// Makes an upstream's headers fit for the caller: without those of the connection.
/// The length stays; it is that of the body unless somebody changes the body.
pub(crate) fn strip_response(headers: &mut HeaderMap) {
    strip(headers, is_of_connection);
}

/// Asks the upstream for an answer that can be read as it passes.
pub(crate) fn identity_encoding(headers: &mut HeaderMap) {
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
}

/// Removes the headers of these names, and those that `Connection` names. Messages have few
/// headers, so each is looked at once, rather than every name looked for.
fn strip(headers: &mut HeaderMap, is_shed: impl Fn(&str) -> bool) {
    let named = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok());
    let own = headers.keys().filter(|name| is_shed(name.as_str())).cloned();
    let names: Names = named.chain(own).collect();
    for name in &names {
        headers.remove(name);
    }
}

/// Whether it concerns one connection only (RFC 9110 §7.6.1), whether `Connection` names it
/// or not.
fn is_of_connection(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authentication-info"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Whether it is said of the connection to Tollgate: the host, the length and the wish to be
/// told to go on are stated anew for the upstream.
fn is_stated_anew(name: &str) -> bool {
    matches!(name, "content-length" | "expect" | "host")
}

/// Whether it says where a request came from, as proxies tell it.
fn tells_origin(name: &str) -> bool {
    name.starts_with("x-forwarded-")
        || matches!(
            name,
            "cf-connecting-ip"
                | "cf-connecting-ipv6"
                | "fastly-client-ip"
                | "forwarded"
                | "true-client-ip"
                | "x-client-ip"
                | "x-cluster-client-ip"
                | "x-real-ip"
        )
}
