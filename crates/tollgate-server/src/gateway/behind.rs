//! A request for a name, made one for a model behind it.

use std::ops::Range;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tollgate_meter::with_model;

use super::dialect::Target;

/// What stands for itself in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The path with its query, and the body, with another model's name; nothing where the name
/// stands in neither.
pub(super) fn behind(
    target: &Target,
    rest: &str,
    body: &Bytes,
    model: &str,
) -> Option<(String, Bytes)> {
    match target {
        Target::Text(_) | Target::Response | Target::Message(_) => {
            Some((rest.to_owned(), with_model(body, model)?))
        }
        Target::Content(_) => Some((renamed(rest, google(rest)?, model), body.clone())),
        Target::Model(_) => Some((renamed(rest, amazon(rest)?, model), body.clone())),
        Target::Transcription | Target::Listen(_) => None,
    }
}

fn renamed(rest: &str, at: Range<usize>, model: &str) -> String {
    let name = utf8_percent_encode(model, SEGMENT);
    format!("{}{name}{}", &rest[..at.start], &rest[at.end..])
}

/// Between `/models/` and the method after the last colon.
fn google(rest: &str) -> Option<Range<usize>> {
    let path = &rest[..rest.find('?').unwrap_or(rest.len())];
    let start = path.find("/models/")? + "/models/".len();
    let end = path.rfind(':').filter(|end| *end >= start)?;
    Some(start..end)
}

/// The segment after `/model/`.
fn amazon(rest: &str) -> Option<Range<usize>> {
    let start = rest.find("/model/")? + "/model/".len();
    let length = rest[start..].find('/')?;
    Some(start..start + length)
}

#[cfg(test)]
mod tests {
    use tollgate_core::policy::settings::Dialect;

    use super::*;

    fn made(dialect: Dialect, rest: &str, body: &'static str) -> Option<(String, String)> {
        let (path, query) = rest.split_once('?').map_or((rest, None), |(p, q)| (p, Some(q)));
        let target = Target::of(dialect, path, query).expect("a path").expect("it is metered");
        let (rest, body) = behind(&target, rest, &Bytes::from_static(body.as_bytes()), "v/2:b")?;
        Some((rest, String::from_utf8(body.to_vec()).expect("text")))
    }

    #[test]
    fn the_name_is_where_the_dialect_has_it() {
        let body = r#"{"model":"smart"}"#;
        for (dialect, rest, to, with) in [
            (
                Dialect::Openai,
                "/v1/chat/completions",
                "/v1/chat/completions",
                r#"{"model":"v/2:b"}"#,
            ),
            (Dialect::Anthropic, "/v1/messages", "/v1/messages", r#"{"model":"v/2:b"}"#),
            (
                Dialect::Gemini,
                "/v1beta/models/smart:streamGenerateContent?alt=sse",
                "/v1beta/models/v%2F2%3Ab:streamGenerateContent?alt=sse",
                body,
            ),
            (Dialect::Bedrock, "/model/smart/converse", "/model/v%2F2%3Ab/converse", body),
        ] {
            let expected = Some((to.to_owned(), with.to_owned()));
            assert_eq!(made(dialect, rest, body), expected, "{rest}");
        }
        assert_eq!(made(Dialect::Deepgram, "/v1/listen?model=smart", ""), None);
    }
}
