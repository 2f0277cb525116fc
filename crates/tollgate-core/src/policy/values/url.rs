//! Where a provider lives.

use std::{fmt, str::FromStr};

use http::Uri;

use super::written_as_text;

/// An absolute `http` or `https` address without user, query or closing slash.
///
/// Upstreams come from here only, so a secret has no place in it.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl(Uri);

impl BaseUrl {
    /// The address, as a URI whose path may be `/`.
    pub const fn uri(&self) -> &Uri {
        &self.0
    }

    /// Whether it is reached by TLS.
    pub fn is_https(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// Host and, where one is written, port.
    pub fn authority(&self) -> &str {
        self.0.authority().map_or("", |authority| authority.as_str())
    }

    /// The path that stands before every request's path: empty, or without closing slash.
    pub fn path(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }
}

impl FromStr for BaseUrl {
    type Err = String;

    /// The address is not told back: it may hold a password.
    fn from_str(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|_| {
            "this is no address: write it like https://api.openai.com/v1".to_owned()
        })?;
        let why = match (uri.scheme_str(), uri.authority()) {
            (Some("http" | "https"), Some(authority)) => {
                if authority.as_str().contains('@') {
                    "a provider's address bears no user or password: give the key as api_key"
                } else if authority.host().is_empty() {
                    "this address has no host"
                } else if uri.query().is_some() || text.contains('#') {
                    "a provider's address has no query and no fragment"
                } else {
                    return Ok(Self(uri));
                }
            }
            _ => "a provider's address begins with http:// or https://",
        };
        Err(why.to_owned())
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.scheme_str().unwrap_or_default();
        write!(f, "{scheme}://{}{}", self.authority(), self.path())
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

written_as_text!(BaseUrl, "an address like \"https://api.openai.com/v1\"", r"^https?://[^@?#\s]+$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_providers_are_plain() {
        let url: BaseUrl = "https://api.openai.com/v1/".parse().expect("an address");
        assert_eq!(url.to_string(), "https://api.openai.com/v1");
        assert_eq!((url.authority(), url.path(), url.is_https()), ("api.openai.com", "/v1", true));
        let url: BaseUrl = "http://127.0.0.1:3000".parse().expect("an address");
        assert_eq!(url.to_string(), "http://127.0.0.1:3000");
        assert_eq!(url.path(), "");
        for text in [
            "",
            "api.openai.com",
            "/v1",
            "ftp://host/",
            "https://user:pass@host/",
            "https://host/?a=b",
            "https://host/#a",
            "https://",
            "http://ho st/",
        ] {
            let error = text.parse::<BaseUrl>().expect_err(text);
            assert!(!error.contains("pass@"), "{error}");
        }
    }
}
