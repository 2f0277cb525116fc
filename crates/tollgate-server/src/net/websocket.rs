//! WebSockets (RFC 6455): the handshake in the heads of HTTP, and a line that speaks it with
//! every buffer bounded.
//!
//! Extensions are agreed on with nobody, so what passes is what is metered: a compressed piece
//! could be of any length.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Version,
    header::{
        CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
    },
    request::Parts,
};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::protocol::{Role, WebSocketConfig},
};

use super::Line;

/// A line that speaks it.
pub(crate) type WebSocket = WebSocketStream<Line>;

/// The longest message either side may send, in however many frames.
pub(crate) const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// Bytes that are read at once.
const READ_BYTES: usize = 16 * 1024;

/// What a server proves with that it has read the key.
const SALT: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Headers that are of one handshake, and never of the next one on the way.
const OF_HANDSHAKES: [HeaderName; 5] = [
    SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION,
];

/// Why there is no handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadHandshake {
    /// Another version of it.
    #[error("The only version of WebSockets served here is 13: send `Sec-WebSocket-Version: 13`.")]
    Version,
    /// No key, or none of its form.
    #[error("The handshake has no `Sec-WebSocket-Key` of 16 bytes in base64: send exactly one.")]
    Key,
}

/// The key of one handshake.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Handshake(HeaderValue);

/// Whether a request asks for one.
pub(crate) fn is_asked(head: &Parts) -> bool {
    head.method == Method::GET
        && head.version == Version::HTTP_11
        && has_token(&head.headers, &UPGRADE, "websocket")
        && has_token(&head.headers, &CONNECTION, "upgrade")
}

/// Takes the headers of a handshake away.
fn strip(headers: &mut HeaderMap) {
    for name in &OF_HANDSHAKES {
        headers.remove(name);
    }
}

/// A line that was agreed on, in the role of one side.
pub(crate) async fn speaking(line: Line, role: Role) -> WebSocket {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MAX_MESSAGE_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    WebSocketStream::from_raw_socket(line, role, Some(config)).await
}

impl Handshake {
    /// That which a caller offers.
    ///
    /// # Errors
    /// When it is not one that can be answered.
    pub(crate) fn offered(headers: &HeaderMap) -> Result<Self, BadHandshake> {
        let one = |name| {
            let mut values = headers.get_all(name).iter();
            values.next().filter(|_| values.next().is_none())
        };
        if one(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(BadHandshake::Version);
        }
        let key = one(SEC_WEBSOCKET_KEY).ok_or(BadHandshake::Key)?;
        match BASE64_STANDARD.decode(key) {
            Ok(bytes) if bytes.len() == 16 => Ok(Self(key.clone())),
            _ => Err(BadHandshake::Key),
        }
    }

    /// One of our own.
    pub(crate) fn fresh() -> Self {
        let key = BASE64_STANDARD.encode(uuid::Uuid::new_v4().as_bytes());
        Self(value(key))
    }

    /// Asks for it.
    pub(crate) fn ask(&self, headers: &mut HeaderMap) {
        strip(headers);
        upgrade(headers);
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(SEC_WEBSOCKET_KEY, self.0.clone());
    }

    /// Agrees to it.
    pub(crate) fn agree(&self, headers: &mut HeaderMap) {
        strip(headers);
        upgrade(headers);
        headers.insert(SEC_WEBSOCKET_ACCEPT, value(self.proof()));
    }

    /// Whether the other side agreed to it, and to nothing beside it.
    pub(crate) fn is_agreed(&self, headers: &HeaderMap) -> bool {
        headers.get(SEC_WEBSOCKET_ACCEPT).is_some_and(|proof| *proof == *self.proof())
            && !headers.contains_key(SEC_WEBSOCKET_EXTENSIONS)
    }

    fn proof(&self) -> String {
        let salted = [self.0.as_bytes(), SALT].concat();
        BASE64_STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &salted))
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshake")
    }
}

fn upgrade(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Base64 fits into any header.
fn value(base64: String) -> HeaderValue {
    HeaderValue::try_from(base64).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|found| found.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(headers: &[(&'static str, &'static str)]) -> Parts {
        let mut request = Request::get("/v1/listen");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn a_handshake_is_answered_as_the_standard_has_it() {
        let key =
            [("sec-websocket-version", "13"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")];
        let offered = Handshake::offered(&head(&key).headers).expect("a handshake");
        let mut headers = HeaderMap::new();
        offered.agree(&mut headers);
        assert_eq!(headers[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(offered.is_agreed(&headers) && !Handshake::fresh().is_agreed(&headers));
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static("permessage-deflate"));
        assert!(!offered.is_agreed(&headers), "nobody asked for that");
    }

    #[test]
    fn what_cannot_be_answered_is_refused() {
        for (headers, why) in [
            (&[][..], BadHandshake::Version),
            (&[("sec-websocket-version", "8")], BadHandshake::Version),
            (&[("sec-websocket-version", "13")], BadHandshake::Key),
            (
                &[("sec-websocket-version", "13"), ("sec-websocket-key", "c2hvcnQ=")],
                BadHandshake::Key,
            ),
            (&[("sec-websocket-version", "13"), ("sec-websocket-key", "!")], BadHandshake::Key),
        ] {
            assert_eq!(Handshake::offered(&head(headers).headers), Err(why), "{headers:?}");
        }
    }

    #[test]
    fn it_is_asked_for_by_both_headers() {
        for (headers, is_asked_for) in [
            (&[("upgrade", "WebSocket"), ("connection", "keep-alive, Upgrade")][..], true),
            (&[("upgrade", "websocket")], false),
            (&[("connection", "upgrade")], false),
            (&[("upgrade", "h2c"), ("connection", "upgrade")], false),
        ] {
            assert_eq!(is_asked(&head(headers)), is_asked_for, "{headers:?}");
        }
    }

    #[test]
    fn what_was_asked_is_what_is_offered() {
        let mut headers = head(&[("sec-websocket-protocol", "token, secret")]).headers;
        let fresh = Handshake::fresh();
        fresh.ask(&mut headers);
        assert_eq!(Handshake::offered(&headers), Ok(fresh));
        assert!(!headers.contains_key(SEC_WEBSOCKET_PROTOCOL));
    }
}
