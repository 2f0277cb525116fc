//! Where a webhook's requests go.

use std::{fmt, net::IpAddr, str::FromStr};

use http::Uri;

use super::written_as_text;

/// An absolute `https` address, or an `http` one on this machine, without user and fragment.
///
/// What stands behind its host may be a secret, as with many services, so it is never shown in
/// a log.
#[derive(Clone, PartialEq, Eq)]
pub struct HookUrl(Uri);

impl HookUrl {
    /// The address.
    pub const fn uri(&self) -> &Uri {
        &self.0
    }
}

impl FromStr for HookUrl {
    type Err = String;

    /// The address is not told back: it may be a secret.
    fn from_str(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|_| {
            "this is no address: write it like https://hooks.example.com/alerts".to_owned()
        })?;
        let why = match (uri.scheme_str(), uri.authority()) {
            (Some("http" | "https"), Some(authority)) if authority.as_str().contains('@') => {
                "a webhook's address bears no user or password"
            }
            (Some("http" | "https"), _) if text.contains('#') => {
                "a webhook's address has no fragment"
            }
            (Some("https"), Some(authority)) if !authority.host().is_empty() => {
                return Ok(Self(uri));
            }
            (Some("http"), Some(authority)) if is_here(authority.host()) => return Ok(Self(uri)),
            (Some("http"), Some(_)) => {
                "alerts go to other machines by https only: begin the address with https://"
            }
            _ => "a webhook's address begins with https://",
        };
        Err(why.to_owned())
    }
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

impl fmt::Display for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.0.authority().map_or("", |authority| authority.as_str());
        write!(f, "{}://{authority}/…", self.0.scheme_str().unwrap_or_default())
    }
}

written_as_text!(
    HookUrl,
    "an address like \"https://hooks.example.com/alerts\"",
    r"^https?://[^@#\s]+$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_leave_this_machine_by_https_only() {
        for good in [
            "https://hooks.example.com/a?b=c",
            "http://127.0.0.1:9/hook",
            "http://[::1]:9/hook",
            "http://localhost/",
        ] {
            let url: HookUrl = good.parse().expect(good);
            assert_eq!(url.to_string(), good);
            assert!(!format!("{url:?}").contains("hook\""), "{url:?}");
        }
        for bad in [
            "",
            "hooks.example.com",
            "http://hooks.example.com/secret",
            "http://127.0.0.1.example.com/secret",
            "https://user:secret@host/",
            "https://host/#secret",
            "ftp://host/secret",
        ] {
            let error = bad.parse::<HookUrl>().expect_err(bad);
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
