//! What `/v1` and the control plane say when they do not do as asked: problem details, made
//! where all refusals are made, in [`crate::refusal`].

use std::borrow::Cow;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use tollgate::StoreError;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type, schema::SchemaType},
};

use crate::{
    cache::Unwritten,
    identity::Unauthorized,
    refusal::{Failure, Reader, What, failed, sentence},
    roster::RosterError,
};

/// A request that was not done, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem(Failure);

/// Sentences are cut here, since they may quote what was sent.
const MAX_MESSAGE: usize = 400;

impl Problem {
    fn new(what: What, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > MAX_MESSAGE {
            message.truncate(message.floor_char_boundary(MAX_MESSAGE));
            message.push('…');
        }
        Self(Failure::new(what, message))
    }

    /// 400: the request itself is wrong.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(What::InvalidRequest, message)
    }

    /// 413: the body is longer than may be.
    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(What::TooLarge, message)
    }

    /// 401: it needs a token.
    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(What::Unauthorized, message)
    }

    /// 403: who asks may not do this.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(What::Forbidden, message)
    }

    /// 403: the model has no price, and the policy lets none pass.
    pub(crate) fn unpriced(message: impl Into<String>) -> Self {
        Self::new(What::ModelUnpriced, message)
    }

    /// 404: there is nothing of that name.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(What::NotFound, message)
    }

    /// 501: this process does not keep what is asked about.
    pub(crate) fn not_kept(message: impl Into<String>) -> Self {
        Self::new(What::NotKept, message)
    }

    /// 409: it was possible once and is no longer, or does not fit what was done before.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(What::Conflict, message)
    }

    /// 503: the process is starting or stopping.
    pub(crate) fn unready(message: impl Into<String>) -> Self {
        Self::new(What::Overloaded, message)
    }

    /// Whether a request was understood and not let through.
    pub(super) const fn is_refusal(&self) -> bool {
        matches!(self.0.what, What::ModelUnpriced | What::Emergency)
    }

    /// The word for programs.
    pub(crate) const fn error(&self) -> &'static str {
        self.0.what.error()
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            tracing::error!(%error, "the store cannot answer");
        }
        Self(Failure::from(&error))
    }
}

impl From<Unauthorized> for Problem {
    fn from(error: Unauthorized) -> Self {
        Self(error.into())
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl From<Unwritten> for Problem {
    fn from(error: Unwritten) -> Self {
        Self::new(What::StoreUnavailable, sentence(&error.to_string()))
    }
}

impl From<RosterError> for Problem {
    fn from(error: RosterError) -> Self {
        let what = match &error {
            RosterError::Invalid(_) => What::InvalidRequest,
            RosterError::Missing(_) => What::NotFound,
            RosterError::Conflict(_) => What::Conflict,
            RosterError::Unavailable(_) => {
                tracing::error!(%error, "the roster cannot answer");
                What::StoreUnavailable
            }
        };
        Self::new(what, sentence(&error.to_string()))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = failed(&self.0, Reader::PROBLEM).map(Body::new);
        if response.status() == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        let text = |description: &str| {
            ObjectBuilder::new()
                .schema_type(SchemaType::Type(Type::String))
                .description(Some(description))
        };
        let number = |description: &str| {
            ObjectBuilder::new()
                .schema_type(SchemaType::Type(Type::Integer))
                .description(Some(description))
        };
        ObjectBuilder::new()
            .description(Some("Problem details (RFC 9457) with members of Tollgate's own"))
            .property("type", text("Which kind of problem it is, as a URI"))
            .property("title", text("The status in words"))
            .property("status", number("The status"))
            .property("detail", text("What was wrong"))
            .property("error", text("One word for programs"))
            .property("message", text("One sentence: what was wrong, where, and what to do"))
            .property("limit", text("The limit that refused, as the policy names it"))
            .property("retry_after", number("Seconds to wait; null where waiting does not help"))
            .property("retry_at", text("The promised instant; null where there is none"))
            .property("active_sessions", number("Live sessions, where they are what is full"))
            .property("max_sessions", number("The most there may be, where they are full"))
            .required("status")
            .required("error")
            .required("message")
            .build()
            .into()
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        "Problem".into()
    }
}
