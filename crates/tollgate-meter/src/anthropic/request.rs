//! The scan of a request for a message: what it asks for.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{stream::Messages, usage};
use crate::{
    AnyRequest, Gauge, Input, MAX_OUTPUT_TOKENS, PaidTools, PlainMeter, Scan, ScanError,
    StreamMeter, Tokenizer, Tool,
    edit::{self, Edit},
    json,
    members::{self, Raw},
    ruler::{Role, Ruler, Words},
    stream::frames::Frames,
    tally::Tally,
    thinking, tier,
};

/// The endpoints whose requests are metered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `…/messages`
    Messages,
}

/// A request that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What it asks for.
    pub scan: Scan,
}

pub(crate) const NAMES: [&str; 13] = [
    "model",
    "stream",
    "max_tokens",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "output_config",
    "mcp_servers",
    "thinking",
    "service_tier",
    "speed",
    "inference_geo",
];

/// What the members of messages are. The largest image that any model takes is about 4,800
/// tokens, most are at most 1,600.
pub(crate) const WORDS: Words =
    Words { image: Input { bound: 5_000, likely: 1_600, fixed: 5_000, is_open: false }, role };

/// What the provider tells the model about tools: some 350 tokens, more for some of its own.
const TOOLS: Input = Input { bound: 1_000, likely: 350, fixed: 1_000, is_open: false };

/// Tools of the provider's whose results come from the client, by the start of their types;
/// all others bring input that nobody can foresee.
const CLIENT_TOOLS: [&str; 4] = ["bash_", "text_editor_", "computer_", "memory_"];

/// Other tools of the provider's that cost nothing by the call.
const FREE_TOOLS: [&str; 3] = ["web_fetch_", "tool_search_", "mcp_toolset"];

#[derive(Deserialize)]
struct Declared<'a> {
    #[serde(default, borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(default)]
    max_uses: Option<u64>,
}

/// Scans the body of a request.
///
/// Takes memory that does not depend on the body, and time linear in its length.
///
/// # Errors
/// Where the body is no JSON object, or where what decides the charge is missing, is of
/// the wrong type or out of range, or could be read in two ways.
pub fn scan(endpoint: Endpoint, body: &[u8]) -> Result<Request, ScanError> {
    let Endpoint::Messages = endpoint;
    let raw = Raw::parse(&NAMES, members::text(body)?)?;
    let max_output_tokens = most(&raw)?.ok_or(ScanError::Missing("max_tokens"))?;
    let scan = Scan {
        model: raw.model()?,
        stream: raw.flag("stream")?,
        input: input(&raw, Ruler::of(&WORDS))?,
        max_output_tokens: Some(max_output_tokens),
        choices: 1,
        audio: None,
        dearer: tier::dearer(&raw)?,
        thinks: thinking::asked(&raw),
        tools: paid_tools(&raw),
    };
    Ok(Request { scan })
}

/// The most tokens that the model may make; who asks for none warms the cache.
pub(crate) fn most(raw: &Raw<'_, { NAMES.len() }>) -> Result<Option<u64>, ScanError> {
    raw.count("max_tokens", 0, MAX_OUTPUT_TOKENS)
}

/// The size of what a body sends.
pub(crate) fn input(raw: &Raw<'_, { NAMES.len() }>, ruler: Ruler) -> Result<Input, ScanError> {
    let messages = raw.value("messages").ok_or(ScanError::Missing("messages"))?;
    let mut input = ruler.messages("messages", messages)?;
    if let Some(system) = raw.value("system") {
        input = input.and(ruler.value(system)?);
    }
    for member in ["tool_choice", "output_config"] {
        input = input.and(raw.value(member).map(|json| ruler.written(json)).unwrap_or_default());
    }
    if let Some(tools) = raw.value("tools") {
        input = input.and(ruler.written(tools)).and(TOOLS).and(own_tools(tools)?);
    }
    input.is_open |= raw.value("mcp_servers").is_some();
    Ok(input)
}

/// The body with its maximum lowered. What it may think must stay below.
pub(crate) fn clamped(body: &Bytes, most: u64) -> Bytes {
    let raw =
        members::text(body).ok().and_then(|text| Some((text, Raw::parse(&NAMES, text).ok()?)));
    let Some((text, raw)) = raw else { return body.clone() };
    let thinking = raw.value("thinking").map(RawValue::get);
    let thinking = thinking.and_then(|all| Raw::parse(&["budget_tokens"], all).ok());
    let budget = thinking.and_then(|all| all.value("budget_tokens"));
    let too_much = |raw: &RawValue| raw.get().parse::<u64>().is_ok_and(|told| told >= most);
    let lowered = budget.filter(|raw| too_much(raw)).map(|raw| Edit {
        at: edit::place(text, raw.get()),
        text: most.saturating_sub(1).to_string().into(),
    });
    edit::lower_maximum(text, raw.written("max_tokens").into_iter(), "max_tokens", most, lowered)
}

/// What the provider's own tools add.
fn own_tools(tools: &RawValue) -> Result<Input, ScanError> {
    let mut input = Input::default();
    json::each(tools.get(), |Declared { kind, .. }: Declared<'_>| {
        let kind = kind.as_deref().unwrap_or("custom");
        if kind != "custom" {
            let is_client = CLIENT_TOOLS.iter().any(|start| kind.starts_with(start));
            input = input.and(TOOLS).or_open(!is_client);
        }
    })
    .map_err(|_| ScanError::WrongType { member: "tools", wanted: "an array of tools" })?;
    Ok(input)
}

/// What it enables that is charged by the call.
pub(crate) fn paid_tools(raw: &Raw<'_, { NAMES.len() }>) -> PaidTools {
    let mut paid = PaidTools::default();
    let tools = raw.value("tools").map_or("[]", RawValue::get);
    let read = json::each(tools, |Declared { kind, max_uses }: Declared<'_>| {
        let kind = kind.as_deref().unwrap_or("custom");
        if kind.starts_with("web_search_") {
            paid.allow(Tool::Search, max_uses);
        } else if kind != "custom" {
            let mut known = CLIENT_TOOLS.iter().chain(&FREE_TOOLS);
            if !known.any(|start| kind.starts_with(start)) {
                paid.others = Some("tools");
            }
        }
    });
    if read.is_err() {
        paid.others = Some("tools");
    }
    paid
}

impl Endpoint {
    /// The endpoint that a path leads to, wherever the API is mounted.
    pub fn of(path: &str) -> Option<Self> {
        path.trim_end_matches('/').ends_with("/messages").then_some(Self::Messages)
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
        PlainMeter::of(&self.scan, "usage", usage::read)
    }

    fn stream_meter(&self, gauge: Gauge) -> StreamMeter {
        let tally = Tally::new(&self.scan, gauge, true).telling_calls();
        let frames = Frames::sse();
        StreamMeter::of(frames, Box::new(Messages::default()), tally)
    }

    fn count_input(&mut self, body: &[u8], tokenizer: Tokenizer) {
        let raw = members::text(body).and_then(|text| Raw::parse(&NAMES, text));
        let counted = raw.and_then(|raw| input(&raw, Ruler::of(&WORDS).with(tokenizer)));
        if let Ok(counted) = counted {
            self.scan.input = counted.within(self.scan.input);
        }
    }

    fn rename(&mut self, model: String) {
        self.scan.model = model;
    }

    fn clamped_body(&self, body: &Bytes, most: u64) -> Bytes {
        clamped(body, most)
    }
}

fn role(name: &str) -> Role {
    match name {
        "role" | "type" | "cache_control" => Role::Mark,
        "content" | "text" => Role::Text,
        "source" => Role::File,
        "input" => Role::Json,
        _ => Role::Other,
    }
}
