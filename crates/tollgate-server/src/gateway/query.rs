//! What stands in a query: a key, as Google's clients may send it, and what is left out.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The key in the query of a path, if there is one.
pub(super) fn key(query: Option<&str>) -> Option<Cow<'_, str>> {
    let mut pairs = query?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let (_, value) = pairs.find(|(name, _)| is_key(name))?;
    percent_decode_str(value).decode_utf8().ok()
}

/// The path and its query, without any key.
pub(super) fn without_key(path: &str, query: &str) -> String {
    let kept = query.split('&').filter(|pair| !is_key(pair.split('=').next().unwrap_or_default()));
    let kept: Vec<&str> = kept.collect();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}

/// A path with those pairs of its query that are kept, and as they are kept; nothing where it
/// has no query.
pub(super) fn keeping<'a>(
    path_and_query: &'a str,
    keep: impl FnMut(&'a str) -> Option<Cow<'a, str>>,
) -> Option<String> {
    let (path, query) = path_and_query.split_once('?')?;
    let kept: Vec<Cow<'_, str>> = query.split('&').filter_map(keep).collect();
    Some(if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) })
}

/// The name of a parameter as Google reads it; one of the system's may begin with `$`.
pub(super) fn name(written: &str) -> Cow<'_, [u8]> {
    let name: Cow<'_, [u8]> = percent_decode_str(written).into();
    match name.strip_prefix(b"$") {
        Some(bare) => Cow::Owned(bare.to_vec()),
        None => name,
    }
}

fn is_key(written: &str) -> bool {
    *name(written) == *b"key"
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
            ("%24key=a&alt=sse&$key=b", Some("a"), "/p?alt=sse"),
            ("keys=a&alt=sse", None, "/p?keys=a&alt=sse"),
            ("key", Some(""), "/p"),
        ] {
            assert_eq!(key(Some(query)).as_deref(), found, "{query}");
            assert_eq!(without_key("/p", query), kept, "{query}");
        }
        assert_eq!(key(None), None);
    }
}
