//! What a request's body asks for.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Which endpoint's shapes a text answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// `/chat/completions`.
    Chat,
    /// `/completions`.
    Completion,
}

/// A request for text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TextRequest {
    pub(crate) style: Style,
    pub(crate) model: String,
    /// Alternative answers asked for, 1 to 128.
    pub(crate) choices: u32,
    /// The most tokens of one choice.
    pub(crate) max_tokens: Option<u32>,
    pub(crate) stream: bool,
    /// Whether a stream shall end with its usage.
    pub(crate) include_usage: bool,
    /// The prompt's length, a quarter of its bytes, at least 1.
    pub(crate) input_tokens: u32,
}

/// A request for embeddings.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EmbeddingsRequest {
    pub(crate) model: String,
    pub(crate) inputs: Vec<Input>,
    pub(crate) dimensions: u32,
    /// Vectors as base64 of little-endian floats instead of lists.
    pub(crate) base64: bool,
}

/// One text to embed or complete, as text or as the ids of its tokens.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Text(String),
    Ids(Vec<u32>),
}

/// Why a body is refused: one sentence for its sender, and the member at fault.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadRequest {
    pub(crate) message: String,
    pub(crate) param: Option<&'static str>,
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
const BYTES_PER_TOKEN: usize = 4;

impl TextRequest {
    /// Reads the body of a request for text.
    pub(crate) fn parse(style: Style, body: &[u8]) -> Result<Self, BadRequest> {
        let body: TextBody<'_> = json(body)?;
        let input_tokens = match style {
            Style::Chat => {
                let messages = body.messages.filter(|messages| !messages.is_empty());
                let messages = messages.ok_or_else(|| missing("messages"))?;
                text_bytes(&messages)?.div_ceil(BYTES_PER_TOKEN)
            }
            Style::Completion => {
                let prompt = body.prompt.ok_or_else(|| missing("prompt"))?;
                prompt.list().iter().map(|input| input.tokens() as usize).sum()
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
        Ok(Self {
            style,
            model: named(body.model)?,
            choices,
            max_tokens,
            stream: body.stream.unwrap_or(false),
            include_usage: body.stream_options.is_some_and(|options| options.include_usage),
            input_tokens: clamp(input_tokens),
        })
    }
}

impl EmbeddingsRequest {
    /// Reads the body of a request for embeddings.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, BadRequest> {
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
        Ok(Self { model: named(body.model)?, inputs, dimensions, base64 })
    }
}

impl Input {
    /// Its length in tokens: a quarter of a text's bytes, at least 1.
    pub(crate) fn tokens(&self) -> u32 {
        clamp(match self {
            Self::Text(text) => text.len().div_ceil(BYTES_PER_TOKEN),
            Self::Ids(ids) => ids.len(),
        })
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

fn text_bytes(messages: &[Message<'_>]) -> Result<usize, BadRequest> {
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

fn json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, BadRequest> {
    serde_json::from_slice(body).map_err(|error| BadRequest {
        message: format!("We could not parse the JSON body of your request: {error}."),
        param: None,
    })
}

fn named(model: Option<String>) -> Result<String, BadRequest> {
    model.filter(|model| !model.is_empty()).ok_or_else(|| BadRequest {
        message: "you must provide a model parameter".into(),
        param: None,
    })
}

fn missing(param: &'static str) -> BadRequest {
    BadRequest { message: format!("Missing required parameter: '{param}'."), param: Some(param) }
}

fn bad(message: &str, param: &'static str) -> BadRequest {
    BadRequest { message: message.into(), param: Some(param) }
}

fn clamp(tokens: usize) -> u32 {
    u32::try_from(tokens.max(1)).unwrap_or(u32::MAX)
}
