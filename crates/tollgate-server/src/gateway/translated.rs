//! A request made one of another dialect than its caller's.
//!
//! The promise: its provider gets a request of its own dialect, at its own path, and nothing that
//! was meant for one of the caller's. What one dialect says and the other cannot say is told,
//! never left out.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONTENT_TYPE, DATE, RETRY_AFTER},
};
use tollgate_core::policy::settings::Dialect;
use tollgate_meter::{
    anthropic, openai,
    translate::{self, ANTHROPIC_VERSION, Translated, Untranslatable},
};

use super::{
    aside::{LONG_BODY_BYTES, aside},
    candidates::Candidate,
    dialect::Target,
    estimate::ASSUMED_OUTPUT_TOKENS,
    exchange::Exchange,
    prepared::{Asked, Worded},
};
use crate::{
    credentials,
    providers::{Provider, Reach},
    refusal::{Failure, What},
};

/// What headers begin with that one dialect's clients or providers alone understand.
const OF_DIALECTS: [&str; 3] = ["anthropic-", "openai-", "x-stainless-"];

const VERSION: HeaderName = HeaderName::from_static("anthropic-version");

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What the head of an answer says that is the same in every dialect, and by which name its
/// provider finds it again.
static KEPT: [HeaderName; 7] = [
    CONTENT_TYPE,
    DATE,
    RETRY_AFTER,
    HeaderName::from_static("retry-after-ms"),
    HeaderName::from_static("x-should-retry"),
    HeaderName::from_static("request-id"),
    HeaderName::from_static("x-request-id"),
];

/// Whether what goes there can be translated for a provider.
pub(super) fn is_possible(target: &Target, provider: &Provider) -> bool {
    match spoken(target) {
        Some(translate::Dialect::ChatCompletions) => provider.dialect == Dialect::Anthropic,
        Some(translate::Dialect::Messages) => {
            matches!(provider.dialect, Dialect::Openai | Dialect::Azure)
        }
        None => false,
    }
}

/// The request as the candidate's provider has it.
///
/// # Errors
/// Where it asks for what cannot be asked for there.
pub(super) async fn worded(
    exchange: &Exchange,
    candidate: &Candidate,
    asked: &Asked,
) -> Result<Worded, Failure> {
    let Candidate { provider, model, .. } = candidate;
    let rate = exchange.live.prices.known(&provider.name, Some(provider), model);
    let most = rate.and_then(|rate| rate.price()?.max_output_tokens);
    let most = most.unwrap_or(ASSUMED_OUTPUT_TOKENS);
    let Translated { body, answers } = translated(asked, model, most).await?.map_err(|error| {
        let sentence = format!("{error} `{}` speaks another dialect.", candidate.path());
        let failure = Failure::new(What::Untranslatable, sentence);
        match error.member() {
            Some(member) => failure.at(member.to_owned()),
            None => failure,
        }
    })?;
    let (rest, target) = place(provider);
    Ok(Worded { rest: rest.to_owned(), body, target, answers: Some(answers) })
}

/// Whether it can be said at all to who speaks the other dialect.
pub(super) async fn can_be_said(asked: &Asked) -> bool {
    matches!(translated(asked, "", ASSUMED_OUTPUT_TOKENS).await, Ok(Ok(_)))
}

/// Makes the head of a request one for a provider of that dialect.
pub(super) fn dress(headers: &mut HeaderMap, dialect: Dialect) {
    credentials::remove_all(headers);
    let of_callers = headers
        .keys()
        .filter(|name| OF_DIALECTS.iter().any(|beginning| name.as_str().starts_with(beginning)));
    for name in of_callers.cloned().collect::<Vec<_>>() {
        headers.remove(name);
    }
    headers.insert(CONTENT_TYPE, JSON);
    if dialect == Dialect::Anthropic {
        headers.insert(VERSION, HeaderValue::from_static(ANTHROPIC_VERSION));
    }
}

/// Leaves of the head of an answer what its caller understands.
pub(super) fn undress(headers: &mut HeaderMap) {
    let mut kept = HeaderMap::with_capacity(KEPT.len());
    for name in &KEPT {
        if let Some(value) = headers.remove(name) {
            kept.insert(name, value);
        }
    }
    *headers = kept;
}

/// What is spoken at a path, if it can be translated.
const fn spoken(target: &Target) -> Option<translate::Dialect> {
    match target {
        Target::Text(openai::Endpoint::ChatCompletions) => {
            Some(translate::Dialect::ChatCompletions)
        }
        Target::Message(anthropic::Endpoint::Messages) => Some(translate::Dialect::Messages),
        _ => None,
    }
}

/// Where a provider has what is translated for it. Addresses of OpenAI's dialect end with the
/// version, where they have a path at all, and those of the others stand before it.
fn place(provider: &Provider) -> (&'static str, Target) {
    let base = match &provider.reach {
        Reach::Remote(upstream) => upstream.settings().base.path(),
        Reach::Sandbox(..) => "",
    };
    let completions = Target::Text(openai::Endpoint::ChatCompletions);
    match provider.dialect {
        Dialect::Anthropic => ("/v1/messages", Target::Message(anthropic::Endpoint::Messages)),
        Dialect::Azure => ("/openai/v1/chat/completions", completions),
        _ if base.trim_end_matches('/').is_empty() => ("/v1/chat/completions", completions),
        _ => ("/chat/completions", completions),
    }
}

/// A long body aside from the workers that others wait for.
async fn translated(
    asked: &Asked,
    model: &str,
    max_tokens: u64,
) -> Result<Result<Translated, Untranslatable>, Failure> {
    let Some(caller) = spoken(&asked.target) else {
        return Err(Failure::new(What::Untranslatable, "Nothing at this path is translated."));
    };
    let translate = move |body: &[u8], model: &str| {
        translate::request(caller, body, &translate::Target { model, max_tokens })
    };
    if asked.body.len() <= LONG_BODY_BYTES {
        return Ok(translate(&asked.body, model));
    }
    let (body, model): (Bytes, String) = (asked.body.clone(), model.to_owned());
    aside(move || translate(&body, &model)).await
}
