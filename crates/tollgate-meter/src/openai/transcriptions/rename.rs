//! Another model's name in a form.

use bytes::Bytes;

use super::form;
use crate::{ScanError, edit::Edit};

/// The name of the field.
const MODEL: &str = "model";

/// The form with another model's name in its field `model`; every other byte stays. Nothing of
/// a body that is no form with that field once, and of a name that is not one line.
pub fn with_model(content_type: &str, body: &[u8], model: &str) -> Option<Bytes> {
    if model.contains(['\r', '\n']) {
        return None;
    }
    let mut named = None;
    form::parts(content_type, body, |part| {
        if part.name == MODEL && named.replace(part.value).is_some() {
            return Err(ScanError::Ambiguous(MODEL));
        }
        Ok(())
    })
    .ok()?;
    let value = named?;
    let start = value.as_ptr().addr() - body.as_ptr().addr();
    Some(Edit { at: start..start + value.len(), text: model.to_owned().into() }.apply(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=x";

    fn field(name: &str, value: &str) -> String {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    }

    #[test]
    fn the_field_alone_is_another() {
        for (before, after) in
            [("", field("file", "model")), (&*field("prompt", "a"), String::new())]
        {
            let form = |model| format!("{before}{}{after}--x--\r\n", field("model", model));
            let made = with_model(TYPE, form("ears").as_bytes(), "whisper-1").expect("a form");
            assert_eq!(made, form("whisper-1").as_bytes());
            let empty = with_model(TYPE, form("").as_bytes(), "b").expect("a form");
            assert_eq!(empty, form("b").as_bytes());
            assert_eq!(with_model("text/plain", form("a").as_bytes(), "b"), None);
            assert_eq!(with_model(TYPE, form("a").as_bytes(), "b\r\n--x--"), None);
        }
        let twice = format!("{}{}--x--\r\n", field("model", "a"), field("model", "b"));
        for wrong in ["", "--x--\r\n", &twice] {
            assert_eq!(with_model(TYPE, wrong.as_bytes(), "b"), None, "{wrong}");
        }
    }
}
