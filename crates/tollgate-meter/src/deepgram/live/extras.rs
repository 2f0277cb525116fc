//! What a live session asks for that has a price of its own.
//!
//! The promise: every name that is charged by the second is told, so that none is left out. A
//! model costs more live than for what was recorded, more again where languages may change, and
//! each of some features costs something beside it.

use super::super::request::pairs;

/// What a query asks for beside its model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Extras {
    is_multilingual: bool,
    features: Vec<&'static str>,
}

/// Features that cost something by the second, and the parameters that ask for them.
const FEATURES: [(&str, &[&str]); 4] = [
    ("detect_entities", &["detect_entities"]),
    ("diarize", &["diarize", "diarize_model"]),
    ("keyterm", &["keyterm"]),
    ("redact", &["redact"]),
];

impl Extras {
    pub(in super::super) fn of(query: &str) -> Self {
        let asked: Vec<(String, String)> =
            pairs(query).filter(|(_, value)| !value.eq_ignore_ascii_case("false")).collect();
        let is_asked = |names: &[&str]| {
            asked.iter().any(|(name, _)| names.iter().any(|its| name.eq_ignore_ascii_case(its)))
        };
        let features = FEATURES.iter().filter(|(_, names)| is_asked(names));
        Self {
            is_multilingual: asked.iter().any(|(name, value)| {
                name.eq_ignore_ascii_case("language") && value.eq_ignore_ascii_case("multi")
            }),
            features: features.map(|(feature, _)| *feature).collect(),
        }
    }

    /// The names whose prices a live session of this model costs in all, as the price table has
    /// them; that of the model is the first.
    pub(super) fn names(&self, model: &str) -> Vec<String> {
        let suffix = if self.is_multilingual { "-multilingual" } else { "" };
        let features = self.features.iter().map(|feature| format!("streaming/{feature}"));
        std::iter::once(format!("streaming/{model}{suffix}")).chain(features).collect()
    }
}
