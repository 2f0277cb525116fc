//! The scan of a request for a response: what it asks for.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::stream::Parts;
use crate::{
    AnyRequest, Gauge, Input, MAX_OUTPUT_TOKENS, PaidTools, PlainMeter, Scan, ScanError,
    StreamMeter, Tokenizer, Tool,
    calls::Called,
    edit, json,
    members::{self, Raw},
    openai::{IMAGE, usage},
    ruler::{Role, Ruler, Words},
    stream::frames::Frames,
    tally::Tally,
    thinking, tier,
};

/// A request that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What it asks for.
    pub scan: Scan,
}

const NAMES: [&str; 15] = [
    "model",
    "stream",
    "max_output_tokens",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "max_tool_calls",
    "text",
    "previous_response_id",
    "conversation",
    "prompt",
    "background",
    "service_tier",
    "reasoning",
];

/// What the members of input items are.
const WORDS: Words = Words { image: IMAGE, role };

/// What the provider tells the model about a tool of its own.
const TOOL: Input = Input { bound: 1_000, likely: 200, fixed: 1_000, is_open: false };

/// Tools whose results come from the client; all others bring input that nobody can foresee.
const CLIENT_TOOLS: [&str; 4] = ["function", "custom", "local_shell", "apply_patch"];

/// Other tools of the provider's that cost nothing by the call.
const FREE_TOOLS: [&str; 6] =
    ["function", "mcp", "computer", "computer_use_preview", "tool_search", "namespace"];

/// Members by which the provider reads what it has kept.
const KEPT: [&str; 3] = ["previous_response_id", "conversation", "prompt"];

/// The tool that runs code.
const CODE_INTERPRETER: &str = "code_interpreter";

/// How much memory a container has that a request says nothing of; larger ones cost more.
const USUAL_MEMORY: &str = "1g";

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(default, borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

/// A tool with what it says of its container, whose id it may be.
#[derive(Deserialize)]
struct Contained<'a> {
    #[serde(default, borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    container: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Container<'a> {
    #[serde(default, borrow)]
    memory_limit: Option<&'a RawValue>,
}

/// Scans the body of a request.
///
/// Takes memory that does not depend on the body, and time linear in its length.
///
/// # Errors
/// Where the body is no JSON object, or where what decides the charge is missing, is of
/// the wrong type or out of range, or could be read in two ways; and where the response is
/// to be made in the background, so that its answer does not tell what it used.
pub fn scan(body: &[u8]) -> Result<Request, ScanError> {
    let raw = Raw::parse(&NAMES, members::text(body)?)?;
    if raw.flag("background")? {
        return Err(ScanError::Unmetered("background"));
    }
    let scan = Scan {
        model: raw.model()?,
        stream: raw.flag("stream")?,
        input: input(&raw, Ruler::of(&WORDS))?,
        max_output_tokens: raw.count("max_output_tokens", 1, MAX_OUTPUT_TOKENS)?,
        choices: 1,
        audio: None,
        dearer: tier::dearer(&raw)?.or_else(|| large_container(&raw)),
        thinks: thinking::asked(&raw),
        tools: paid_tools(&raw)?,
    };
    Ok(Request { scan })
}

/// The size of what a body sends.
fn input(raw: &Raw<'_, { NAMES.len() }>, ruler: Ruler) -> Result<Input, ScanError> {
    let is_kept = KEPT.iter().any(|member| raw.value(member).is_some());
    let mut input = match raw.value("input") {
        Some(text) if text.get().starts_with('"') => ruler.texts("input", text)?.0,
        Some(items) => ruler.messages("input", items)?.or_open(refers(items)?),
        None if is_kept => Input::default(),
        None => return Err(ScanError::Missing("input")),
    };
    if let Some(instructions) = raw.value("instructions") {
        input = input.and(ruler.value(instructions)?);
    }
    for member in ["tool_choice", "text"] {
        input = input.and(raw.value(member).map(|json| ruler.written(json)).unwrap_or_default());
    }
    if let Some(tools) = raw.value("tools") {
        input = input.and(ruler.written(tools)).and(own_tools(tools)?);
    }
    Ok(input.or_open(is_kept))
}

/// Whether an item stands for one that the provider has kept.
fn refers(items: &RawValue) -> Result<bool, ScanError> {
    let mut refers = false;
    json::each(items.get(), |Typed { kind }: Typed<'_>| {
        refers |= kind.as_deref() == Some("item_reference");
    })
    .map_err(|_| ScanError::WrongType {
        member: "input",
        wanted: "a string or an array of items",
    })?;
    Ok(refers)
}

/// What the provider's own tools add.
fn own_tools(tools: &RawValue) -> Result<Input, ScanError> {
    let mut input = Input::default();
    json::each(tools.get(), |Typed { kind }: Typed<'_>| {
        let kind = kind.as_deref().unwrap_or("function");
        if kind != "function" {
            input = input.and(TOOL).or_open(!CLIENT_TOOLS.contains(&kind));
        }
    })
    .map_err(|_| ScanError::WrongType { member: "tools", wanted: "an array of tools" })?;
    Ok(input)
}

/// What it enables that is charged by the call.
fn paid_tools(raw: &Raw<'_, { NAMES.len() }>) -> Result<PaidTools, ScanError> {
    let most = raw.count("max_tool_calls", 0, u64::MAX)?;
    let mut paid = PaidTools::default();
    let tools = raw.value("tools").map_or("[]", RawValue::get);
    let read = json::each(tools, |Typed { kind }: Typed<'_>| {
        let kind = kind.as_deref().unwrap_or("function");
        if kind.starts_with("web_search") {
            paid.allow(Tool::Search, most);
        } else if kind == "file_search" {
            paid.allow(Tool::FileSearch, most);
        } else if kind == CODE_INTERPRETER {
            // All of its calls run in one container.
            paid.allow(Tool::CodeInterpreter, Some(1));
        } else if !CLIENT_TOOLS.contains(&kind) && !FREE_TOOLS.contains(&kind) {
            paid.others = Some("tools");
        }
    });
    if read.is_err() {
        paid.others = Some("tools");
    }
    // Tools are kept with prompts.
    if raw.value("prompt").is_some() {
        paid.keep("prompt", most);
    }
    Ok(paid)
}

/// The member that asks for a container that is larger than usual, or may be.
fn large_container(raw: &Raw<'_, { NAMES.len() }>) -> Option<&'static str> {
    let mut is_large = false;
    let tools = raw.value("tools").map_or("[]", RawValue::get);
    // What cannot be read is told as another tool.
    let _ = json::each(tools, |Contained { kind, container }: Contained<'_>| {
        let container = container.map(RawValue::get).filter(|it| it.starts_with('{'));
        if let (Some(CODE_INTERPRETER), Some(container)) = (kind.as_deref(), container) {
            is_large |= json::object::<Container<'_>>(container.as_bytes()).is_none_or(|its| {
                let memory = its.memory_limit.map(RawValue::get);
                memory.is_some_and(|it| it != "null" && it.trim_matches('"') != USUAL_MEMORY)
            });
        }
    });
    is_large.then_some("memory_limit")
}

impl AnyRequest for Request {
    fn scan(&self) -> &Scan {
        &self.scan
    }

    fn scan_mut(&mut self) -> &mut Scan {
        &mut self.scan
    }

    fn plain_meter(&self) -> PlainMeter {
        PlainMeter::of(&self.scan, "usage", usage::read).counting(Called::in_response())
    }

    fn stream_meter(&self, gauge: Gauge) -> StreamMeter {
        let tally = Tally::new(&self.scan, gauge, true).telling_calls();
        StreamMeter::of(Frames::large_sse(), Box::new(Parts::default()), tally)
    }

    fn count_input(&mut self, body: &[u8], tokenizer: Tokenizer) {
        let raw = members::text(body).and_then(|text| Raw::parse(&NAMES, text));
        let ruler = Ruler::of(&WORDS).with(tokenizer);
        if let Ok(counted) = raw.and_then(|raw| input(&raw, ruler)) {
            self.scan.input = counted.within(self.scan.input);
        }
    }

    fn rename(&mut self, model: String) {
        self.scan.model = model;
    }

    fn clamped_body(&self, body: &Bytes, most: u64) -> Bytes {
        let text = members::text(body).ok();
        let raw = text.and_then(|text| Some((text, Raw::parse(&NAMES, text).ok()?)));
        let Some((text, raw)) = raw else { return body.clone() };
        let maxima = raw.written("max_output_tokens").into_iter();
        edit::lower_maximum(text, maxima, "max_output_tokens", most, None)
    }
}

fn role(name: &str) -> Role {
    match name {
        "role" | "type" | "id" | "status" => Role::Mark,
        "content" | "text" | "output" | "arguments" => Role::Text,
        "image_url" => Role::Image,
        "file_data" | "input_audio" => Role::File,
        "file_id" | "file_url" => Role::Reference,
        _ => Role::Other,
    }
}
