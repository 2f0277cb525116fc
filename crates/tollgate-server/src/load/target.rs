//! What is asked, and of whom: checked once, then made into every user's requests.

use std::{fmt, fs::File, io::Read as _, str::FromStr};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header, uri::Scheme};

use crate::net::{self, Body};

/// An `http` or `https` URL. It is shown without its query, which may hold a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address(Uri);

/// A header that every request has, given as `Name: value`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Header(HeaderName, HeaderValue);

/// A request's body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Payload(Bytes);

/// What every user asks.
#[derive(Debug)]
pub(crate) struct Target {
    address: Address,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
    user_header: Option<HeaderName>,
}

/// The largest body that is sent.
const MAX_BODY_BYTES: u64 = 32 << 20;

/// What the client itself sets, from where and what it really sends.
const OWN_HEADERS: [HeaderName; 8] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::EXPECT,
];

impl Target {
    /// Asks `address`. Without a method it is a GET, or a POST where there is a body; a body
    /// of JSON says so unless a header says otherwise. Each user is named in `user_header`.
    pub(crate) fn new(
        address: Address,
        method: Option<Method>,
        headers: &[Header],
        body: Payload,
        user_header: Option<HeaderName>,
    ) -> Self {
        let Payload(body) = body;
        let default = if body.is_empty() { Method::GET } else { Method::POST };
        let mut all = HeaderMap::new();
        for Header(name, value) in headers {
            all.append(name, value.clone());
        }
        let is_json = || serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok();
        if !all.contains_key(header::CONTENT_TYPE) && !body.is_empty() && is_json() {
            all.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Self { address, method: method.unwrap_or(default), headers: all, body, user_header }
    }

    /// The address without what may be secret.
    pub(crate) const fn address(&self) -> &Address {
        &self.address
    }

    /// The scheme and authority that it connects to.
    pub(crate) fn base(&self) -> Uri {
        let mut parts = self.address.0.clone().into_parts();
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
        Uri::from_parts(parts).unwrap_or_else(|_| self.address.0.clone())
    }

    /// The request of the user of that number, from 1 on.
    pub(crate) fn request(&self, user: u32) -> Request<Body> {
        let mut request = Request::new(net::full(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.address.0.clone();
        *request.headers_mut() = self.headers.clone();
        let named = HeaderValue::try_from(format!("user-{user:04}"));
        if let (Some(name), Ok(value)) = (&self.user_header, named) {
            request.headers_mut().insert(name, value);
        }
        request
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = text.parse::<Uri>().ok().filter(|url| {
            let known = [Scheme::HTTP, Scheme::HTTPS];
            let has_host = url.host().is_some_and(|host| !host.is_empty());
            url.scheme().is_some_and(|scheme| known.contains(scheme)) && has_host
        });
        let Some(url) = url else {
            return Err("write it like http://127.0.0.1:8787/sandbox/v1/models".to_owned());
        };
        if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err("a name and password in the URL are not sent: put them into a \
                        --header 'Authorization: …'"
                .to_owned());
        }
        Ok(Self(url))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.scheme_str().unwrap_or_default();
        let authority = self.0.authority().map_or("", |authority| authority.as_str());
        write!(f, "{scheme}://{authority}{}", self.0.path())
    }
}

impl FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once(':').ok_or("write it like 'Name: value'")?;
        let name = parse_name(name.trim())?;
        let mut value = HeaderValue::from_str(value.trim())
            .map_err(|_| format!("the value of {name} has characters that no header has"))?;
        // It may well be a key.
        value.set_sensitive(true);
        Ok(Self(name, value))
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: …", self.0)
    }
}

impl FromStr for Payload {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Bytes::from(text.to_owned())))
    }
}

impl Payload {
    /// The content of a file.
    ///
    /// # Errors
    /// When it cannot be read or is larger than a body may be.
    pub(crate) fn read(path: &str) -> Result<Self, String> {
        let cannot = |error| format!("it cannot be read: {error}");
        let file = File::open(path).map_err(cannot)?;
        let mut bytes = Vec::new();
        file.take(MAX_BODY_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
        if bytes.len() as u64 > MAX_BODY_BYTES {
            return Err(format!("it is larger than {} MiB", MAX_BODY_BYTES >> 20));
        }
        Ok(Self(bytes.into()))
    }
}

/// A method that a URL can be asked with.
///
/// # Errors
/// When it is none, or `CONNECT`, which asks for a tunnel.
pub(crate) fn parse_method(text: &str) -> Result<Method, String> {
    match text.to_ascii_uppercase().parse() {
        Ok(Method::CONNECT) => Err("it asks for a tunnel, not for an answer".to_owned()),
        Ok(method) => Ok(method),
        Err(_) => Err("write it like GET or POST".to_owned()),
    }
}

/// The name of a header that the client does not set itself.
///
/// # Errors
/// When it is none, or one of those.
pub(crate) fn parse_name(text: &str) -> Result<HeaderName, String> {
    let name: HeaderName = text.parse().map_err(|_| format!("`{text}` is no header's name"))?;
    if OWN_HEADERS.contains(&name) {
        return Err(format!("{name} is set by the client, from the URL and the body"));
    }
    Ok(name)
}
