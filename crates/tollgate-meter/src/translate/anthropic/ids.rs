//! Names of calls as Anthropic takes them.

use std::{borrow::Cow, collections::BTreeMap};

/// Gives calls whose names are not taken names that are, the same to the same.
#[derive(Debug, Default)]
pub(super) struct Ids<'a> {
    given: BTreeMap<&'a str, usize>,
}

impl<'a> Ids<'a> {
    pub(super) fn fit(&mut self, id: &'a str) -> Cow<'a, str> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if !id.is_empty() && id.bytes().all(fits) {
            return Cow::Borrowed(id);
        }
        let next = self.given.len();
        let number = *self.given.entry(id).or_insert(next);
        format!("tollgate_{number}").into()
    }
}
