//! The scan of a request body: what it asks for, and what must change on its way.

mod body;
mod members;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use super::{IMAGE, stream, usage};
use crate::{
    AnyRequest, Gauge, PaidTools, PlainMeter, Scan, ScanError, StreamMeter, Tokenizer,
    calls::{Called, Tool},
    edit::{self, Edit},
    members::checked_model,
    ruler::{Role, Ruler, Words},
};
use members::Members;

/// What the members of messages are.
const WORDS: Words = Words { image: IMAGE, role };

/// The most choices that a request may ask for, as OpenAI has it.
pub const MAX_CHOICES: u64 = 128;

/// The endpoints whose requests are metered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `…/chat/completions`
    ChatCompletions,
    /// `…/completions`, the older one, which takes a prompt.
    Completions,
    /// `…/embeddings`
    Embeddings,
}

/// A request that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where it goes.
    pub endpoint: Endpoint,
    /// What it asks for.
    pub scan: Scan,
    /// Whether the client itself asked for the chunk that tells the usage of a stream.
    pub usage_asked: bool,
    /// Whether it lets the model search the web, whatever that is called.
    searches: bool,
    /// What makes the provider tell it, where the client did not ask.
    edit: Option<Edit>,
}

/// Scans the body of a request.
///
/// Takes memory that does not depend on the body, and time linear in its length.
///
/// # Errors
/// Where the body is no JSON object, or where what decides the charge is missing, is of
/// the wrong type or out of range, or could be read in two ways.
pub fn scan(endpoint: Endpoint, body: &[u8]) -> Result<Request, ScanError> {
    scanned(endpoint, None, body)
}

/// Scans the body of a request whose path names the model, whatever the body says of it.
///
/// # Errors
/// As [`scan`].
pub fn scan_of(endpoint: Endpoint, model: &str, body: &[u8]) -> Result<Request, ScanError> {
    scanned(endpoint, Some(model), body)
}

fn scanned(endpoint: Endpoint, model: Option<&str>, body: &[u8]) -> Result<Request, ScanError> {
    let text = crate::members::text(body)?;
    let members = Members::parse(endpoint, text, Ruler::of(&WORDS))?;
    let stream = members.stream && endpoint != Endpoint::Embeddings;
    let edit = if stream { body::ask_for_usage(text, members.stream_options)? } else { None };
    let scan = Scan {
        model: model.map_or_else(|| members.model(), |name| checked_model(name.to_owned()))?,
        stream,
        input: members.input,
        max_output_tokens: members.max_output_tokens(endpoint)?,
        choices: members.choices(endpoint)?,
        audio: None,
        dearer: members.dearer()?,
        thinks: members.thinks(),
        tools: PaidTools::default(),
    };
    let (searches, usage_asked) = (members.searches(), stream && edit.is_none());
    let mut request = Request { endpoint, scan, usage_asked, searches, edit };
    request.scan.tools = request.paid_tools();
    Ok(request)
}

/// What names of models have in them that search for each answer, unasked.
const SEARCHERS: [&str; 2] = ["-search-preview", "-search-api"];

/// What names begin with of models that do so too, wherever they are sold, but for those that end
/// otherwise.
const SONAR: (&str, &str) = ("sonar", "-chat");

impl Endpoint {
    /// The endpoint that a path leads to, wherever the API is mounted.
    pub fn of(path: &str) -> Option<Self> {
        let path = path.trim_end_matches('/');
        if path.ends_with("/chat/completions") {
            Some(Self::ChatCompletions)
        } else if path.ends_with("/completions") {
            Some(Self::Completions)
        } else if path.ends_with("/embeddings") {
            Some(Self::Embeddings)
        } else {
            None
        }
    }
}

impl Request {
    /// Counts what the body sends by the model's vocabulary, in place of its bytes. It must be
    /// the body that was scanned; of another, nothing changes.
    pub fn count_input(&mut self, body: &[u8], tokenizer: Tokenizer) {
        let text = std::str::from_utf8(body).ok();
        let ruler = Ruler::of(&WORDS).with(tokenizer);
        let members = text.and_then(|text| Members::parse(self.endpoint, text, ruler).ok());
        if let Some(Members { input, .. }) = members {
            self.scan.input = input.within(self.scan.input);
        }
    }

    /// The body with its own maximum lowered to so many output tokens for each choice. It
    /// must be the body that was scanned; another passes as it is.
    pub fn clamped_body(&self, body: &Bytes, most: u64) -> Bytes {
        let text = std::str::from_utf8(body).ok();
        let members = text.and_then(|text| {
            Some((text, Members::parse(self.endpoint, text, Ruler::of(&WORDS)).ok()?))
        });
        match members {
            Some((text, members)) => {
                edit::lower_maximum(text, members.maxima(), self.maximum(), most, None)
            }
            None => body.clone(),
        }
    }

    /// What it enables that is charged by the call.
    fn paid_tools(&self) -> PaidTools {
        let mut paid = PaidTools::default();
        let searches = self.searches || searches_unasked(&self.scan.model);
        if self.endpoint == Endpoint::ChatCompletions && searches {
            paid.allow(Tool::Search, Some(1));
        }
        paid
    }

    /// The member that bounds the output where the request names none: models that think
    /// know the newer one alone, compatible providers the older one.
    fn maximum(&self) -> &'static str {
        let is_chat = self.endpoint == Endpoint::ChatCompletions;
        let is_openai = Tokenizer::of_model(&self.scan.model).is_some();
        if is_chat && is_openai { "max_completion_tokens" } else { "max_tokens" }
    }

    /// The body as it goes to the provider: the one that was scanned, byte for byte, but
    /// that a stream always asks for its usage.
    pub fn upstream_body(&self, body: Bytes) -> Bytes {
        match &self.edit {
            Some(edit) => edit.apply(&body),
            None => body,
        }
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
        PlainMeter::of(&self.scan, "usage", usage::read).counting(Called::Fixed)
    }

    fn stream_meter(&self, gauge: Gauge) -> StreamMeter {
        stream::meter(self, gauge)
    }

    fn count_input(&mut self, body: &[u8], tokenizer: Tokenizer) {
        self.count_input(body, tokenizer);
    }

    fn rename(&mut self, model: String) {
        self.scan.model = model;
        self.scan.tools = self.paid_tools();
    }

    fn clamped_body(&self, body: &Bytes, most: u64) -> Bytes {
        self.clamped_body(body, most)
    }

    fn upstream_body(&self, body: Bytes) -> Bytes {
        self.upstream_body(body)
    }
}

/// Whether a model searches for each answer, whether or not it is asked to.
fn searches_unasked(model: &str) -> bool {
    let bare = model.rsplit('/').next().unwrap_or(model);
    let (start, but) = SONAR;
    SEARCHERS.iter().any(|name| model.contains(name))
        || (bare.starts_with(start) && !bare.ends_with(but))
}

fn role(name: &str) -> Role {
    match name {
        "role" | "type" => Role::Mark,
        "content" | "text" => Role::Text,
        "image_url" => Role::Image,
        "file" | "input_audio" => Role::File,
        _ => Role::Other,
    }
}
