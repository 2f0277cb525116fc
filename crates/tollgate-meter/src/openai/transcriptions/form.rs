//! A form, `multipart/form-data`, read where it lies: the parts and where each ends.
//!
//! Only what all readers take alike is taken at all: lines end with CRLF, and each part has one
//! name. What two readers could read in two ways is an error.

use memchr::memmem;

use crate::ScanError;

/// One part of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it holds.
    pub value: &'a [u8],
}

/// The longest boundary, as RFC 2046 has it.
const MAX_BOUNDARY_BYTES: usize = 70;

/// The most bytes that the head of a part may have.
const MAX_HEAD_BYTES: usize = 4 << 10;

/// The most parts.
const MAX_PARTS: usize = 64;

/// Hands out the parts of a form one by one.
///
/// # Errors
/// Where the type names no boundary, or the body is no such form.
pub fn parts<'a>(
    content_type: &str,
    body: &'a [u8],
    mut take: impl FnMut(Part<'a>) -> Result<(), ScanError>,
) -> Result<(), ScanError> {
    let boundary = boundary(content_type).ok_or_else(|| wrong("its type names no boundary"))?;
    let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
    let finder = memmem::Finder::new(&delimiter);
    // The first delimiter has no line before it.
    let mut rest = body
        .strip_prefix(&delimiter[2..])
        .ok_or_else(|| wrong("it does not begin with its boundary"))?;
    for _ in 0..=MAX_PARTS {
        if rest.starts_with(b"--") {
            return Ok(());
        }
        let part = rest.strip_prefix(b"\r\n").ok_or_else(|| wrong("a boundary ends no line"))?;
        let end = finder.find(part).ok_or_else(|| wrong("its last part has no end"))?;
        take(read(&part[..end])?)?;
        rest = &part[end + delimiter.len()..];
    }
    Err(wrong("it has too many parts"))
}

fn read(part: &[u8]) -> Result<Part<'_>, ScanError> {
    let within = &part[..part.len().min(MAX_HEAD_BYTES)];
    let end = memmem::find(within, b"\r\n\r\n").ok_or_else(|| wrong("a part has no head"))?;
    let head =
        std::str::from_utf8(&part[..end]).map_err(|_| wrong("the head of a part is no text"))?;
    let name = name(head).ok_or_else(|| wrong("a part has not exactly one name"))?;
    Ok(Part { name, value: &part[end + 4..] })
}

/// The name of a part, if there is exactly one.
fn name(head: &str) -> Option<&str> {
    let mut names = head.split("\r\n").filter_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    });
    let disposition = names.next()?;
    if names.next().is_some() {
        return None;
    }
    let mut parameters = parameters(disposition)?.into_iter();
    let name = parameters.find(|(name, _)| name.eq_ignore_ascii_case("name"))?.1;
    // `name*` is another spelling of it.
    let is_alone = parameters
        .all(|(name, _)| !name.eq_ignore_ascii_case("name") && !name.eq_ignore_ascii_case("name*"));
    is_alone.then_some(name)
}

/// The boundary that a type names.
fn boundary(content_type: &str) -> Option<&str> {
    let kind = content_type.split(';').next()?.trim();
    if !kind.eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut named = parameters(content_type)?.into_iter();
    let boundary = named.find(|(name, _)| name.eq_ignore_ascii_case("boundary"))?.1;
    let is_one = !boundary.is_empty() && boundary.len() <= MAX_BOUNDARY_BYTES;
    (is_one && named.all(|(name, _)| !name.eq_ignore_ascii_case("boundary"))).then_some(boundary)
}

/// The parameters of a header's value, quoted or not; nothing where quotes do not match or
/// hold a backslash, which readers take in two ways.
fn parameters(value: &str) -> Option<Vec<(&str, &str)>> {
    let mut all = Vec::new();
    let mut rest = value.split_once(';').map_or("", |(_, rest)| rest);
    while !rest.trim().is_empty() {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (value, next) = quoted.split_once('"')?;
                if value.contains('\\') {
                    return None;
                }
                (value, next.trim_start())
            }
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim(), &after[end..])
            }
        };
        all.push((name.trim(), value));
        rest = match next.strip_prefix(';') {
            Some(next) => next,
            None if next.is_empty() => next,
            None => return None,
        };
    }
    Some(all)
}

fn wrong(why: &str) -> ScanError {
    ScanError::NoForm(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_quoted_or_not() {
        let read = |text| {
            parameters(text)
                .map(|all| all.into_iter().map(|(a, b)| format!("{a}|{b}")).collect::<Vec<_>>())
        };
        assert_eq!(
            read("form-data; name=\"a;b\"; filename = c"),
            Some(vec!["name|a;b".to_owned(), "filename|c".to_owned()])
        );
        assert_eq!(read("form-data"), Some(vec![]));
        for wrong in ["a; name=\"b", "a; name", "a; name=\"b\\\"c\"", "a; name=\"b\"c"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(name("Content-Disposition: form-data; name=\"a\""), Some("a"));
        assert_eq!(name("Content-Disposition: form-data; name=a; name=b"), None);
        assert_eq!(name("Content-Disposition: form-data; name=a; name*=b"), None);
        assert_eq!(name("Content-Disposition: a; name=a\r\ncontent-disposition: a; name=b"), None);
        assert_eq!(boundary("Multipart/Form-Data; boundary=\"x y\""), Some("x y"));
        assert_eq!(boundary("application/json; boundary=x"), None);
    }
}
