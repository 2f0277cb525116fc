//! The scan of a request: its path, and what its body asks for.

use bytes::Bytes;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::{stream::Pieces, usage};
use crate::{
    AnyRequest, Gauge, Input, MAX_OUTPUT_TOKENS, PaidTools, PlainMeter, Scan, ScanError,
    StreamMeter, Tokenizer, Tool,
    calls::{self, Called, Grounding},
    edit::{self, Edit},
    json,
    members::{self, Raw},
    ruler::{Role, Ruler, Words},
    stream::frames::Frames,
    tally::Tally,
    thinking, tier,
};

/// The most candidates that a request may ask for.
pub const MAX_CANDIDATES: u64 = 8;

/// What is asked of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `:generateContent`
    Generate,
    /// `:streamGenerateContent`, as server-sent events or as a JSON array.
    Stream {
        /// Whether `alt=sse` asks for the former.
        sse: bool,
    },
    /// `:embedContent` and `:batchEmbedContents`
    Embed,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The model, as it stands in the path without what it is filed under.
    pub model: String,
    /// What is asked of it.
    pub method: Method,
}

/// A request that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked of the model.
    pub method: Method,
    /// What it asks for.
    pub scan: Scan,
    enables: Enables,
}

/// Which of the provider's own tools a body enables, whatever its model is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Enables {
    search: bool,
    maps: bool,
    /// Whether it uses contents that are kept, tools included.
    kept: bool,
    /// The member that enables others of which no price can be given.
    others: Option<&'static str>,
}

/// Each may be written in either of two ways.
const NAMES: [&str; 14] = [
    "contents",
    "content",
    "requests",
    "systemInstruction",
    "system_instruction",
    "tools",
    "toolConfig",
    "tool_config",
    "generationConfig",
    "generation_config",
    "cachedContent",
    "cached_content",
    "serviceTier",
    "service_tier",
];

const CONFIG: [&str; 6] = [
    "maxOutputTokens",
    "max_output_tokens",
    "candidateCount",
    "candidate_count",
    "thinkingConfig",
    "thinking_config",
];

/// What the members of contents are. A large image is cut into tiles of 258 tokens.
const WORDS: Words =
    Words { image: Input { bound: 5_000, likely: 300, fixed: 5_000, is_open: false }, role };

/// What the provider tells the model about tools.
const TOOLS: Input = Input { bound: 1_000, likely: 100, fixed: 1_000, is_open: false };

/// A tool that only declares functions of the caller's own; any other brings input that
/// nobody can foresee.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Declarations {
    #[serde(default, rename = "functionDeclarations", alias = "function_declarations")]
    _functions: Option<IgnoredAny>,
}

/// A tool of the provider's that is charged by the call, by the member that it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Charged {
    #[serde(default, alias = "google_search")]
    google_search: Option<IgnoredAny>,
    #[serde(default, alias = "google_search_retrieval")]
    google_search_retrieval: Option<IgnoredAny>,
    #[serde(default, alias = "google_maps")]
    google_maps: Option<IgnoredAny>,
}

/// Tools of which the cost can be known: those, and such as cost nothing by the call.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Known {
    #[serde(default, rename = "googleSearch", alias = "google_search")]
    _search: Option<IgnoredAny>,
    #[serde(default, rename = "googleSearchRetrieval", alias = "google_search_retrieval")]
    _retrieval: Option<IgnoredAny>,
    #[serde(default, rename = "googleMaps", alias = "google_maps")]
    _maps: Option<IgnoredAny>,
    #[serde(default, rename = "functionDeclarations", alias = "function_declarations")]
    _functions: Option<IgnoredAny>,
    #[serde(default, rename = "codeExecution", alias = "code_execution")]
    _code: Option<IgnoredAny>,
    #[serde(default, rename = "urlContext", alias = "url_context")]
    _pages: Option<IgnoredAny>,
    #[serde(default, rename = "computerUse", alias = "computer_use")]
    _computer: Option<IgnoredAny>,
}

/// Scans the body of a request.
///
/// Takes memory that does not depend on the body, and time linear in its length.
///
/// # Errors
/// Where the body is no JSON object, or where what decides the charge is missing, is of
/// the wrong type or out of range, or could be read in two ways.
pub fn scan(target: &Target, body: &[u8]) -> Result<Request, ScanError> {
    let raw = Raw::parse(&NAMES, members::text(body)?)?;
    let config = Config::of(&raw)?;
    let model = members::checked_model(target.model.clone())?;
    let enables = Enables::of(&raw)?;
    let scan = Scan {
        tools: enables.paid_tools(&model),
        model,
        stream: matches!(target.method, Method::Stream { .. }),
        input: input(target.method, &raw, Ruler::of(&WORDS))?,
        max_output_tokens: config.most()?,
        choices: if target.method == Method::Embed { 0 } else { config.candidates()? },
        audio: None,
        dearer: tier::dearer(&raw)?,
        thinks: config.thinks(),
    };
    Ok(Request { method: target.method, scan, enables })
}

/// The size of what a body sends.
fn input(method: Method, raw: &Raw<'_, { NAMES.len() }>, ruler: Ruler) -> Result<Input, ScanError> {
    let mut input = if method == Method::Embed {
        let asked = either(raw, "content", "requests")?.ok_or(ScanError::Missing("content"))?;
        ruler.value(asked)?
    } else {
        let contents = raw.value("contents").ok_or(ScanError::Missing("contents"))?;
        ruler.contents("contents", contents)?
    };
    if let Some(system) = either(raw, "systemInstruction", "system_instruction")? {
        input = input.and(ruler.value(system)?);
    }
    for (name, other) in [("toolConfig", "tool_config"), ("generationConfig", "generation_config")]
    {
        let written = either(raw, name, other)?.map(|json| ruler.written(json));
        input = input.and(written.unwrap_or_default());
    }
    if let Some(tools) = raw.value("tools") {
        input = input.and(ruler.written(tools)).and(TOOLS);
        input.is_open |= json::each(tools.get(), |_: Declarations| {}).is_err();
    }
    input.is_open |= either(raw, "cachedContent", "cached_content")?.is_some();
    Ok(input)
}

impl Enables {
    fn of(raw: &Raw<'_, { NAMES.len() }>) -> Result<Self, ScanError> {
        let mut enables = Self::default();
        let tools = raw.value("tools").map_or("[]", RawValue::get);
        let read = json::each(tools, |tool: Charged| {
            enables.search |=
                tool.google_search.is_some() || tool.google_search_retrieval.is_some();
            enables.maps |= tool.google_maps.is_some();
        });
        if read.is_err() || json::each(tools, |_: Known| {}).is_err() {
            enables.others = Some("tools");
        }
        enables.kept = either(raw, "cachedContent", "cached_content")?.is_some();
        Ok(enables)
    }

    /// What of it a model's calls are charged for.
    fn paid_tools(self, model: &str) -> PaidTools {
        let mut paid = PaidTools { others: self.others, ..PaidTools::default() };
        let most = calls::is_charged_by_answer(model).then_some(1);
        if self.search {
            paid.allow(Tool::Search, most);
        }
        if self.maps {
            paid.allow(Tool::Maps, most);
        }
        if self.kept {
            paid.keep("cachedContent", most);
        }
        paid
    }
}

/// A member in one of its two spellings, but not in both.
fn either<'a, const N: usize>(
    raw: &Raw<'a, N>,
    name: &'static str,
    other: &'static str,
) -> Result<Option<&'a RawValue>, ScanError> {
    match (raw.value(name), raw.value(other)) {
        (Some(_), Some(_)) => Err(ScanError::Ambiguous(name)),
        (one, two) => Ok(one.or(two)),
    }
}

/// The spelling that says something, else the one that is there with `null`.
fn written<'a, const N: usize>(raw: &Raw<'a, N>, name: &str, other: &str) -> Option<&'a RawValue> {
    let says = raw.value(name).or(raw.value(other));
    says.or_else(|| raw.written(name).or(raw.written(other)))
}

/// What `generationConfig` says.
struct Config<'a>(Option<Raw<'a, { CONFIG.len() }>>);

impl<'a> Config<'a> {
    fn of(raw: &Raw<'a, { NAMES.len() }>) -> Result<Self, ScanError> {
        let Some(config) = either(raw, "generationConfig", "generation_config")? else {
            return Ok(Self(None));
        };
        if !config.get().starts_with('{') {
            return Err(ScanError::WrongType { member: "generationConfig", wanted: "an object" });
        }
        Ok(Self(Some(Raw::parse(&CONFIG, config.get())?)))
    }

    fn most(&self) -> Result<Option<u64>, ScanError> {
        let Some(raw) = &self.0 else { return Ok(None) };
        either(raw, "maxOutputTokens", "max_output_tokens")?;
        let most = |name| raw.count(name, 1, MAX_OUTPUT_TOKENS);
        Ok(most("maxOutputTokens")?.or(most("max_output_tokens")?))
    }

    fn thinks(&self) -> bool {
        self.0.as_ref().is_some_and(thinking::asked)
    }

    fn candidates(&self) -> Result<u64, ScanError> {
        let Some(raw) = &self.0 else { return Ok(1) };
        either(raw, "candidateCount", "candidate_count")?;
        let count = |name| raw.count(name, 1, MAX_CANDIDATES);
        Ok(count("candidateCount")?.or(count("candidate_count")?).unwrap_or(1))
    }
}

/// The body with its maximum lowered, or with one where it has none.
fn clamped(body: &str, most: u64) -> Option<Bytes> {
    let raw = Raw::parse(&NAMES, body).ok()?;
    let bound = format!("\"maxOutputTokens\":{most}");
    let edit = match written(&raw, "generationConfig", "generation_config") {
        None => {
            let member = format!("\"generationConfig\":{{{bound}}}");
            Some(edit::added(body.find('{')?, raw.empty, &member))
        }
        Some(config) if config.get() == "null" => {
            let at = edit::place(body, config.get());
            Some(Edit { at, text: format!("{{{bound}}}").into() })
        }
        Some(config) => {
            let inner = Raw::parse(&CONFIG, config.get()).ok()?;
            match written(&inner, "maxOutputTokens", "max_output_tokens") {
                Some(told) => edit::lowered(body, told, most),
                None => {
                    let brace = edit::place(body, config.get()).start;
                    Some(edit::added(brace, inner.empty, &bound))
                }
            }
        }
    };
    Some(edit::all(body, edit.into_iter().collect()))
}

impl Target {
    /// Where a path and a query lead, wherever the API is mounted; nothing where the path is
    /// not metered.
    pub fn of(path: &str, query: Option<&str>) -> Option<Self> {
        let (rest, method) = path.trim_end_matches('/').rsplit_once(':')?;
        let model = rest.rsplit('/').next()?;
        let model = percent_encoding::percent_decode_str(model).decode_utf8().ok()?;
        let sse = query.is_some_and(|query| {
            query.split('&').any(|pair| matches!(pair, "alt=sse" | "$alt=sse" | "%24alt=sse"))
        });
        let method = match method {
            "generateContent" => Method::Generate,
            "streamGenerateContent" => Method::Stream { sse },
            "embedContent" | "batchEmbedContents" => Method::Embed,
            _ => return None,
        };
        Some(Self { model: model.into_owned(), method })
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
        let called = Called::Grounding(Grounding::of(&self.scan.model));
        PlainMeter::of(&self.scan, "usageMetadata", usage::read).counting(called)
    }

    fn stream_meter(&self, gauge: Gauge) -> StreamMeter {
        let sse = self.method == Method::Stream { sse: true };
        let tally = Tally::new(&self.scan, gauge, true);
        let by_answer = calls::is_charged_by_answer(&self.scan.model);
        let pieces = Pieces::new(self.scan.choices, by_answer);
        StreamMeter::of(Frames::Either { sse }, Box::new(pieces), tally)
    }

    fn count_input(&mut self, body: &[u8], tokenizer: Tokenizer) {
        let raw = members::text(body).and_then(|text| Raw::parse(&NAMES, text));
        let ruler = Ruler::of(&WORDS).with(tokenizer);
        if let Ok(counted) = raw.and_then(|raw| input(self.method, &raw, ruler)) {
            self.scan.input = counted.within(self.scan.input);
        }
    }

    fn rename(&mut self, model: String) {
        self.scan.tools = self.enables.paid_tools(&model);
        self.scan.model = model;
    }

    fn clamped_body(&self, body: &Bytes, most: u64) -> Bytes {
        let text = std::str::from_utf8(body).ok();
        text.and_then(|text| clamped(text, most)).unwrap_or_else(|| body.clone())
    }
}

fn role(name: &str) -> Role {
    match name {
        "role" => Role::Mark,
        "parts" | "text" => Role::Text,
        "inlineData" | "inline_data" | "fileData" | "file_data" => Role::File,
        "args" | "response" => Role::Json,
        _ => Role::Other,
    }
}
