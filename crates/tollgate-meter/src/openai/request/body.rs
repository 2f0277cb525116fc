//! The changes to a body: a stream asks for its usage, and a maximum is lowered to what fits.
//! Every other byte stays.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use serde_json::value::RawValue;

use super::members::{Members, Options};
use crate::ScanError;

/// A piece of text in place of a range of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    at: Range<usize>,
    text: Cow<'static, str>,
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

/// Lowers every maximum that a body names to `most`, or adds one of that name.
pub(super) fn lower_maximum(
    body: &str,
    members: &Members<'_>,
    name: &'static str,
    most: u64,
) -> Bytes {
    let mut edits = Vec::new();
    let mut is_named = false;
    for value in members.maxima() {
        let told = value.get().parse::<u64>().ok();
        is_named |= told.is_some();
        if told.is_none_or(|told| told > most) {
            edits.push(Edit { at: place(body, value.get()), text: most.to_string().into() });
        }
    }
    if edits.is_empty() && !is_named {
        let first = body.find('{').map_or(0, |brace| brace + 1);
        edits.push(Edit { at: first..first, text: format!("\"{name}\":{most},").into() });
    }
    // From the back, so that the places before stay where they are.
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.at.start));
    let whole = Bytes::copy_from_slice(body.as_bytes());
    edits.iter().fold(whole, |body, edit| edit.apply(&body))
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
