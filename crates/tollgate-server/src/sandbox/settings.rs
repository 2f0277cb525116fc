//! The settings are the policy's own; here a share is read from a header or an option.

use serde::{Deserialize as _, de::value::F64Deserializer};
pub(crate) use tollgate_core::policy::{Share, settings::Sandbox as SandboxSettings};

/// Reads a share of requests: a number from 0 to 1.
pub(crate) fn parse_share(text: &str) -> Result<Share, String> {
    let number: f64 =
        text.parse().map_err(|_| "write a number from 0 to 1, like 0.05".to_owned())?;
    let number: F64Deserializer<serde::de::value::Error> =
        serde::de::IntoDeserializer::into_deserializer(number);
    Share::deserialize(number).map_err(|error| error.to_string())
}
