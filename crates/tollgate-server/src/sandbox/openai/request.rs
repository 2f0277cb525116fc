//! What a request's body asks for.
//!
//! Input is as many tokens as a quarter of its bytes.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::sandbox::{
    asked::{bad, json, missing, named, tokens_of_bytes},
    dialect::{Shape, TextRequest},
    failure::Failure,
};

/// Which endpoint's shapes a text answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `/chat/completions`.
    Chat,
    /// `/completions`.
    Completion,
}

/// A request for embeddings.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EmbeddingsRequest {
    pub(super) model: String,
    pub(super) inputs: Vec<Input>,
    pub(super) dimensions: u32,
    /// Vectors as base64 of little-endian floats instead of lists.
    pub(super) base64: bool,
}

/// One text to embed or complete, as text or as the ids of its tokens.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    Text(String),
    Ids(Vec<u32>),
}

#[derive(Deserialize)]
struct TextBody<'a> {
    model: Option<String>,
    #[serde(borrow)]
    messages: Option<Vec<Message<'a>>>,
    prompt: Option<Inputs>,
    #[serde(default)]
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    n: Option<u32>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
struct EmbeddingsBody {
    model: Option<String>,
    input: Option<Inputs>,
    dimensions: Option<u32>,
    encoding_format: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Inputs {
    Text(String),
    Texts(Vec<String>),
    Ids(Vec<u32>),
    ManyIds(Vec<Vec<u32>>),
}

const MAX_CHOICES: u32 = 128;
const MAX_INPUTS: usize = 2048;
const MAX_DIMENSIONS: u32 = 4096;
const DIMENSIONS: u32 = 1536;

/// Reads the body of a request for text. Its `shape` depends on whether a stream shall end
/// with its usage.
pub(super) fn text(
    style: Style,
    body: &[u8],
    deployment: Option<&str>,
    shape: impl FnOnce(bool) -> Box<dyn Shape>,
) -> Result<TextRequest, Failure> {
    let body: TextBody<'_> = json(body)?;
    let input_tokens = match style {
        Style::Chat => {
            let messages = body.messages.filter(|messages| !messages.is_empty());
            tokens_of_bytes(text_bytes(&messages.ok_or_else(|| missing("messages"))?)?)
        }
        Style::Completion => {
            let prompt = body.prompt.ok_or_else(|| missing("prompt"))?;
            prompt.list().iter().fold(0, |sum: u32, input| sum.saturating_add(input.tokens()))
        }
    };
    let max_tokens = body.max_completion_tokens.or(body.max_tokens);
    if max_tokens == Some(0) {
        return Err(bad("max_tokens must be at least 1.", "max_tokens"));
    }
    let choices = body.n.unwrap_or(1);
    if !(1..=MAX_CHOICES).contains(&choices) {
        return Err(bad("n must be from 1 to 128.", "n"));
    }
    Ok(TextRequest {
        model: named(deployment.map(str::to_owned).or(body.model))?,
        choices,
        max_tokens,
        stream: body.stream.unwrap_or(false),
        input_tokens,
        shape: shape(body.stream_options.is_some_and(|options| options.include_usage)),
    })
}

impl EmbeddingsRequest {
    /// Reads the body of a request for embeddings.
    pub(super) fn parse(body: &[u8], deployment: Option<&str>) -> Result<Self, Failure> {
        let body: EmbeddingsBody = json(body)?;
        let inputs = body.input.ok_or_else(|| missing("input"))?.list();
        if !(1..=MAX_INPUTS).contains(&inputs.len()) {
            return Err(bad("input must have from 1 to 2048 texts.", "input"));
        }
        let dimensions = body.dimensions.unwrap_or(DIMENSIONS);
        if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
            return Err(bad("dimensions must be from 1 to 4096.", "dimensions"));
        }
        let base64 = match body.encoding_format.as_deref() {
            None | Some("float") => false,
            Some("base64") => true,
            Some(_) => return Err(bad("encoding_format is float or base64.", "encoding_format")),
        };
        let model = named(deployment.map(str::to_owned).or(body.model))?;
        Ok(Self { model, inputs, dimensions, base64 })
    }
}

impl Input {
    /// Its length in tokens: a quarter of a text's bytes, at least 1.
    pub(super) fn tokens(&self) -> u32 {
        match self {
            Self::Text(text) => tokens_of_bytes(text.len()),
            Self::Ids(ids) => u32::try_from(ids.len().max(1)).unwrap_or(u32::MAX),
        }
    }
}

impl Inputs {
    fn list(self) -> Vec<Input> {
        match self {
            Self::Text(text) => vec![Input::Text(text)],
            Self::Texts(texts) => texts.into_iter().map(Input::Text).collect(),
            Self::Ids(ids) => vec![Input::Ids(ids)],
            Self::ManyIds(lists) => lists.into_iter().map(Input::Ids).collect(),
        }
    }
}

fn text_bytes(messages: &[Message<'_>]) -> Result<usize, Failure> {
    let mut bytes = 0;
    for content in messages.iter().filter_map(|message| message.content) {
        bytes += match content.get().as_bytes() {
            [b'"', text @ .., b'"'] if !text.contains(&b'\\') => text.len(),
            [b'"', ..] => json::<String>(content.get().as_bytes())?.len(),
            [b'[', ..] => {
                let parts: Vec<Part<'_>> = json(content.get().as_bytes())?;
                parts.iter().filter_map(|part| part.text.as_deref()).map(str::len).sum()
            }
            _ => return Err(bad("content must be a text or a list of parts.", "messages")),
        };
    }
    Ok(bytes)
}
