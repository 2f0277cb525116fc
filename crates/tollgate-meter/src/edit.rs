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
        is_named |= value.get().parse::<u64>().is_ok();
        edits.extend(lowered(body, value, most));
    }
    if edits.is_empty() && !is_named {
        // The object has at least its model, so that a comma is right.
        let brace = body.find('{').unwrap_or(0);
        edits.push(added(brace, false, &format!("\"{name}\":{most}")));
    }
    edits.extend(more);
    all(body, edits)
}

/// The body with all of these edits, none of which overlaps another.
pub(crate) fn all(body: &str, mut edits: Vec<Edit>) -> Bytes {
    // From the back, so that the places before stay where they are.
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.at.start));
    let whole = Bytes::copy_from_slice(body.as_bytes());
    edits.iter().fold(whole, |body, edit| edit.apply(&body))
}

/// The edit that lowers a number to `most`, if it is more or cannot be read.
pub(crate) fn lowered(body: &str, told: &RawValue, most: u64) -> Option<Edit> {
    let is_too_much = told.get().parse::<u64>().map_or(true, |told| told > most);
    is_too_much.then(|| Edit { at: place(body, told.get()), text: most.to_string().into() })
}

/// The edit that adds a member to the object that begins at `brace`.
pub(crate) fn added(brace: usize, is_empty: bool, member: &str) -> Edit {
    let comma = if is_empty { "" } else { "," };
    Edit { at: brace + 1..brace + 1, text: format!("{member}{comma}").into() }
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
