//! When a budget warns, as an entry says it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::entry::LimitEntry;
use crate::{Warn, policy::Measure, warning::MAX_THRESHOLDS};

/// A part of a budget in whole percent, written as a share: `0.8` is 80 percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Threshold(u8);

/// At which parts a soft budget warns that does not say.
const OF_SOFT: [u8; 2] = [80, 100];

impl LimitEntry {
    /// When it warns; a hard budget that does not say never does.
    ///
    /// # Errors
    /// The key that makes no sense, and why.
    pub(super) fn warnings(&self, measure: &Measure) -> Result<Warn, (&'static str, String)> {
        let said = if self.soft { Some("soft") } else { self.warn_at.as_ref().map(|_| "warn_at") };
        let Some(key) = said else { return Ok(Warn::NEVER) };
        if !matches!(measure, Measure::Period { .. }) {
            let why = "only a budget can be soft or warn: an amount per calendar day, week or month, or in all";
            return Err((key, why.to_owned()));
        }
        if self.soft && self.shadow {
            let why = "a limit is soft or in shadow: soft budgets warn, shadow limits report what they would refuse";
            return Err(("soft", why.to_owned()));
        }
        let warn = match &self.warn_at {
            Some(all) if all.len() > MAX_THRESHOLDS => {
                let why = format!("at most {MAX_THRESHOLDS} thresholds, not {}", all.len());
                return Err(("warn_at", why));
            }
            Some(all) => Warn::at(all.iter().map(|Threshold(percent)| *percent)),
            None => Warn::at(OF_SOFT),
        };
        Ok(if self.soft { warn.softly() } else { warn })
    }
}

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let share = f64::deserialize(deserializer)?;
        let percent = (share * 100.0).round();
        let is_whole = (share * 100.0 - percent).abs() < 1e-9;
        if is_whole && (1.0..=255.0).contains(&percent) {
            // In range, so it is one of the 255.
            return Ok(Self(percent as u8));
        }
        Err(de::Error::custom(format!(
            "{share} is no threshold: write a share in whole percent from 0.01 to 2.55, like 0.8"
        )))
    }
}

impl JsonSchema for Threshold {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Threshold".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0.01, "maximum": 2.55 })
    }
}
