//! The change that makes a stream tell its usage. Every other byte stays.

use serde_json::value::RawValue;

use super::members::Options;
use crate::{
    ScanError,
    edit::{Edit, place},
};

/// The edit that makes the provider tell the usage; none if the client asks for it itself.
pub(super) fn ask_for_usage(
    body: &str,
    options: Option<&RawValue>,
) -> Result<Option<Edit>, ScanError> {
    let Some(options) = options else {
        // The object has at least its model, so that a comma is right.
        let first = body.find('{').map_or(0, |brace| brace + 1);
        let text = r#""stream_options":{"include_usage":true},"#;
        return Ok(Some(Edit { at: first..first, text: text.into() }));
    };
    let whole = place(body, options.get());
    let edit = match Options::parse(options.get())? {
        Options::Null => Edit { at: whole, text: r#"{"include_usage":true}"#.into() },
        Options::Asked => return Ok(None),
        Options::NotAsked(value) => Edit { at: place(body, value.get()), text: "true".into() },
        Options::Silent { empty } => {
            let first = whole.start + 1;
            let text = if empty { r#""include_usage":true"# } else { r#""include_usage":true,"# };
            Edit { at: first..first, text: text.into() }
        }
    };
    Ok(Some(edit))
}
