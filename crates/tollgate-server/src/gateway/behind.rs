//! A request for a name, made one for a model behind it.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_TYPE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use tollgate_meter::{openai::transcriptions, with_model};

use super::{
    dialect::{DEPLOYMENTS, Target},
    prepared::Asked,
    query,
};

/// What stands for itself in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The path with its query, and the body, with another model's name; nothing where the name
/// does not stand where it should.
pub(super) fn behind(asked: &Asked, model: &str) -> Option<(String, Bytes)> {
    let Asked { rest, body, target, .. } = asked;
    let in_path = |at| Some((renamed(rest, at, model), body.clone()));
    match target {
        // Where the path names a deployment, nobody reads what the body says.
        _ if asked.deployment.is_some() => in_path(segment(rest, DEPLOYMENTS)?),
        Target::Text(_) | Target::Response | Target::Message(_) => {
            Some((rest.clone(), with_model(body, model)?))
        }
        Target::Transcription => {
            let kind = content_type(&asked.head.headers).unwrap_or_default();
            Some((rest.clone(), transcriptions::with_model(kind, body, model)?))
        }
        Target::Content(_) => in_path(google(rest)?),
        Target::Model(_) => in_path(segment(rest, "/model/")?),
        Target::Listen(_) | Target::Live(_) => Some((in_query(rest, model)?, body.clone())),
    }
}

/// The type of a body, if it is text.
pub(super) fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()
}

fn renamed(rest: &str, at: Range<usize>, model: &str) -> String {
    let name = utf8_percent_encode(model, SEGMENT);
    format!("{}{name}{}", &rest[..at.start], &rest[at.end..])
}

/// Between `/models/` and the method after the last colon.
fn google(rest: &str) -> Option<Range<usize>> {
    let path = path(rest);
    let start = path.find("/models/")? + "/models/".len();
    let end = path.rfind(':').filter(|end| *end >= start)?;
    Some(start..end)
}

/// The segment after this.
fn segment(rest: &str, before: &str) -> Option<Range<usize>> {
    let path = path(rest);
    let start = path.find(before)? + before.len();
    let length = path[start..].find('/')?;
    Some(start..start + length)
}

/// The value of `model` in the query, however that is written.
fn in_query(rest: &str, model: &str) -> Option<String> {
    let mut is_there = false;
    let made = query::keeping(rest, |pair| {
        let name = pair.split('=').next().unwrap_or_default();
        if *percent_decode_str(name).collect::<Vec<u8>>() != *b"model" {
            return Some(Cow::Borrowed(pair));
        }
        is_there = true;
        Some(format!("{name}={}", utf8_percent_encode(model, SEGMENT)).into())
    });
    made.filter(|_| is_there)
}

fn path(rest: &str) -> &str {
    &rest[..rest.find('?').unwrap_or(rest.len())]
}

#[cfg(test)]
mod tests {
    use http::{Request, Uri};
    use tollgate_core::{Now, Time, policy::settings::Dialect};

    use super::*;

    const FORM: &str =
        "--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nsmart\r\n--x--\r\n";

    fn made(dialect: Dialect, rest: &str, body: &'static str) -> Option<(String, String)> {
        let (path, query) = rest.split_once('?').map_or((rest, None), |(p, q)| (p, Some(q)));
        let target = Target::of(dialect, path, query).expect("a path").expect("it is metered");
        let request = Request::post("/").header(CONTENT_TYPE, "multipart/form-data; boundary=x");
        let asked = Asked {
            call: None,
            head: request.body(()).expect("a request").into_parts().0,
            rest: rest.to_owned(),
            uri: Uri::from_static("/"),
            body: Bytes::from_static(body.as_bytes()),
            target,
            deployment: (dialect == Dialect::Azure).then(|| "smart".to_owned()),
            name: Some("smart".into()),
            read: Now { time: Time::ZERO, wall: Time::ZERO },
        };
        let (rest, body) = behind(&asked, "v/2:b")?;
        Some((rest, String::from_utf8(body.to_vec()).expect("text")))
    }

    #[test]
    fn the_name_is_where_the_dialect_has_it() {
        let body = r#"{"model":"smart"}"#;
        let json = r#"{"model":"v/2:b"}"#;
        let form = FORM.replace("smart", "v/2:b");
        for (dialect, rest, sent, to, with) in [
            (Dialect::Openai, "/v1/chat/completions", body, "/v1/chat/completions", json),
            (Dialect::Openai, "/v1/responses?a=b", body, "/v1/responses?a=b", json),
            (Dialect::Openai, "/v1/audio/transcriptions", FORM, "/v1/audio/transcriptions", &form),
            (Dialect::Anthropic, "/v1/messages", body, "/v1/messages", json),
            (
                Dialect::Azure,
                "/openai/deployments/sm%61rt/chat/completions?api-version=1",
                body,
                "/openai/deployments/v%2F2%3Ab/chat/completions?api-version=1",
                body,
            ),
            (
                Dialect::Azure,
                "/openai/deployments/smart/audio/transcriptions",
                FORM,
                "/openai/deployments/v%2F2%3Ab/audio/transcriptions",
                FORM,
            ),
            (
                Dialect::Gemini,
                "/v1beta/models/smart:streamGenerateContent?alt=sse",
                body,
                "/v1beta/models/v%2F2%3Ab:streamGenerateContent?alt=sse",
                body,
            ),
            (Dialect::Bedrock, "/model/smart/converse", body, "/model/v%2F2%3Ab/converse", body),
            (
                Dialect::Deepgram,
                "/v1/listen?smart_format=true&mod%65l=smart&language=en",
                body,
                "/v1/listen?smart_format=true&mod%65l=v%2F2%3Ab&language=en",
                body,
            ),
        ] {
            let expected = Some((to.to_owned(), with.to_owned()));
            assert_eq!(made(dialect, rest, sent), expected, "{rest}");
        }
        assert_eq!(made(Dialect::Openai, "/v1/audio/transcriptions", body), None, "it is no form");
    }
}
