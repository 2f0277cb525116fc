//! A key in a query, as Google's clients may send it.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The key in the query of a path, if there is one.
pub(super) fn key(query: Option<&str>) -> Option<Cow<'_, str>> {
    let (_, value) = pairs(query?).find(|(name, _)| is_key(name))?;
    percent_decode_str(value).decode_utf8().ok()
}

/// The path and its query, without any key.
pub(super) fn without_key(path: &str, query: &str) -> String {
    let kept = query.split('&').filter(|pair| !is_key(pair.split('=').next().unwrap_or_default()));
    let kept: Vec<&str> = kept.collect();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn is_key(name: &str) -> bool {
    percent_decode_str(name).eq(b"key".iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_and_taken_out_however_it_is_written() {
        for (query, found, kept) in [
            ("key=a", Some("a"), "/p"),
            ("alt=sse&key=a%2Fb", Some("a/b"), "/p?alt=sse"),
            ("k%65y=a&alt=sse&key=b", Some("a"), "/p?alt=sse"),
            ("keys=a&alt=sse", None, "/p?keys=a&alt=sse"),
            ("key", Some(""), "/p"),
        ] {
            assert_eq!(key(Some(query)).as_deref(), found, "{query}");
            assert_eq!(without_key("/p", query), kept, "{query}");
        }
        assert_eq!(key(None), None);
    }
}
