//! The one change to a body: a stream asks for its usage. Every other byte stays.

use std::ops::Range;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::members::Options;
use crate::ScanError;

/// A piece of text in place of a range of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    at: Range<usize>,
    text: &'static str,
}

/// The edit that makes the provider tell the usage; none if the client asks for it itself.
pub(super) fn ask_for_usage(
    body: &str,
    options: Option<&RawValue>,
) -> Result<Option<Edit>, ScanError> {
    let Some(options) = options else {
        // The object has at least its model, so that a comma is right.
        let first = body.find('{').map_or(0, |brace| brace + 1);
        let text = r#""stream_options":{"include_usage":true},"#;
        return Ok(Some(Edit { at: first..first, text }));
    };
    let whole = place(body, options.get());
    let edit = match Options::parse(options.get())? {
        Options::Null => Edit { at: whole, text: r#"{"include_usage":true}"# },
        Options::Asked => return Ok(None),
        Options::NotAsked(value) => Edit { at: place(body, value.get()), text: "true" },
        Options::Silent { empty } => {
            let first = whole.start + 1;
            let text = if empty { r#""include_usage":true"# } else { r#""include_usage":true,"# };
            Edit { at: first..first, text }
        }
    };
    Ok(Some(edit))
}

/// Where a part that was borrowed from the body stands in it.
fn place(body: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - body.as_ptr().addr();
    start..start + part.len()
}

impl Edit {
    pub(super) fn apply(&self, body: &[u8]) -> Bytes {
        // A body other than the scanned one may be shorter; it passes as it is.
        let (Some(before), Some(after)) = (body.get(..self.at.start), body.get(self.at.end..))
        else {
            return Bytes::copy_from_slice(body);
        };
        [before, self.text.as_bytes(), after].concat().into()
    }
}
