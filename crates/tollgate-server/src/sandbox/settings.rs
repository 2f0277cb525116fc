//! The settings are the policy's own; here their values are read from headers and options.

use std::time::Duration;

use serde::{
    Deserialize as _,
    de::{IntoDeserializer as _, value::F64Deserializer},
};
pub(crate) use tollgate_core::policy::{
    Share,
    settings::{LimitRefill, Outage, OutageFault, Sandbox as SandboxSettings},
};

use crate::load::parse_span;

/// Reads a share of requests: a number from 0 to 1.
pub(crate) fn parse_share(text: &str) -> Result<Share, String> {
    let number: f64 =
        text.parse().map_err(|_| "write a number from 0 to 1, like 0.05".to_owned())?;
    let number: F64Deserializer<serde::de::value::Error> = number.into_deserializer();
    Share::deserialize(number).map_err(|error| error.to_string())
}

/// Reads the time in which limits are counted.
pub(crate) fn parse_limit_window(text: &str) -> Result<Duration, String> {
    let window = parse_span(text)?;
    if window.is_zero() {
        return Err("nothing is due in no time: write it like 60s".to_owned());
    }
    Ok(window)
}

/// Reads how limits come back.
pub(crate) fn parse_limit_refill(text: &str) -> Result<LimitRefill, String> {
    match text {
        "evenly" => Ok(LimitRefill::Evenly),
        "at-reset" => Ok(LimitRefill::AtReset),
        _ => Err("write evenly or at-reset".to_owned()),
    }
}

/// Reads what an outage is, by its name in the policy or in a header.
pub(crate) fn parse_outage_fault(text: &str) -> Result<OutageFault, String> {
    let name = text.replace('-', "_");
    let name: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
        name.as_str().into_deserializer();
    OutageFault::deserialize(name)
        .map_err(|_| "write error, unavailable, rate-limit, hang or cut".to_owned())
}
