//! Deepgram: recordings transcribed in one piece.

use bytes::Bytes;
use http::{HeaderMap, Method};
use jiff::Timestamp;
use serde_json::json;

use super::{
    answer::{Answer, with},
    asked::{bad, named},
    audio::Millis,
    dialect::{Asked, Call, Dialect, Shape, TextRequest, Whole, set},
    events::{Events, Script},
    failure::{self, Failure, Why},
    plan::Report,
    quotas::Standings,
};

/// What Deepgram speaks.
pub(crate) struct Deepgram;

/// How a transcript looks.
struct Transcript {
    duration: Millis,
    channels: u64,
}

/// The length of what a link leads to; the sandbox follows none.
const LINKED: Millis = Millis(60_000);

pub(super) const MAX_CHANNELS: u64 = 20;

impl Dialect for Deepgram {
    fn read(&self, call: &Call<'_>) -> Result<Asked, Failure> {
        if (call.method, call.path) != (&Method::POST, "/v1/listen") {
            return Err(Failure::unknown_url(call.method, call.path));
        }
        if call.body.is_empty() {
            return Err(bad("The request has no audio.", "body"));
        }
        let is_link = call.body.trim_ascii_start().starts_with(b"{");
        let duration = if is_link { LINKED } else { Millis::of_file(call.body) };
        let channels = match parameter(call.query, "multichannel").as_deref() {
            Some("true") => parameter(call.query, "channels")
                .and_then(|count| count.parse().ok())
                .unwrap_or(2)
                .clamp(1, MAX_CHANNELS),
            _ => 1,
        };
        Ok(Asked::Text(TextRequest {
            model: named(parameter(call.query, "model"))?,
            choices: 1,
            max_tokens: None,
            stream: false,
            input_tokens: 0,
            shape: Box::new(Transcript { duration, channels }),
        }))
    }

    fn error(&self, failure: &Failure, id: &str, headers: &mut HeaderMap) -> Bytes {
        if let Some(wait) = failure.wait() {
            set(headers, "retry-after", &failure::seconds(wait));
        }
        let (code, message) = match failure.why {
            Why::Invalid | Why::TooLarge => ("Bad Request", &*failure.message),
            Why::NotFound => ("NOT_FOUND", &*failure.message),
            Why::Broken => ("INTERNAL_SERVER_ERROR", &*failure.message),
            Why::Overloaded => ("SERVICE_UNAVAILABLE", &*failure.message),
            Why::Limited(_) => ("TOO_MANY_REQUESTS", "Too many requests. Please try again later"),
        };
        json!({"err_code": code, "err_msg": message, "request_id": uuid(id)}).to_string().into()
    }

    /// It tells nothing of its limits.
    fn announce(&self, id: &str, _standings: Option<&Standings>, headers: &mut HeaderMap) {
        set(headers, "dg-request-id", &uuid(id));
    }
}

impl Shape for Transcript {
    fn plain(&self, answer: &Answer) -> Whole {
        let (model, created) = (uuid(""), i64::try_from(answer.created_secs()));
        let created = Timestamp::from_second(created.unwrap_or_default()).unwrap_or_default();
        let info = json!({"name": answer.model, "version": "sandbox", "arch": answer.model});
        let metadata = json!({
            "transaction_key": "deprecated",
            "request_id": uuid(&answer.id),
            "sha256": "0".repeat(64),
            "created": created.to_string(),
            "channels": self.channels,
            "models": [model],
            "model_info": with(json!({}), &model, Some(info)),
        });
        let duration = match answer.report {
            Report::Exact => Some(self.duration.seconds()),
            Report::Omit => None,
            Report::Lie => Some(json!(-1)),
        };
        let transcript = answer.text();
        let heard = json!({
            "alternatives": [{"transcript": transcript.trim(), "confidence": 0.99, "words": []}],
        });
        let channels = vec![heard; usize::try_from(self.channels).unwrap_or(1)];
        let whole = json!({
            "metadata": with(metadata, "duration", duration),
            "results": {"channels": channels},
        });
        Whole::json(whole.to_string())
    }

    /// Recordings have no streams; the text in one piece stands for one.
    fn stream(&self, answer: Answer) -> (&'static str, Box<dyn Events>) {
        let whole = self.plain(&answer);
        let script = Script::new(vec![whole.body.into()], 0, |_, _| {}, vec![], Bytes::new());
        (whole.content_type, script)
    }
}

/// The value of a parameter of the query, decoded.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    let (_, value) = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(known, _)| *known == name)?;
    let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
    Some(value.into_owned())
}

/// An id in the form of a UUID.
pub(super) fn uuid(id: &str) -> String {
    let digits = u128::from_str_radix(id, 16).unwrap_or_default();
    uuid::Uuid::from_u128(digits).to_string()
}
