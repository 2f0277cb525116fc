//! Transcriptions: a form with a file, plain and as events.

use http::{HeaderMap, header};
use serde_json::{Value, json};
use tollgate_meter::openai::transcriptions::form;

use crate::sandbox::{
    answer::{Answer, Told, with},
    asked::{bad, missing, named},
    audio::Millis,
    content,
    dialect::{Asked, EVENT_STREAM, Shape, TextRequest, Whole},
    events::{Events, Script},
    failure::Failure,
    plan::Report,
};

/// How a transcript looks.
struct Transcript {
    duration: Millis,
    format: Format,
    /// Whether its use is told in seconds, as the older models do.
    is_by_duration: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Verbose,
    Text,
}

/// What the form says.
#[derive(Default)]
struct Form<'a> {
    model: Option<&'a [u8]>,
    file: Option<&'a [u8]>,
    format: Option<&'a [u8]>,
    stream: Option<&'a [u8]>,
}

/// Models whose use is told in seconds, by the start of their names.
const BY_DURATION: &str = "whisper";

/// Milliseconds of audio to a token of input.
const MILLIS_PER_TOKEN: u64 = 100;

/// Reads a form.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Asked, Failure> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let mut form = Form::default();
    form::parts(content_type.unwrap_or_default(), body, |part| {
        let field = match part.name {
            "model" => &mut form.model,
            "file" => &mut form.file,
            "response_format" => &mut form.format,
            "stream" => &mut form.stream,
            _ => return Ok(()),
        };
        *field = Some(part.value);
        Ok(())
    })
    .map_err(|error| Failure::invalid(error.to_string(), None))?;
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let model = named(form.model.map(text))?;
    let duration = Millis::of_file(form.file.ok_or_else(|| missing("file"))?);
    let format = match form.format {
        None | Some(b"json") => Format::Json,
        Some(b"verbose_json") => Format::Verbose,
        Some(b"text") => Format::Text,
        Some(_) => {
            let why = "response_format is json, verbose_json or text.";
            return Err(bad(why, "response_format"));
        }
    };
    let is_by_duration = model.starts_with(BY_DURATION);
    let heard = u32::try_from(duration.0.div_ceil(MILLIS_PER_TOKEN)).unwrap_or(u32::MAX);
    Ok(Asked::Text(TextRequest {
        model,
        choices: 1,
        max_tokens: None,
        stream: !is_by_duration && matches!(form.stream, Some(b"true" | b"True" | b"1")),
        input_tokens: heard,
        shape: Box::new(Transcript { duration, format, is_by_duration }),
    }))
}

impl Shape for Transcript {
    fn plain(&self, answer: &Answer) -> Whole {
        let text = answer.text();
        if self.format == Format::Text {
            let body = format!("{text}\n");
            return Whole { content_type: "text/plain; charset=utf-8", headers: vec![], body };
        }
        let whole = with(json!({"text": text}), "usage", self.usage(answer));
        if self.format == Format::Json {
            return Whole::json(whole.to_string());
        }
        let whole = with(whole, "duration", Some(self.duration.seconds()));
        let whole = with(whole, "language", Some("english".into()));
        let whole = with(whole, "segments", Some(json!([])));
        Whole::json(with(whole, "task", Some("transcribe".into())).to_string())
    }

    fn stream(&self, answer: Answer) -> (&'static str, Box<dyn Events>) {
        let done = json!({"type": "transcript.text.done", "text": answer.text(), "logprobs": []});
        let done = with(done, "usage", self.usage(&answer));
        let write = |place: usize, out: &mut Vec<u8>| {
            let word = content::token(place);
            let event = format!(
                "data: {{\"type\":\"transcript.text.delta\",\"delta\":\"{word}\",\"logprobs\":[]}}\n\n"
            );
            out.extend_from_slice(event.as_bytes());
        };
        let error = json!({"error": super::error(&Failure::broken())});
        let script = Script::new(
            Vec::new(),
            answer.tokens(),
            write,
            vec![format!("data: {done}\n\n").into()],
            format!("data: {error}\n\n").into(),
        );
        (EVENT_STREAM, script)
    }
}

impl Transcript {
    fn usage(&self, answer: &Answer) -> Option<Value> {
        if self.is_by_duration {
            let seconds = match answer.report {
                Report::Exact => self.duration.seconds(),
                Report::Omit => return None,
                Report::Lie => json!(-1),
            };
            return Some(json!({"type": "duration", "seconds": seconds}));
        }
        let Told { input, output, total } = answer.told()?;
        Some(json!({
            "type": "tokens",
            "input_tokens": input,
            "input_token_details": {"audio_tokens": input, "text_tokens": 0},
            "output_tokens": output,
            "total_tokens": total,
        }))
    }
}
