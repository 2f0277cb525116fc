//! Gemini: content generated, plain, as events or as a JSON array, and its tokens counted.

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::{Answer, Told, with},
    asked::{json, missing, text_bytes, tokens_of_bytes},
    content,
    dialect::{Asked, Call, Dialect, EVENT_STREAM, JSON, Shape, TextRequest, Whole, set},
    events::{Events, Script},
    failure::{Failure, Why},
    quotas::{Exceeded, Standings, Unit},
};

/// What Gemini speaks.
pub(crate) struct Gemini;

/// How generated content looks.
#[derive(Debug, Clone, Copy)]
struct Content {
    framing: Framing,
}

/// What stands around the chunks of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// Server-sent events, without a terminator.
    Events,
    /// An array of JSON that is written bit by bit.
    Array,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    contents: Option<Vec<Value>>,
    #[serde(alias = "system_instruction")]
    system_instruction: Option<Value>,
    #[serde(alias = "generation_config")]
    generation_config: Option<Config>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(alias = "max_output_tokens")]
    max_output_tokens: Option<u32>,
}

/// A body whose content to count is whole, or a request that has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CountBody {
    contents: Option<Vec<Value>>,
    generate_content_request: Option<Body>,
}

const METHODS: [&str; 3] = ["generateContent", "streamGenerateContent", "countTokens"];

impl Dialect for Gemini {
    fn read(&self, call: &Call<'_>) -> Result<Asked, Failure> {
        let target = model_and_method(call.path).filter(|_| call.method == Method::POST);
        let (model, method) = target.ok_or_else(|| Failure::unknown_url(call.method, call.path))?;
        match method {
            "generateContent" => generate(model, call.body, false, Framing::Array),
            "streamGenerateContent" => {
                let is_sse = call.query.split('&').any(|pair| pair == "alt=sse");
                let framing = if is_sse { Framing::Events } else { Framing::Array };
                generate(model, call.body, true, framing)
            }
            "countTokens" => count(call.body),
            _ => Err(Failure::unknown_url(call.method, call.path)),
        }
    }

    fn error(&self, failure: &Failure, _id: &str, _headers: &mut HeaderMap) -> Bytes {
        json!({"error": error(failure)}).to_string().into()
    }

    /// It tells nothing of its limits in headers.
    fn announce(&self, id: &str, _standings: Option<&Standings>, headers: &mut HeaderMap) {
        set(headers, "x-request-id", &id);
    }
}

/// The model and the method that a path names, wherever models are. Other models than Gemini's
/// have colons in their names too.
pub(crate) fn model_and_method(path: &str) -> Option<(&str, &str)> {
    let (_, rest) = path.rsplit_once("/models/")?;
    let (model, method) = rest.rsplit_once(':')?;
    (METHODS.contains(&method) && !model.is_empty()).then_some((model, method))
}

fn generate(model: &str, body: &[u8], stream: bool, framing: Framing) -> Result<Asked, Failure> {
    let body: Body = json(body)?;
    let input_tokens = body.tokens()?;
    Ok(Asked::Text(TextRequest {
        model: model.to_owned(),
        choices: 1,
        max_tokens: body.generation_config.and_then(|config| config.max_output_tokens),
        stream,
        input_tokens,
        shape: Box::new(Content { framing }),
    }))
}

fn count(body: &[u8]) -> Result<Asked, Failure> {
    let body: CountBody = json(body)?;
    let request = body.generate_content_request.unwrap_or(Body {
        contents: body.contents,
        system_instruction: None,
        generation_config: None,
    });
    let tokens = request.tokens()?;
    Ok(Asked::free(move |plan| {
        json!({"totalTokens": plan.input_tokens.unwrap_or(tokens)}).to_string()
    }))
}

impl Body {
    fn tokens(&self) -> Result<u32, Failure> {
        let contents = self.contents.as_ref().filter(|contents| !contents.is_empty());
        let contents = contents.ok_or_else(|| missing("contents"))?;
        let system = self.system_instruction.as_ref().map_or(0, text_bytes);
        Ok(tokens_of_bytes(contents.iter().map(text_bytes).sum::<usize>() + system))
    }
}

impl Shape for Content {
    fn plain(&self, answer: &Answer) -> Whole {
        let whole = chunk(answer, &answer.text(), Some(finish(answer)), answer.told());
        Whole::json(whole.to_string())
    }

    fn stream(&self, answer: Answer) -> (&'static str, Box<dyn Events>) {
        let Self { framing } = *self;
        let tokens = answer.tokens();
        let last = chunk(&answer, "", Some(finish(&answer)), answer.told());
        let [before, after] = framing.around(tokens == 0);
        let closing = format!("{before}{last}{after}{}", framing.end()).into();
        let failed = json!({"error": error(&Failure::broken())});
        let error = format!("{before}{failed}{after}{}", framing.end()).into();
        let write = move |place: usize, out: &mut Vec<u8>| {
            let chunk = chunk(&answer, content::token(place), None, answer.told_at(place + 1));
            let [before, after] = framing.around(place == 0);
            out.extend_from_slice(format!("{before}{chunk}{after}").as_bytes());
        };
        let script = Script::new(Vec::new(), tokens, write, vec![closing], error);
        (if framing == Framing::Events { EVENT_STREAM } else { JSON }, script)
    }
}

impl Framing {
    /// What stands before and after a chunk.
    const fn around(self, is_first: bool) -> [&'static str; 2] {
        match self {
            Self::Events => ["data: ", "\r\n\r\n"],
            Self::Array if is_first => ["[", "\n"],
            Self::Array => [",\r\n", "\n"],
        }
    }

    const fn end(self) -> &'static str {
        match self {
            Self::Events => "",
            Self::Array => "]",
        }
    }
}

const fn finish(answer: &Answer) -> &'static str {
    if answer.is_full { "MAX_TOKENS" } else { "STOP" }
}

fn chunk(answer: &Answer, text: &str, finish: Option<&str>, told: Option<Told>) -> Value {
    let content = json!({"parts": [{"text": text}], "role": "model"});
    let candidate = json!({"content": content, "index": 0});
    let candidate = with(candidate, "finishReason", finish.map(Value::from));
    let chunk = json!({
        "candidates": [candidate],
        "modelVersion": answer.model,
        "responseId": answer.id,
    });
    with(chunk, "usageMetadata", told.map(usage))
}

fn usage(Told { input, output, total }: Told) -> Value {
    json!({
        "promptTokenCount": input,
        "candidatesTokenCount": output,
        "totalTokenCount": total,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": input}],
    })
}

/// The object in an error's body.
fn error(failure: &Failure) -> Value {
    let (status, details) = match &failure.why {
        Why::Invalid | Why::TooLarge => ("INVALID_ARGUMENT", None),
        Why::NotFound => ("NOT_FOUND", None),
        Why::Broken => ("INTERNAL", None),
        Why::Overloaded => ("UNAVAILABLE", None),
        Why::Limited(exceeded) => ("RESOURCE_EXHAUSTED", Some(details(exceeded))),
    };
    let code = failure.status().as_u16();
    let error = json!({"code": code, "message": failure.message, "status": status});
    with(error, "details", details)
}

/// Which quota was exceeded, and when to come back.
fn details(Exceeded { unit, limit, wait, .. }: &Exceeded) -> Value {
    let (metric, id) = match unit {
        Unit::Tokens => {
            ("generate_content_input_token_count", "GenerateContentInputTokensPerModelPerMinute")
        }
        _ => ("generate_content_requests", "GenerateRequestsPerMinutePerProjectPerModel"),
    };
    let violation = json!({
        "quotaMetric": format!("generativelanguage.googleapis.com/{metric}"),
        "quotaId": id,
        "quotaValue": limit.to_string(),
    });
    let quota = json!({
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [violation],
    });
    let retry = wait.map(|wait| {
        let delay = format!("{}s", super::failure::seconds(wait));
        json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    });
    std::iter::once(quota).chain(retry).collect()
}
