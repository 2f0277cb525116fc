//! What a body of `converse` asks for.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::invoke::Asked;
use crate::{
    Input, MAX_OUTPUT_TOKENS, PaidTools, ScanError, json,
    members::Raw,
    ruler::{Role, Ruler, Words},
    thinking, tier,
};

/// A body's members.
pub(super) type Body<'a> = Raw<'a, { NAMES.len() }>;

pub(super) const NAMES: [&str; 10] = [
    "messages",
    "system",
    "inferenceConfig",
    "toolConfig",
    "outputConfig",
    "promptVariables",
    "additionalModelRequestFields",
    "serviceTier",
    "performanceConfig",
    "reasoningConfig",
];

/// Members that bound the output, in the words of all models: here and in what is passed on
/// to the model unread.
pub(super) const MAXIMA: [&str; 7] = [
    "maxTokens",
    "max_tokens",
    "max_new_tokens",
    "max_completion_tokens",
    "max_gen_len",
    "maxTokenCount",
    "max_tokens_to_sample",
];

/// What the members of messages are.
pub(super) const WORDS: Words =
    Words { image: Input { bound: 5_000, likely: 1_600, fixed: 5_000, is_open: false }, role };

/// What the provider tells the model about tools.
const TOOLS: Input = Input { bound: 1_000, likely: 350, fixed: 1_000, is_open: false };

/// A tool of the caller's own, or a mark between tools. Any other is the provider's: it brings
/// input that nobody can foresee, and no price of it is known.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnTool {
    #[serde(default, rename = "toolSpec")]
    _spec: Option<IgnoredAny>,
    #[serde(default, rename = "cachePoint")]
    _mark: Option<IgnoredAny>,
}

/// What a body asks for.
pub(super) fn asked(raw: &Body<'_>, ruler: Ruler) -> Result<Asked, ScanError> {
    let passed_on = raw.value("additionalModelRequestFields");
    let thinks = thinking::asked(raw) || thinking::asked_in(passed_on);
    let others = enables_others(raw).then_some("toolConfig");
    let tools = PaidTools { others, ..PaidTools::default() };
    let (input, most, dearer) = (input(raw, ruler)?, most(raw)?, tier::dearer(raw)?);
    Ok(Asked { input, most, dearer, thinks, tools })
}

/// The size of what a body sends.
fn input(raw: &Body<'_>, ruler: Ruler) -> Result<Input, ScanError> {
    let is_kept = raw.value("promptVariables").is_some();
    let mut input = match raw.value("messages") {
        Some(messages) => ruler.messages("messages", messages)?,
        None if is_kept => Input::default(),
        None => return Err(ScanError::Missing("messages")),
    };
    if let Some(system) = raw.value("system") {
        input = input.and(ruler.value(system)?);
    }
    for member in ["outputConfig", "additionalModelRequestFields"] {
        input = input.and(raw.value(member).map(|json| ruler.written(json)).unwrap_or_default());
    }
    if let Some(tools) = raw.value("toolConfig") {
        input = input.and(ruler.written(tools)).and(TOOLS);
    }
    Ok(input.or_open(is_kept || enables_others(raw)))
}

/// Whether it enables a tool of the provider's, as far as that can be read.
fn enables_others(raw: &Body<'_>) -> bool {
    let Some(config) = raw.value("toolConfig") else { return false };
    let config = Raw::parse(&["tools"], config.get());
    let are_own = |tools: &RawValue| json::each(tools.get(), |_: OwnTool| {}).is_ok();
    !config.is_ok_and(|config| config.value("tools").is_none_or(are_own))
}

/// The most tokens that the model may make. Of several members the largest: any may be obeyed.
fn most(raw: &Body<'_>) -> Result<Option<u64>, ScanError> {
    let config = nested("inferenceConfig", raw.value("inferenceConfig"))?;
    let passed_on = raw.value("additionalModelRequestFields");
    let passed_on = nested("additionalModelRequestFields", passed_on)?;
    Ok(config.max(passed_on))
}

/// The largest maximum in an object that is a member.
pub(super) fn nested(
    member: &'static str,
    object: Option<&RawValue>,
) -> Result<Option<u64>, ScanError> {
    let Some(object) = object else { return Ok(None) };
    if !object.get().starts_with('{') {
        return Err(ScanError::WrongType { member, wanted: "an object" });
    }
    largest(&Raw::parse(&MAXIMA, object.get())?)
}

fn largest(raw: &Raw<'_, { MAXIMA.len() }>) -> Result<Option<u64>, ScanError> {
    MAXIMA.iter().try_fold(None, |most: Option<u64>, member| {
        Ok(most.max(raw.count(member, 0, MAX_OUTPUT_TOKENS)?))
    })
}

fn role(name: &str) -> Role {
    match name {
        "role" | "cachePoint" => Role::Mark,
        "content" | "text" => Role::Text,
        "image" => Role::Image,
        "document" | "video" | "audio" => Role::File,
        "s3Location" => Role::Reference,
        "input" | "json" => Role::Json,
        _ => Role::Other,
    }
}
