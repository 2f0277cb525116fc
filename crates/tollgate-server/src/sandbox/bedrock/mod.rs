//! Bedrock: `converse` and `invoke`, plain and as AWS's event stream.

mod converse;
mod frames;
mod invoke;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;

use super::{
    dialect::{Asked, Call, Dialect, set},
    failure::{self, Failure, Why},
    quotas::{Exceeded, Standings, Unit},
};

/// What Bedrock speaks.
pub(crate) struct Bedrock;

impl Dialect for Bedrock {
    fn read(&self, call: &Call<'_>) -> Result<Asked, Failure> {
        let unknown = || Failure::unknown_url(call.method, call.path);
        if call.method != Method::POST {
            return Err(unknown());
        }
        let (model, operation) = model_and_operation(call.path).ok_or_else(unknown)?;
        let model = percent_encoding::percent_decode_str(model).decode_utf8();
        let model = model.map_err(|_| unknown())?.into_owned();
        match operation {
            "converse" => converse::read(model, call.body, false),
            "converse-stream" => converse::read(model, call.body, true),
            "invoke" => invoke::read(model, call.body, false),
            "invoke-with-response-stream" => invoke::read(model, call.body, true),
            _ => Err(unknown()),
        }
    }

    fn error(&self, failure: &Failure, _id: &str, headers: &mut HeaderMap) -> Bytes {
        set(headers, "x-amzn-errortype", &kind(failure));
        if let Some(wait) = failure.wait() {
            set(headers, "x-amz-retry-after", &failure::millis(wait));
        }
        message(failure).into()
    }

    fn status(&self, failure: &Failure) -> StatusCode {
        match failure.why {
            Why::TooLarge => StatusCode::BAD_REQUEST,
            _ => failure.status(),
        }
    }

    /// It tells nothing of its limits.
    fn announce(&self, id: &str, _standings: Option<&Standings>, headers: &mut HeaderMap) {
        set(headers, "x-amzn-requestid", &id);
    }
}

/// The model and the operation of a path.
pub(crate) fn model_and_operation(path: &str) -> Option<(&str, &str)> {
    // The ARN of a model has slashes of its own.
    path.strip_prefix("/model/")?.rsplit_once('/').filter(|(model, _)| !model.is_empty())
}

/// The type of an error.
const fn kind(failure: &Failure) -> &'static str {
    match failure.why {
        Why::Invalid | Why::TooLarge => "ValidationException",
        Why::NotFound => "ResourceNotFoundException",
        Why::Broken => "InternalServerException",
        Why::Overloaded => "ServiceUnavailableException",
        Why::Limited(_) => "ThrottlingException",
    }
}

/// The body of an error.
fn message(failure: &Failure) -> String {
    let message = match &failure.why {
        Why::Limited(Exceeded { unit: Unit::Tokens, .. }) => {
            "Too many tokens, please wait before trying again."
        }
        Why::Limited(_) => "Too many requests, please wait before trying again.",
        _ => &failure.message,
    };
    json!({"message": message}).to_string()
}
