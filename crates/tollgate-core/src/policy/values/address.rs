//! Where to listen.

use std::{fmt, net::SocketAddr, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{excerpt, written_as_text};

/// An IP address and a port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Address(SocketAddr);

/// Reads a [`SocketAddr`].
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<SocketAddr, D::Error> {
    Ok(Address::deserialize(d)?.0)
}

/// Shows a [`SocketAddr`].
pub(crate) fn serialize<S: Serializer>(address: &SocketAddr, s: S) -> Result<S::Ok, S::Error> {
    Address(*address).serialize(s)
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| {
            format!(
                "`{}` is no address to listen at: write an IP address and a port, like 127.0.0.1:8787 or [::1]:8787",
                excerpt(text)
            )
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

written_as_text!(
    Address,
    "an address like \"127.0.0.1:8787\"",
    "^[0-9a-fA-F:.\\[\\]%]+:[0-9]{1,5}$"
);
