//! What requests of each dialect are: which are metered, which cost nothing, and how those
//! that are metered are read.
//!
//! What only reads or deletes costs nothing, and so does what only counts or checks. Whatever
//! else a path leads to makes something that nobody here can meter.

use http::Method;
use percent_encoding::percent_decode_str;
use tollgate_core::policy::settings::Dialect;
use tollgate_meter::{
    AnyRequest, ScanError, anthropic, bedrock, deepgram, gemini,
    openai::{self, responses, transcriptions},
};

use super::live::FIRST_MILLIS;
use crate::refusal::Form;

/// A request that was understood, whatever dialect it speaks.
pub(super) type Request = Box<dyn AnyRequest + Send>;

/// Where a request goes that is metered.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Text(openai::Endpoint),
    Response,
    Transcription,
    Message(anthropic::Endpoint),
    Content(gemini::Target),
    Model(bedrock::Target),
    Listen(deepgram::Target),
    Live(deepgram::Target),
}

impl Target {
    /// Where a POST to this path goes; nothing where that is not metered.
    ///
    /// # Errors
    /// Where the path or the query says too little, or in two ways, what is asked for.
    pub(super) fn of(
        dialect: Dialect,
        path: &str,
        query: Option<&str>,
    ) -> Result<Option<Self>, ScanError> {
        Ok(match dialect {
            Dialect::Openai | Dialect::Azure => openai(path),
            Dialect::Anthropic => anthropic::Endpoint::of(path).map(Self::Message),
            Dialect::Gemini => gemini::Target::of(path, query).map(Self::Content),
            Dialect::Bedrock => bedrock::Target::of(path).map(Self::Model),
            Dialect::Deepgram => deepgram::Target::of(path, query)?.map(Self::Listen),
            Dialect::Http => None,
        })
    }

    /// Where the same request goes behind a name, by the path that it has there.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub(super) fn behind(
        &self,
        dialect: Dialect,
        path: &str,
        query: Option<&str>,
    ) -> Result<Self, ScanError> {
        let found = match self {
            Self::Live(_) => deepgram::Target::of(path, query)?.map(Self::Live),
            _ => Self::of(dialect, path, query)?,
        };
        Ok(found.unwrap_or_else(|| self.clone()))
    }

    /// Reads a body, of this type. A `model` that is known already stands above what the body
    /// calls it.
    ///
    /// # Errors
    /// Where what decides the charge is missing or makes no sense.
    pub(super) fn scan(
        &self,
        model: Option<&str>,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<Request, ScanError> {
        Ok(match self {
            Self::Text(endpoint) => Box::new(match model {
                Some(model) => openai::scan_of(*endpoint, model, body)?,
                None => openai::scan(*endpoint, body)?,
            }),
            Self::Response => Box::new(responses::scan(body)?),
            Self::Transcription => {
                let kind = content_type.unwrap_or_default();
                Box::new(match model {
                    Some(model) => transcriptions::scan_of(model, kind, body)?,
                    None => transcriptions::scan(kind, body)?,
                })
            }
            Self::Message(endpoint) => Box::new(anthropic::scan(*endpoint, body)?),
            Self::Content(target) => Box::new(gemini::scan(target, body)?),
            Self::Model(target) => Box::new(bedrock::scan(target, body)?),
            Self::Listen(target) => Box::new(deepgram::scan(target, content_type, body)?),
            Self::Live(target) => Box::new(deepgram::scan_live(target, FIRST_MILLIS)?),
        })
    }

    /// In which form its errors are told.
    pub(super) const fn form(&self) -> Form {
        match self {
            Self::Text(_) | Self::Transcription => Form::Openai,
            Self::Response => Form::Responses,
            Self::Message(_) => Form::Anthropic,
            Self::Content(_) => Form::Gemini,
            Self::Model(_) => Form::Bedrock,
            Self::Listen(_) | Self::Live(_) => Form::Deepgram,
        }
    }
}

fn openai(path: &str) -> Option<Target> {
    if let Some(endpoint) = openai::Endpoint::of(path) {
        Some(Target::Text(endpoint))
    } else if responses::is_path(path) {
        Some(Target::Response)
    } else if transcriptions::is_path(path) {
        Some(Target::Transcription)
    } else {
        None
    }
}

/// Whether a request that is not metered costs nothing.
pub(super) fn is_free(dialect: Dialect, method: &Method, path: &str) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS) {
        // Google takes another method for it where a parameter says so.
        return dialect != Dialect::Gemini || !path.contains([':', '%']);
    }
    let path = path.trim_end_matches('/');
    free_posts(dialect).iter().any(|end| path.ends_with(end))
        || takes_files(dialect) && is_of_files(path)
}

/// Whether files are kept without a charge.
const fn takes_files(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Openai | Dialect::Azure | Dialect::Anthropic | Dialect::Gemini)
}

/// Whether a path is that of all files, and not of those of something that costs.
fn is_of_files(path: &str) -> bool {
    let is_version = |segment: &str| {
        segment.strip_prefix('v').is_some_and(|it| it.starts_with(|c: char| c.is_ascii_digit()))
    };
    let leads = |segment: &str| matches!(segment, "" | "openai" | "upload") || is_version(segment);
    path.strip_suffix("/files").is_some_and(|before| before.split('/').all(leads))
}

/// How paths end that make nothing that is charged for, although something is sent there.
const fn free_posts(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Openai | Dialect::Azure => &["/moderations", "/input_tokens"],
        Dialect::Anthropic => &["/count_tokens"],
        Dialect::Gemini => &[":countTokens"],
        Dialect::Bedrock => &["/count-tokens"],
        Dialect::Deepgram | Dialect::Http => &[],
    }
}

/// What stands before the name of a deployment.
pub(super) const DEPLOYMENTS: &str = "/deployments/";

/// The deployment that a path of Azure's is of.
pub(super) fn deployment(path: &str) -> Option<String> {
    let (_, rest) = path.split_once(DEPLOYMENTS)?;
    let name = rest.split('/').next().filter(|name| !name.is_empty())?;
    Some(percent_decode_str(name).decode_utf8().ok()?.into_owned())
}

/// How many deployments a path of Azure's may be taken to name, whatever it is written like.
pub(super) fn deployments(path: &str) -> usize {
    let read = percent_decode_str(path).decode_utf8_lossy().to_ascii_lowercase();
    let word = DEPLOYMENTS.trim_matches('/');
    read.split(['/', '\\']).filter(|segment| *segment == word).count()
}

/// What of a dialect is metered, for people.
pub(super) const fn metered(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Openai | Dialect::Azure => {
            "chat completions, responses, completions, embeddings or transcriptions"
        }
        Dialect::Anthropic => "messages",
        Dialect::Gemini => "generateContent, streamGenerateContent or embedContent",
        Dialect::Bedrock => "converse or invoke",
        Dialect::Deepgram => "listen",
        Dialect::Http => "another path",
    }
}
