//! Members of answers, read with patience: one that is missing or of another kind is not known.

use jiff::Timestamp;
use serde_json::Value;

use super::words::clean;

/// A text, cleaned; nothing where there is none.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(clean(text)),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Array(all) if !all.is_empty() => {
            Some(all.iter().filter_map(text).collect::<Vec<_>>().join(", "))
        }
        _ => None,
    }
}

/// A number, also where it is an exact decimal in a string.
pub(super) fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_f64(),
    };
    number.filter(|number: &f64| number.is_finite())
}

/// A whole number.
pub(super) fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| Some(number(value)?.max(0.0) as u64))
}

/// An instant.
pub(super) fn instant(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// The members of a list, no more than these.
pub(super) fn list(value: &Value, most: usize) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten().take(most)
}
