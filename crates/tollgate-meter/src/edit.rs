//! The changes to a body on its way to the provider. Every other byte stays.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use serde_json::value::RawValue;

/// A piece of text in place of a range of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) at: Range<usize>,
    pub(crate) text: Cow<'static, str>,
}

/// Lowers every maximum that a body names to `most`, or adds one of that name; and changes
/// what must change with it.
pub(crate) fn lower_maximum<'a>(
    body: &str,
    maxima: impl Iterator<Item = &'a RawValue>,
    name: &'static str,
    most: u64,
    more: Option<Edit>,
) -> Bytes {
    let mut edits = Vec::new();
    let mut is_named = false;
    for value in maxima {
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
    edits.extend(more);
    // From the back, so that the places before stay where they are.
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.at.start));
    let whole = Bytes::copy_from_slice(body.as_bytes());
    edits.iter().fold(whole, |body, edit| edit.apply(&body))
}

/// Where a part that was borrowed from the body stands in it.
pub(crate) fn place(body: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - body.as_ptr().addr();
    start..start + part.len()
}

impl Edit {
    pub(crate) fn apply(&self, body: &[u8]) -> Bytes {
        // A body other than the scanned one may be shorter; it passes as it is.
        let (Some(before), Some(after)) = (body.get(..self.at.start), body.get(self.at.end..))
        else {
            return Bytes::copy_from_slice(body);
        };
        [before, self.text.as_bytes(), after].concat().into()
    }
}
