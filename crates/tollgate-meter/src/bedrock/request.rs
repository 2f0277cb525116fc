//! The scan of a request: its path, and what its body asks for.

use bytes::Bytes;

use super::{
    converse,
    families::Family,
    invoke::{self, Asked},
    stream::{Converse, Invoke},
    usage,
};
use crate::{
    AnyRequest, Gauge, PlainMeter, Scan, ScanError, StreamMeter, Tokenizer, anthropic,
    edit::{self, Edit},
    members::{self, Raw},
    ruler::Ruler,
    stream::{Events, frames::Frames},
    tally::Tally,
};

/// What is asked of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `converse`
    Converse,
    /// `converse-stream`
    ConverseStream,
    /// `invoke`
    Invoke,
    /// `invoke-with-response-stream`
    InvokeStream,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The model, the profile or the prompt, by its id or name.
    pub model: String,
    /// What is asked of it.
    pub operation: Operation,
}

/// A request that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked of the model.
    pub operation: Operation,
    /// What it asks for.
    pub scan: Scan,
    family: Family,
}

/// Scans the body of a request.
///
/// Takes memory that does not depend on the body, and time linear in its length.
///
/// # Errors
/// Where the body is no JSON object, or where what decides the charge is missing, is of
/// the wrong type or out of range, or could be read in two ways.
pub fn scan(target: &Target, body: &[u8]) -> Result<Request, ScanError> {
    let operation = target.operation;
    let model = members::checked_model(target.model.clone())?;
    let family = Family::of(&model);
    let Asked { input, most, dearer, thinks, tools } =
        asked(operation, family, members::text(body)?, None)?;
    // A prompt that is kept is sent with the body.
    let input = input.or_open(model.contains(":prompt/"));
    let stream = matches!(operation, Operation::ConverseStream | Operation::InvokeStream);
    let choices = u64::from(family != Family::Embedding);
    let scan = Scan {
        model,
        stream,
        input,
        max_output_tokens: most,
        choices,
        audio: None,
        dearer,
        thinks,
        tools,
    };
    Ok(Request { operation, scan, family })
}

fn asked(
    operation: Operation,
    family: Family,
    body: &str,
    tokenizer: Option<Tokenizer>,
) -> Result<Asked, ScanError> {
    if !operation.is_converse() {
        return invoke::asked(family, body, tokenizer);
    }
    let raw = Raw::parse(&converse::NAMES, body)?;
    let ruler = Ruler::of(&converse::WORDS);
    let ruler = tokenizer.map_or(ruler, |tokenizer| ruler.with(tokenizer));
    converse::asked(&raw, ruler)
}

impl Operation {
    const fn is_converse(self) -> bool {
        matches!(self, Self::Converse | Self::ConverseStream)
    }
}

impl Target {
    /// Where a path leads, wherever the API is mounted; nothing where it is not metered.
    pub fn of(path: &str) -> Option<Self> {
        let (rest, operation) = path.trim_end_matches('/').rsplit_once('/')?;
        let operation = match operation {
            "converse" => Operation::Converse,
            "converse-stream" => Operation::ConverseStream,
            "invoke" => Operation::Invoke,
            "invoke-with-response-stream" => Operation::InvokeStream,
            _ => return None,
        };
        // An ARN has slashes of its own, which not every client writes as `%2F`.
        let (_, model) = rest.split_once("/model/")?;
        let model = percent_encoding::percent_decode_str(model).decode_utf8().ok()?;
        Some(Self { model: model.into_owned(), operation })
    }
}

impl AnyRequest for Request {
    fn scan(&self) -> &Scan {
        &self.scan
    }

    fn scan_mut(&mut self) -> &mut Scan {
        &mut self.scan
    }

    fn plain_meter(&self) -> PlainMeter {
        let read = if self.operation.is_converse() { usage::read } else { self.family.usage() };
        PlainMeter::of(&self.scan, "usage", read)
    }

    fn stream_meter(&self, gauge: Gauge) -> StreamMeter {
        let events: Box<dyn Events> = if self.operation.is_converse() {
            Box::new(Converse)
        } else {
            Box::new(Invoke::new(self.family))
        };
        StreamMeter::of(Frames::aws(), events, Tally::new(&self.scan, gauge, true))
    }

    fn count_input(&mut self, body: &[u8], tokenizer: Tokenizer) {
        let text = members::text(body);
        let asked = text.and_then(|text| asked(self.operation, self.family, text, Some(tokenizer)));
        if let Ok(asked) = asked {
            self.scan.input = asked.input.within(self.scan.input).or_open(self.scan.input.is_open);
        }
    }

    fn rename(&mut self, model: String) {
        self.scan.model = model;
    }

    /// Which member a model obeys is not known for all.
    fn is_clampable(&self) -> bool {
        self.operation.is_converse() || self.family == Family::Anthropic
    }

    fn clamped_body(&self, body: &Bytes, most: u64) -> Bytes {
        if self.operation.is_converse() {
            let text = members::text(body).ok();
            return text.and_then(|text| clamped(text, most)).unwrap_or_else(|| body.clone());
        }
        match self.family {
            Family::Anthropic => anthropic::clamped(body, most),
            Family::Nova | Family::Embedding | Family::Other => body.clone(),
        }
    }
}

/// The body of `converse` with its maximum lowered, or with one where it has none; and with
/// whatever maximum it passes on to the model.
fn clamped(body: &str, most: u64) -> Option<Bytes> {
    let raw = Raw::parse(&converse::NAMES, body).ok()?;
    let bound = format!("\"maxTokens\":{most}");
    let mut edits = Vec::new();
    match raw.written("inferenceConfig") {
        None => {
            let member = format!("\"inferenceConfig\":{{{bound}}}");
            edits.push(edit::added(body.find('{')?, raw.empty, &member));
        }
        Some(config) if config.get() == "null" => {
            let at = edit::place(body, config.get());
            edits.push(Edit { at, text: format!("{{{bound}}}").into() });
        }
        Some(config) => {
            let inner = Raw::parse(&["maxTokens"], config.get()).ok()?;
            match inner.written("maxTokens") {
                Some(told) => edits.extend(edit::lowered(body, told, most)),
                None => {
                    let brace = edit::place(body, config.get()).start;
                    edits.push(edit::added(brace, inner.empty, &bound));
                }
            }
        }
    }
    let passed_on = raw.value("additionalModelRequestFields");
    if let Some(inner) = passed_on.and_then(|all| Raw::parse(&converse::MAXIMA, all.get()).ok()) {
        let told = converse::MAXIMA.iter().filter_map(|member| inner.value(member));
        edits.extend(told.filter_map(|told| edit::lowered(body, told, most)));
    }
    Some(edit::all(body, edits))
}
