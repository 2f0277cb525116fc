//! Tiers of service: whether a request asks for one that its model's price does not hold for.
//!
//! A value that is not known to cost as much as usual, or less, counts as dearer.

use serde_json::value::RawValue;

use crate::{ScanError, members::Raw};

/// Members by which the dialects choose a tier: how soon, how fast and where it is served.
const MEMBERS: [&str; 5] =
    ["service_tier", "serviceTier", "speed", "inference_geo", "performanceConfig"];

/// Members of a tier that is an object.
const WITHIN: [&str; 2] = ["type", "latency"];

/// What costs no more than usual, beside all that begins with `standard`.
const USUAL: [&str; 7] = ["auto", "default", "flex", "global", "on_demand", "unspecified", ""];

/// What some names of tiers begin with.
const PREFIX: &str = "service_tier_";

/// The first member that asks for a dearer tier.
pub(crate) fn dearer<const N: usize>(raw: &Raw<'_, N>) -> Result<Option<&'static str>, ScanError> {
    for member in MEMBERS {
        if let Some(value) = raw.value(member)
            && !is_usual_value(value)?
        {
            return Ok(Some(member));
        }
    }
    Ok(None)
}

/// Whether a tier of this name costs no more than usual.
pub fn is_usual(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    let name = name.strip_prefix(PREFIX).unwrap_or(&name);
    name.starts_with("standard") || USUAL.contains(&name)
}

fn is_usual_value(value: &RawValue) -> Result<bool, ScanError> {
    if !value.get().starts_with('{') {
        return Ok(names_usual(value));
    }
    let raw = Raw::parse(&WITHIN, value.get())?;
    Ok(WITHIN.iter().filter_map(|member| raw.value(member)).all(names_usual))
}

fn names_usual(value: &RawValue) -> bool {
    serde_json::from_str::<String>(value.get()).is_ok_and(|name| is_usual(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_no_more_than_usual_is_told_from_what_does() {
        let dearer = |body| dearer(&Raw::parse(&MEMBERS, body).expect("an object"));
        for body in [
            "{}",
            r#"{"service_tier":null,"speed":"standard","inference_geo":"global"}"#,
            r#"{"service_tier":"auto"}"#,
            r#"{"service_tier":"default"}"#,
            r#"{"service_tier":"flex"}"#,
            r#"{"service_tier":"standard_only"}"#,
            r#"{"serviceTier":"SERVICE_TIER_STANDARD"}"#,
            r#"{"serviceTier":{"type":"default"},"performanceConfig":{"latency":"standard"}}"#,
            r#"{"performanceConfig":{}}"#,
        ] {
            assert_eq!(dearer(body), Ok(None), "{body}");
        }
        for (body, member) in [
            (r#"{"service_tier":"priority"}"#, "service_tier"),
            (r#"{"service_tier":"pri\u006frity"}"#, "service_tier"),
            (r#"{"service_tier":["auto"]}"#, "service_tier"),
            (r#"{"speed":"fast"}"#, "speed"),
            (r#"{"speed":7}"#, "speed"),
            (r#"{"inference_geo":"us"}"#, "inference_geo"),
            (r#"{"serviceTier":{"type":"priority"}}"#, "serviceTier"),
            (r#"{"performanceConfig":{"latency":"optimized"}}"#, "performanceConfig"),
        ] {
            assert_eq!(dearer(body), Ok(Some(member)), "{body}");
        }
        let twice = r#"{"serviceTier":{"type":"default","type":"priority"}}"#;
        assert_eq!(dearer(twice), Err(ScanError::Ambiguous("type")));
    }
}
