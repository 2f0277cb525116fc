//! Where the parts of a policy come from, and how much of that may be shown.

use std::{ops::Range, sync::Arc};

use miette::NamedSource;

/// A text that a part of the policy was read from.
#[derive(Debug)]
pub(crate) struct Source {
    /// What it is called: a file's path, or a preset's name.
    pub(crate) name: String,
    /// The text with everything masked that could be a secret, byte for byte as long.
    pub(crate) shown: Arc<NamedSource<String>>,
}

/// Where one key or value stands.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// In a text, at those bytes.
    Text(Arc<Source>, Range<usize>),
    /// In an environment variable, perhaps one that a `.env` file sets.
    Variable(Arc<str>),
}

/// Keys whose values must be references, so that whatever else is there is hidden.
const SECRET_KEYS: [&str; 5] = ["api_key", "token", "secret", "password", "hash"];

impl Source {
    pub(crate) fn new(name: &str, text: &str) -> Arc<Self> {
        let shown = text.split_inclusive('\n').map(masked).collect::<String>();
        Arc::new(Self { name: name.to_owned(), shown: Arc::new(NamedSource::new(name, shown)) })
    }

    /// Line and column of a byte, both counted from 1, the column in characters.
    pub(crate) fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let text = self.shown.inner();
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// A line in which what could be a secret is stars.
///
/// It works on lines, not on what was parsed, since a text that does not parse is shown too.
fn masked(line: &str) -> String {
    let mut masked = line.to_owned();
    for key in SECRET_KEYS {
        let mut from = 0;
        while let Some(found) = line[from..].find(key) {
            from += found + key.len();
            let rest = line[from..].trim_start_matches(['"', '\'']).trim_start();
            let Some(value) = rest.strip_prefix('=') else { continue };
            if !value.trim_start().trim_start_matches(['"', '\'']).starts_with("env:") {
                let start = line.len() - value.len();
                masked.truncate(start);
                masked.extend(line[start..].chars().flat_map(star));
            }
        }
    }
    mask_userinfo(&masked)
}

/// Hides what stands between `//` and `@`.
fn mask_userinfo(line: &str) -> String {
    let Some(start) = line.find("//").map(|slashes| slashes + 2) else { return line.to_owned() };
    let Some(end) = line.rfind('@').filter(|end| *end > start) else { return line.to_owned() };
    let hidden = line[start..end].chars().flat_map(star);
    line[..start].chars().chain(hidden).chain(line[end..].chars()).collect()
}

/// As many stars as the character has bytes; what shapes the line stays.
fn star(c: char) -> impl Iterator<Item = char> {
    let (shown, times) = match c {
        '"' | '\'' | '\n' | '\r' | '\t' | ' ' | '#' => (c, 1),
        other => ('*', other.len_utf8()),
    };
    std::iter::repeat_n(shown, times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_a_secret_is_masked_in_place() {
        for (line, shown) in [
            ("api_key = \"sk-1\"\n", "api_key = \"****\"\n"),
            ("api_key = \"env:KEY\" # ours\n", "api_key = \"env:KEY\" # ours\n"),
            ("\"api_key\"='ßk", "\"api_key\"='***"),
            ("a = { token = \"x\", hash = \"y\" }", "a = { token = \"*\"* **** * \"*\" *"),
            ("base_url = \"http://u:p@host/\"", "base_url = \"http://***@host/\""),
            ("requests = \"10/minute\"", "requests = \"10/minute\""),
        ] {
            assert_eq!(masked(line), shown);
            assert_eq!(masked(line).len(), line.len());
        }
    }

    #[test]
    fn places_are_counted_from_one() {
        let source = Source::new("a", "ab\nß=c\n");
        assert_eq!(source.line_and_column(0), (1, 1));
        assert_eq!(source.line_and_column(1), (1, 2));
        assert_eq!(source.line_and_column(5), (2, 2));
        assert_eq!(source.line_and_column(99), (3, 1));
    }
}
