//! Entries that an application keeps in Tollgate, and the clearing of what is cached.
//!
//! Entries live in memory, for an hour unless they say otherwise, and within the bytes that the
//! policy gives them; a restart forgets them. Those of one tenant are nowhere to be found for
//! another.

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    extract::{FromRequestParts, Path, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::{Deserialize, Serialize};

use super::{Instant, Problem, Shared, asked::Name, input::Asking};
use crate::cache::{Cleared, Entry, Key, Labels, Selector};

/// Where an entry is, in the path.
#[derive(Debug)]
pub(super) struct Place {
    namespace: Name,
    name: Name,
}

/// Whose an entry is.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Owner {
    /// The tenant, whose names are its own; the operator itself if not given.
    #[param(value_type = Option<String>)]
    tenant: Option<Name>,
}

/// Whose an entry is, by what it can be cleared, and how long it is kept.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Keeping {
    /// The tenant, whose names are its own; the operator itself if not given.
    #[param(value_type = Option<String>)]
    tenant: Option<Name>,
    /// The user by whom it can be cleared.
    #[param(value_type = Option<String>)]
    user: Option<Name>,
    /// The model by which it can be cleared.
    #[param(value_type = Option<String>)]
    model: Option<Name>,
    /// The tag by which it can be cleared.
    #[param(value_type = Option<String>)]
    tag: Option<Name>,
    /// How many seconds it is kept; as the policy says if not given, usually an hour.
    #[param(minimum = 1, maximum = 604_800)]
    ttl_seconds: Option<u64>,
}

/// An entry that was put in its place.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Stored {
    /// Bytes of its body.
    bytes: usize,
    /// When it is there no more.
    expires_at: Instant,
}

/// The longest that an entry is kept: a week.
const MAX_TTL_SECONDS: u64 = 7 * 86_400;

/// The longest media type of an entry, in bytes.
const MAX_MEDIA_TYPE: usize = 256;

/// Keeps an entry, in the place of the one that was there.
#[utoipa::path(put, path = "/v1/cache/{namespace}/{key}", tag = "cache",
    params(
        ("namespace" = String, Path, description = "What kind of entry it is"),
        ("key" = String, Path, description = "Which one it is"),
        Keeping,
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream",
        description = "Whatever is to be kept, of any media type"),
    responses(
        (status = 200, description = "It is kept", body = Stored),
        (status = 400, description = "The request is wrong", body = Problem),
        (status = 413, description = "It is longer than an entry may be", body = Problem),
))]
pub(super) async fn put(
    State(api): State<Shared>,
    place: Place,
    Asking(keeping): Asking<Keeping>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Stored>, Problem> {
    let settings = api.app.live().settings.cache.clone();
    let lasts = match keeping.ttl_seconds {
        None => settings.contexts,
        Some(seconds @ 1..=MAX_TTL_SECONDS) => Duration::from_secs(seconds),
        Some(seconds) => {
            return Err(Problem::invalid(format!(
                "`ttl_seconds` is {seconds}: an entry is kept for 1 to {MAX_TTL_SECONDS} seconds."
            )));
        }
    };
    let media_type = headers.get(header::CONTENT_TYPE).cloned();
    if media_type.as_ref().is_some_and(|value| value.len() > MAX_MEDIA_TYPE) {
        return Err(Problem::invalid(format!(
            "`Content-Type` is longer than {MAX_MEDIA_TYPE} bytes: send a shorter one, or none."
        )));
    }
    let body = read(body, settings.max_entry).await?;
    let (bytes, now) = (body.len(), api.app.gate.clock().now());
    let key = place.key(keeping.tenant.as_ref());
    let label = |name: Option<Name>| name.map(|Name(name)| name.into());
    let (user, model) = (label(keeping.user), label(keeping.model));
    let labels = Labels { user, model, tag: label(keeping.tag) };
    let entry = Entry::new(media_type, body, labels, now.time, lasts);
    let expires_at = Instant::new(entry.expires, now);
    if api.app.cache.entries.put(key, entry) {
        Ok(Json(Stored { bytes, expires_at }))
    } else {
        Err(Problem::too_large(
            "The entry does not fit into the cache: ask the operator to raise `max_bytes` of `[cache]`.",
        ))
    }
}

/// Reads an entry.
#[utoipa::path(get, path = "/v1/cache/{namespace}/{key}", tag = "cache",
    params(
        ("namespace" = String, Path, description = "What kind of entry it is"),
        ("key" = String, Path, description = "Which one it is"),
        Owner,
    ), responses(
    (status = 200, description = "The entry as it was put, with its media type and `Age`",
        body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 400, description = "The request is wrong", body = Problem),
    (status = 404, description = "It is not there, or not any more", body = Problem),
))]
pub(super) async fn find(
    State(api): State<Shared>,
    place: Place,
    Asking(owner): Asking<Owner>,
) -> Result<Response, Problem> {
    let now = api.app.gate.clock().now().time;
    let entry = api.app.cache.entries.find(&place.key(owner.tenant.as_ref()), now);
    let entry = entry.ok_or_else(|| place.missing())?;
    let mut response = Body::from(entry.body.clone()).into_response();
    let age = HeaderValue::from(now.since(entry.since).as_secs());
    response.headers_mut().insert(header::AGE, age);
    if let Some(media_type) = &entry.content_type {
        response.headers_mut().insert(header::CONTENT_TYPE, media_type.clone());
    }
    Ok(response)
}

/// Takes an entry away.
#[utoipa::path(delete, path = "/v1/cache/{namespace}/{key}", tag = "cache",
    params(
        ("namespace" = String, Path, description = "What kind of entry it is"),
        ("key" = String, Path, description = "Which one it is"),
        Owner,
    ), responses(
    (status = 204, description = "It is gone"),
    (status = 400, description = "The request is wrong", body = Problem),
    (status = 404, description = "It was not there", body = Problem),
))]
pub(super) async fn remove(
    State(api): State<Shared>,
    place: Place,
    Asking(owner): Asking<Owner>,
) -> Result<StatusCode, Problem> {
    let now = api.app.gate.clock().now().time;
    let key = place.key(owner.tenant.as_ref());
    let was_there = api.app.cache.entries.remove(&key, now);
    if was_there { Ok(StatusCode::NO_CONTENT) } else { Err(place.missing()) }
}

/// Clears answers of providers and entries: those that have all that is named, or all where
/// nothing is. What is under way meanwhile is not kept either.
#[utoipa::path(delete, path = "/v1/cache", tag = "cache", params(Selector), responses(
    (status = 200, description = "They are gone", body = Cleared),
    (status = 400, description = "The request is wrong", body = Problem),
    (status = 503, description = "They may come back at the next start", body = Problem),
))]
pub(super) async fn clear(
    State(api): State<Shared>,
    Asking(selector): Asking<Selector>,
) -> Result<Json<Cleared>, Problem> {
    Ok(Json(api.app.cache.clear(&selector).await?))
}

/// Reads a body into memory of its own, so that it keeps nothing else alive.
async fn read(body: Body, max_bytes: u64) -> Result<Bytes, Problem> {
    let limit = usize::try_from(max_bytes).unwrap_or(usize::MAX);
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(Bytes::copy_from_slice(&collected.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::too_large(format!(
            "The entry is longer than the {max_bytes} bytes that one may have (`max_entry` of `[cache]`)."
        ))),
        Err(_) => Err(Problem::invalid("The body broke off before its end: send it again.")),
    }
}

impl Place {
    fn key(&self, tenant: Option<&Name>) -> Key {
        let tenant = tenant.map_or("", |Name(name)| name.as_str());
        Key::of_entry(tenant, &self.namespace.0, &self.name.0)
    }

    fn missing(&self) -> Problem {
        Problem::not_found(format!(
            "There is no entry `{}` in `{}`: it was not put, or its time is over.",
            self.name.0, self.namespace.0
        ))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Place {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path: Result<Path<(String, String)>, _> = Path::from_request_parts(parts, state).await;
        let Path((namespace, name)) = path.map_err(|why| Problem::invalid(why.body_text()))?;
        let parse = |text, which: &str| {
            let wrong = |why| Problem::invalid(format!("The {which} in the path is none: {why}."));
            Name::parse(text).map_err(wrong)
        };
        Ok(Self { namespace: parse(namespace, "namespace")?, name: parse(name, "key")? })
    }
}
