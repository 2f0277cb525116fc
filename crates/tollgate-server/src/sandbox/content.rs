//! What the model says: words of exactly four bytes, one a token, made ahead.

use std::{borrow::Cow, sync::LazyLock};

/// Bytes of one token's text: a space and three letters, nothing that JSON escapes.
pub(crate) const TOKEN_BYTES: usize = 4;

const READY_TOKENS: usize = 8192;

const WORDS: [&str; 32] = [
    " the", " sun", " and", " sea", " are", " old", " but", " not", " one", " bit", " too", " far",
    " for", " any", " who", " can", " see", " how", " sky", " and", " air", " mix", " out", " you",
    " may", " ask", " why", " yet", " few", " men", " say", " now",
];

static READY: LazyLock<String> =
    LazyLock::new(|| WORDS.iter().copied().cycle().take(READY_TOKENS).collect());

/// The text of the token at that place in an answer.
pub(crate) const fn token(place: usize) -> &'static str {
    WORDS[place % WORDS.len()]
}

/// The text of an answer of so many tokens.
pub(crate) fn text(tokens: usize) -> Cow<'static, str> {
    match READY.get(..tokens * TOKEN_BYTES) {
        Some(text) => Cow::Borrowed(text),
        None => Cow::Owned(WORDS.iter().copied().cycle().take(tokens).collect()),
    }
}
