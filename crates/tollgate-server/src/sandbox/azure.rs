//! Azure OpenAI: OpenAI's bodies at a deployment's own place, and errors in Azure's words.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::json;

use super::{
    dialect::{self, Asked, Call, Dialect, set},
    failure::{self, Failure, Why},
    openai::{self, OpenAi},
    quotas::{Exceeded, Standing, Standings, Unit},
};

/// What Azure speaks.
pub(crate) struct Azure;

impl Dialect for Azure {
    fn read(&self, call: &Call<'_>) -> Result<Asked, Failure> {
        let unknown = || Failure::unknown_url(call.method, call.path);
        let (deployment, path) = deployment_and_path(call.path).ok_or_else(unknown)?;
        let has_version = call.query.split('&').any(|pair| pair.starts_with("api-version="));
        if !has_version || !matches!(path, "/chat/completions" | "/completions" | "/embeddings") {
            return Err(unknown());
        }
        openai::read(call, path, Some(deployment))
    }

    fn error(&self, failure: &Failure, id: &str, headers: &mut HeaderMap) -> Bytes {
        let message = match failure.why {
            Why::Limited(Exceeded { unit, wait, .. }) => {
                dialect::retry_after(failure, headers);
                let rate = if unit == Unit::Tokens { "token" } else { "call" };
                let seconds = wait.map_or(60, failure::seconds);
                format!(
                    "Requests to the ChatCompletions_Create Operation under Azure OpenAI API have exceeded {rate} rate limit of your current OpenAI pricing tier. Please retry after {seconds} seconds."
                )
            }
            Why::NotFound => "Resource not found".to_owned(),
            _ => return OpenAi.error(failure, id, headers),
        };
        let code = failure.status().as_u16().to_string();
        json!({"error": {"code": code, "message": message}}).to_string().into()
    }

    fn announce(&self, id: &str, standings: Option<&Standings>, headers: &mut HeaderMap) {
        set(headers, "apim-request-id", &id);
        let Some(standings) = standings else { return };
        if let Some(Standing { limit, remaining, .. }) = standings.requests {
            set(headers, "x-ratelimit-limit-requests", &limit);
            set(headers, "x-ratelimit-remaining-requests", &remaining);
        }
        if let Some(Standing { limit, remaining, .. }) = standings.tokens {
            set(headers, "x-ratelimit-limit-tokens", &limit);
            set(headers, "x-ratelimit-remaining-tokens", &remaining);
        }
    }
}

/// The deployment that a path names, and what is asked of it.
pub(crate) fn deployment_and_path(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/openai/deployments/")?;
    let end = rest.find('/')?;
    (end > 0).then(|| rest.split_at(end))
}
