//! What users send: a request of the dialect that the asked model's provider speaks.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, header};
use serde_json::json;
use tollgate_core::policy::{
    Settings,
    settings::{Dialect, NamedModel},
};
use tollgate_meter::Tokenizer;

use crate::{
    net::{self, Body},
    providers::SANDBOX,
    replay::{BYTES_PER_TOKEN, INPUT_TOKENS, OUTPUT_TOKENS, SENTENCE, Tokens, USER, user_name},
};

/// What is asked of whom.
#[derive(Debug)]
pub(super) struct Asking {
    /// What people call it.
    pub(super) model: String,
    /// The model that is asked first, where several stand behind one name in a fixed order.
    pub(super) first: Option<String>,
    /// The same in a request's body.
    name: String,
    dialect: Dialect,
    path: String,
    /// Text enough for the longest prompt.
    filler: String,
    /// So many bytes of it, and how many tokens they are at least.
    bytes_per: (usize, u64),
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    pub(super) user: u32,
    /// No other request has it, so that no two ask the same.
    pub(super) number: u64,
    pub(super) tokens: Tokens,
    /// How long its model takes for it.
    pub(super) millis: u32,
}

/// The simulated model, where a policy names no other.
const MODEL: &str = "sandbox";

/// Words of one letter, each of them a token.
const LETTERS: &str = " a b c d e f g h i j k l m n o p q r s t u v w x y z";

const LATENCY_MS: HeaderName = HeaderName::from_static("x-sandbox-latency-ms");
const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");

impl Asking {
    /// What is asked under a policy, in requests of at most `longest` tokens: the named model, or
    /// the one that the policy has.
    ///
    /// # Errors
    /// With a sentence, when that is no model or nobody asks for text there.
    pub(super) fn of(
        settings: &Settings,
        model: Option<&str>,
        longest: u64,
    ) -> Result<Self, String> {
        let (provider, model, named) = found(settings, model)?;
        let dialect = match settings.providers.get(provider) {
            Some(its) => its.dialect,
            None => Dialect::Openai,
        };
        let path = path(provider, dialect, model).ok_or_else(|| {
            format!(
                "`{provider}` speaks {}, in which nobody is simulated: name a model that answers text with --model",
                dialect.name()
            )
        })?;
        let first = named.filter(|named| !named.is_weighted()).and_then(|it| it.models.first());
        let models = named.map_or_else(
            || vec![model],
            |it| it.models.iter().map(|one| one.model.model.as_str()).collect(),
        );
        let (text, bytes_per) = words(&models);
        let repeated = longest.div_ceil(bytes_per.1) as usize * bytes_per.0 / text.len() + 1;
        Ok(Self {
            model: if named.is_some() { model.to_owned() } else { format!("{provider}/{model}") },
            first: first.map(|first| format!("{}/{}", first.model.provider, first.model.model)),
            name: model.to_owned(),
            dialect,
            path,
            filler: text.repeat(repeated),
            bytes_per,
        })
    }

    /// The request.
    pub(super) fn request(&self, ask: Ask, deadline_ms: Option<u64>) -> Request<Body> {
        let mut request = Request::new(net::full(self.body(ask)));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(name) = HeaderValue::try_from(user_name(ask.user)) {
            headers.insert(USER, name);
        }
        headers.insert(INPUT_TOKENS, ask.tokens.input.into());
        headers.insert(OUTPUT_TOKENS, ask.tokens.output.into());
        headers.insert(LATENCY_MS, ask.millis.into());
        if let Some(deadline_ms) = deadline_ms {
            headers.insert(HeaderName::from_static("x-tollgate-deadline-ms"), deadline_ms.into());
        }
        if self.dialect == Dialect::Anthropic {
            headers.insert(ANTHROPIC_VERSION, HeaderValue::from_static("2023-06-01"));
        }
        request
    }

    fn body(&self, ask: Ask) -> Bytes {
        let (bytes, tokens) = self.bytes_per;
        let length = ask.tokens.input.div_ceil(tokens) as usize * bytes;
        let text = &self.filler[..length.min(self.filler.len())];
        let text = format!("{} {text}", ask.number);
        let most = ask.tokens.output.max(1);
        let body = match self.dialect {
            Dialect::Bedrock => json!({
                "messages": [{"role": "user", "content": [{"text": text}]}],
                "inferenceConfig": {"maxTokens": most},
            }),
            Dialect::Gemini => json!({
                "contents": [{"role": "user", "parts": [{"text": text}]}],
                "generationConfig": {"maxOutputTokens": most},
            }),
            _ => json!({
                "model": self.name,
                "max_tokens": most,
                "messages": [{"role": "user", "content": text}],
            }),
        };
        body.to_string().into()
    }
}

/// The provider that is asked, the model's name there, and what stands behind it.
fn found<'a>(
    settings: &'a Settings,
    model: Option<&'a str>,
) -> Result<(&'a str, &'a str, Option<&'a NamedModel>), String> {
    let names = || settings.models.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let name = match model {
        Some(name) => name,
        None => match settings.models.len() {
            0 => return Ok((SANDBOX, MODEL, None)),
            1 => settings.models.keys().next().map_or(MODEL, String::as_str),
            _ => {
                return Err(format!(
                    "the policy has several models ({}): say which with --model",
                    names()
                ));
            }
        },
    };
    if let Some((name, named)) = settings.models.get_key_value(name) {
        let first = named.models.first().map_or(SANDBOX, |it| it.model.provider.as_str());
        return Ok((first, name, Some(named)));
    }
    let known = |provider: &str| provider == SANDBOX || settings.providers.contains_key(provider);
    match name.split_once('/') {
        Some((provider, model)) if known(provider) && !model.is_empty() => {
            Ok((provider, model, None))
        }
        _ if settings.models.is_empty() => {
            Err(format!("`{name}` is no model of the policy: write it like PROVIDER/MODEL"))
        }
        _ => Err(format!(
            "`{name}` is no model of the policy: it has {}; or write it like PROVIDER/MODEL",
            names()
        )),
    }
}

/// Where a provider of that dialect has its models that answer text.
fn path(provider: &str, dialect: Dialect, model: &str) -> Option<String> {
    let segment = model.replace('/', "%2F");
    Some(match dialect {
        Dialect::Openai => format!("/{provider}/v1/chat/completions"),
        Dialect::Azure => format!("/{provider}/openai/v1/chat/completions"),
        Dialect::Anthropic => format!("/{provider}/v1/messages"),
        Dialect::Bedrock => format!("/{provider}/model/{segment}/converse"),
        Dialect::Gemini => format!("/{provider}/v1beta/models/{segment}:generateContent"),
        Dialect::Deepgram | Dialect::Http => return None,
    })
}

/// What prompts are made of: a text, and so many bytes of it with how many tokens they are at
/// least. Vocabularies count the shortest words that there are, so that few bytes are counted;
/// what is taken by its bytes is text as it is written in the mean.
fn words(models: &[&str]) -> (String, (usize, u64)) {
    let tokenizers: Vec<_> = models.iter().map(|model| Tokenizer::of_model(model)).collect();
    if tokenizers.iter().any(Option::is_none) {
        return (String::from_utf8_lossy(SENTENCE).into_owned(), (BYTES_PER_TOKEN, 1));
    }
    let counted = tokenizers.into_iter().flatten().map(|tokenizer| tokenizer.count(LETTERS));
    // The first word of a text may be one of its own.
    let fewest = counted.min().unwrap_or(1).saturating_sub(1).max(1);
    (LETTERS.to_owned(), (LETTERS.len(), fewest))
}
