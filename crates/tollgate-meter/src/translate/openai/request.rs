//! Requests for a completion, read.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::messages;
use crate::translate::{
    conversation::{Choice, Conversation, Tool},
    error::{Read, Untranslatable},
    object::{self, Object, count, flag, number, text, verbatim},
};

/// What asks for no other answer: how fast, how dear, how long-winded, who kept what where.
const HINTS: [&str; 11] = [
    "metadata",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning_effort",
    "seed",
    "service_tier",
    "store",
    "stream_options",
    "verbosity",
];

/// Members that have an equivalent only where they ask for nothing.
const ONLY: [(&str, &[&str], &str); 12] = [
    ("n", &["1"], "only one choice can be asked for"),
    ("modalities", &[r#"["text"]"#], "only text can be asked for"),
    ("audio", &[], "only text can be asked for"),
    ("logprobs", &["false"], "probabilities of tokens are not told there"),
    ("top_logprobs", &["0"], "probabilities of tokens are not told there"),
    ("logit_bias", &["{}"], "tokens cannot be weighed there"),
    ("frequency_penalty", &["0", "0.0"], "repetition cannot be punished there"),
    ("presence_penalty", &["0", "0.0"], "repetition cannot be punished there"),
    ("functions", &["[]"], "it is out of use; send `tools`"),
    ("function_call", &[], "it is out of use; send `tool_choice`"),
    ("moderation", &[], "moderation cannot be asked for there"),
    ("web_search_options", &[], "the provider's own search is no tool of the other's"),
];

/// Reads a request. The model that it names is for somebody else to choose.
pub(in crate::translate) fn read(body: &[u8]) -> Read<Conversation<'_>> {
    let mut all = Object::parse(body)?;
    let _ = all.take("model");
    let max_tokens = all.read("max_tokens", count)?;
    let newer = all.read("max_completion_tokens", count)?;
    let usage = all.take("stream_options").map(include_usage).transpose();
    let (user, safety_identifier) = (all.read("user", text)?, all.read("safety_identifier", text)?);
    let conversation = Conversation {
        system: Vec::new(),
        turns: all.need("messages", |value| object::items(value, messages::turn))?,
        tools: all.each("tools", tool)?,
        choice: all.read("tool_choice", choice)?,
        one_call: all.read("parallel_tool_calls", flag)? == Some(false),
        max_tokens: newer.or(max_tokens),
        temperature: all.read("temperature", number)?,
        top_p: all.read("top_p", number)?,
        stop: all.read("stop", stops)?.unwrap_or_default(),
        schema: all.read("response_format", schema)?.flatten(),
        stream: all.read("stream", flag)?.unwrap_or(false),
        include_usage: usage.map_err(|error| error.within("stream_options"))?.unwrap_or(false),
        user: user.or(safety_identifier),
    };
    for (name, nothing, reason) in ONLY {
        all.only(name, nothing, reason)?;
    }
    all.drop_hints(&HINTS);
    all.end()?;
    Ok(conversation)
}

fn include_usage(value: &RawValue) -> Read<bool> {
    let mut options = Object::of(value)?;
    options.drop_hints(&["include_obfuscation"]);
    let asked = options.read("include_usage", flag)?;
    options.end()?;
    Ok(asked.unwrap_or(false))
}

fn tool(value: &RawValue) -> Read<Tool<'_>> {
    let mut tool = Object::of(value)?;
    tool.only("type", &[r#""function""#], "only functions are tools there")?;
    let function = tool.need("function", |value| {
        let mut function = Object::of(value)?;
        let read = Tool {
            name: function.need("name", text)?,
            description: function.read("description", text)?,
            schema: function.read("parameters", verbatim)?,
            strict: function.read("strict", flag)?,
        };
        function.end()?;
        Ok(read)
    })?;
    tool.end()?;
    Ok(function)
}

fn choice(value: &RawValue) -> Read<Choice<'_>> {
    match value.get() {
        r#""none""# => return Ok(Choice::Never),
        r#""auto""# => return Ok(Choice::Auto),
        r#""required""# => return Ok(Choice::Any),
        _ => {}
    }
    let wanted = "`none`, `auto`, `required` or an object that names a tool";
    let mut choice = Object::of(value).map_err(|_| Untranslatable::wrong(wanted))?;
    choice.only("type", &[r#""function""#], "only one function, any or none can be demanded")?;
    let name = choice.need("function", |value| {
        let mut function = Object::of(value)?;
        let name = function.need("name", text)?;
        function.end()?;
        Ok(name)
    })?;
    choice.end()?;
    Ok(Choice::One(name))
}

fn stops(value: &RawValue) -> Read<Vec<Cow<'_, str>>> {
    if value.get().starts_with('"') {
        return Ok(vec![text(value)?]);
    }
    object::items(value, text)
}

/// The schema of the answer, where it must have one.
fn schema(value: &RawValue) -> Read<Option<&RawValue>> {
    let mut format = Object::of(value)?;
    let kind = format.need("type", text)?;
    match &*kind {
        "text" => {
            format.end()?;
            Ok(None)
        }
        "json_schema" => {
            let schema = format.need("json_schema", |value| {
                let mut named = Object::of(value)?;
                // There every schema is kept to.
                named.drop_hints(&["name", "description", "strict"]);
                let schema = named.need("schema", verbatim)?;
                named.end()?;
                Ok(schema)
            })?;
            format.end()?;
            Ok(Some(schema))
        }
        _ => {
            let reason = "only a JSON schema can be demanded there";
            Err(Untranslatable::because(reason).within("type"))
        }
    }
}
