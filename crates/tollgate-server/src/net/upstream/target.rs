//! Where a request goes: under the address that the policy gives, and nowhere else.

use http::{
    Uri,
    uri::{Parts, PathAndQuery},
};
use percent_encoding::percent_decode_str;

/// Why a path is not sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadPath {
    /// It climbs.
    #[error("the path has a segment \".\" or \"..\": write it without")]
    Dots,
    /// It begins like a host name.
    #[error("the path begins with two slashes: write one")]
    TwoSlashes,
    /// It is none.
    #[error("the path is not one of an URL")]
    Invalid,
}

/// Puts `rest`, a path with or without a query, behind the path of `base`. Nothing is
/// decoded or encoded on the way; `/` or nothing adds nothing.
///
/// # Errors
/// When the result could mean another place than below `base`.
pub(super) fn join(base: &Uri, rest: &str) -> Result<Uri, BadPath> {
    let (path, query) =
        rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    if !(path.is_empty() || path.starts_with('/')) {
        return Err(BadPath::Invalid);
    }
    if path.starts_with("//") {
        return Err(BadPath::TwoSlashes);
    }
    if has_dot_segment(path) {
        return Err(BadPath::Dots);
    }
    let root = base.path().trim_end_matches('/');
    let mut joined = String::with_capacity(root.len() + rest.len() + 1);
    joined.push_str(root);
    joined.push_str(path);
    if joined.is_empty() {
        joined.push('/');
    }
    if let Some(query) = query {
        joined.push('?');
        joined.push_str(query);
    }
    let mut parts = Parts::default();
    parts.scheme = base.scheme().cloned();
    parts.authority = base.authority().cloned();
    parts.path_and_query = Some(PathAndQuery::try_from(joined).map_err(|_| BadPath::Invalid)?);
    Uri::from_parts(parts).map_err(|_| BadPath::Invalid)
}

/// Whether a server that decodes the path before it walks it would find `.` or `..`.
fn has_dot_segment(path: &str) -> bool {
    // Almost no path has either.
    if !path.contains(['.', '%']) {
        return false;
    }
    let decoded: Vec<u8> = percent_decode_str(path).collect();
    decoded.split(|byte| matches!(byte, b'/' | b'\\')).any(|it| it == b"." || it == b"..")
}
