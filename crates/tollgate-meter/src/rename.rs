//! Another model's name in a request's body.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    edit::{Edit, place},
    json,
};

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    model: &'a RawValue,
}

/// The body with another model's name in its member `model`; every other byte stays. Nothing
/// of a body that is no JSON object with that member once.
pub fn with_model(body: &[u8], model: &str) -> Option<Bytes> {
    let text = std::str::from_utf8(body).ok()?;
    let named: Named<'_> = json::object(body)?;
    let name = serde_json::to_string(model).ok()?;
    Some(Edit { at: place(text, named.model.get()), text: name.into() }.apply(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_alone_is_another() {
        for (body, renamed) in [
            (r#"{"model":"a","messages":[]}"#, r#"{"model":"b\"c","messages":[]}"#),
            (
                r#" { "x" : {"model":1}, "model" : "aa" } "#,
                r#" { "x" : {"model":1}, "model" : "b\"c" } "#,
            ),
        ] {
            let made = with_model(body.as_bytes(), "b\"c").expect(body);
            assert_eq!(made, renamed.as_bytes());
        }
        for body in ["", "[]", "{}", r#"{"model":"a","model":"b"}"#, r#"["a"]"#, "\u{ff}"] {
            assert_eq!(with_model(body.as_bytes(), "b"), None, "{body}");
        }
    }
}
