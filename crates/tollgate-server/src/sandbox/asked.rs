//! What readers of all dialects need: JSON with one clear sentence where it is none, and the
//! length of a text.

use serde::Deserialize;
use serde_json::Value;

use super::failure::Failure;

const BYTES_PER_TOKEN: usize = 4;

/// Reads a body.
pub(crate) fn json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        Failure::invalid(
            format!("We could not parse the JSON body of your request: {error}."),
            None,
        )
    })
}

/// The model, which must have a name.
pub(crate) fn named(model: Option<String>) -> Result<String, Failure> {
    model
        .filter(|model| !model.is_empty())
        .ok_or_else(|| Failure::invalid("you must provide a model parameter", None))
}

/// The failure of a body that lacks a member.
pub(crate) fn missing(param: &'static str) -> Failure {
    Failure::invalid(format!("Missing required parameter: '{param}'."), Some(param))
}

/// The failure of a body whose member cannot be followed.
pub(crate) fn bad(message: &str, param: &'static str) -> Failure {
    Failure::invalid(message, Some(param))
}

/// The length of a text in tokens: a quarter of its bytes, at least 1.
pub(crate) fn tokens_of_bytes(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(BYTES_PER_TOKEN).max(1)).unwrap_or(u32::MAX)
}

/// Members that hold what a model reads, in all dialects.
const TEXTS: [&str; 4] = ["content", "input", "parts", "text"];

/// How many bytes of text there are in messages, whatever parts they are made of.
pub(crate) fn text_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(all) => all.iter().map(text_bytes).sum(),
        // How deep it goes is bounded by the parser.
        Value::Object(_) => TEXTS.iter().filter_map(|name| value.get(name)).map(text_bytes).sum(),
        _ => 0,
    }
}
