//! Rules that look at the words of Rust code, inside macros too, never at comments or
//! strings.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Something in the code that a rule may forbid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sighting {
    /// `Instant::now` and its like.
    ClockRead,
    /// `tokio::time::Instant::now`, written in full: a time that tests can pause.
    TokioClockRead,
    /// A call of `sleep` or `sleep_until`.
    Sleep,
    /// The attribute `ignore` on a test.
    Ignored,
    /// A macro that stands for missing code.
    Missing,
}

/// Types whose `now` reads a clock.
const CLOCKS: &[&str] = &["Instant", "SystemTime", "Timestamp", "Zoned", "Utc", "Local"];

/// Tokens of `tokio::time::Instant`.
const TOKIO_CLOCK_PATH: usize = 7;

/// Everything seen in these tokens, with its line.
pub(super) fn sightings(tokens: TokenStream) -> Vec<(usize, Sighting)> {
    let mut seen = Vec::new();
    walk(tokens, &mut seen);
    seen
}

fn walk(tokens: TokenStream, seen: &mut Vec<(usize, Sighting)>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    // A path that was seen in full is not looked at again from its middle.
    let mut path_end = 0;
    for (index, token) in tokens.iter().enumerate() {
        if let Some(sighting) = sighting(&tokens[index..]).filter(|_| index >= path_end) {
            if sighting == Sighting::TokioClockRead {
                path_end = index + TOKIO_CLOCK_PATH;
            }
            seen.push((token.span().start().line, sighting));
        }
        if let TokenTree::Group(group) = token {
            walk(group.stream(), seen);
        }
    }
}

/// What these tokens begin with.
fn sighting(tokens: &[TokenTree]) -> Option<Sighting> {
    match tokens {
        [TokenTree::Ident(tokio), _, _, TokenTree::Ident(time), colon, _, rest @ ..]
            if tokio == "tokio" && time == "time" && is_punct(colon, ':') =>
        {
            let read = sighting(rest) == Some(Sighting::ClockRead);
            read.then_some(Sighting::TokioClockRead)
        }
        [TokenTree::Ident(name), colon, _, TokenTree::Ident(now), ..]
            if is_punct(colon, ':') && now == "now" && CLOCKS.iter().any(|c| name == c) =>
        {
            Some(Sighting::ClockRead)
        }
        [TokenTree::Ident(name), TokenTree::Group(arguments), ..]
            if (name == "sleep" || name == "sleep_until")
                && arguments.delimiter() == Delimiter::Parenthesis =>
        {
            Some(Sighting::Sleep)
        }
        [hash, TokenTree::Group(attribute), ..]
            if is_punct(hash, '#') && attribute.delimiter() == Delimiter::Bracket =>
        {
            ignores(attribute.stream()).then_some(Sighting::Ignored)
        }
        [TokenTree::Ident(name), bang, TokenTree::Group(_), ..]
            if is_punct(bang, '!') && (name == "todo" || name == "unimplemented") =>
        {
            Some(Sighting::Missing)
        }
        _ => None,
    }
}

/// Whether an attribute is `ignore`, perhaps behind a condition.
fn ignores(attribute: TokenStream) -> bool {
    let mut tokens = attribute.into_iter();
    match tokens.next() {
        Some(TokenTree::Ident(name)) if name == "ignore" => true,
        Some(TokenTree::Ident(name)) if name == "cfg_attr" => match tokens.next() {
            Some(TokenTree::Group(inner)) => inner
                .stream()
                .into_iter()
                .any(|token| matches!(token, TokenTree::Ident(name) if name == "ignore")),
            _ => false,
        },
        _ => false,
    }
}

fn is_punct(token: &TokenTree, c: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == c)
}
