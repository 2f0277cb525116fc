//! A request on its way out.

use std::sync::Arc;

use http::{
    HeaderValue, Method, Request, Uri, Version,
    header::{CONTENT_LENGTH, HOST},
    uri::PathAndQuery,
};
use http_body::Body as _;

use super::link::{Outgoing, Upload};
use crate::net::Body;

/// The request as it is sent: in HTTP/1.1, to the upstream's own `host`, with a body that
/// tells how far it has come.
pub(super) fn prepare(
    request: Request<Body>,
    host: &HeaderValue,
    upload: &Arc<Upload>,
) -> Request<Outgoing> {
    let (mut head, body) = request.into_parts();
    head.version = Version::HTTP_11;
    head.uri = origin_form(head.uri);
    head.headers.insert(HOST, host.clone());
    // Some servers refuse these methods without a length.
    if body.is_end_stream() && matches!(head.method, Method::POST | Method::PUT | Method::PATCH) {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    Request::from_parts(head, Outgoing::new(body, Arc::clone(upload)))
}

/// What stands in `Host` for an address: its host, and its port unless the scheme implies it.
pub(super) fn host(base: &Uri) -> HeaderValue {
    let host = base.host().unwrap_or_default();
    let implied = if base.scheme_str() == Some("https") { 443 } else { 80 };
    let text = match base.port_u16() {
        Some(port) if port != implied => format!("{host}:{port}"),
        _ => host.to_owned(),
    };
    // A host of an URI has no characters that a header cannot bear.
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn origin_form(uri: Uri) -> Uri {
    let root = || PathAndQuery::from_static("/");
    Uri::from(uri.into_parts().path_and_query.unwrap_or_else(root))
}
