//! Bodies of requests: bounded, and refused with the member that is wrong.

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Path, Query},
};
use bytes::Bytes;
use http::{Request, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::{Deserialize, Deserializer, de};
use tollgate_core::{NanoUsd, ReservationId};
use uuid::Uuid;

use super::{Problem, asked::Name};

/// A body of JSON.
#[derive(Debug)]
pub(crate) struct Input<T>(pub(crate) T);

/// The id in a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct PermitId(pub(super) ReservationId);

/// The name in a path.
#[derive(Debug)]
pub(crate) struct Named(pub(crate) String);

/// What the query says.
#[derive(Debug)]
pub(crate) struct Asking<Q>(pub(crate) Q);

/// A whole number that cannot overflow anything it is added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, utoipa::ToSchema)]
#[schema(value_type = u64, maximum = 9_007_199_254_740_992_u64)]
pub(super) struct Count(pub(super) u64);

/// Dollars, as an exact decimal in a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, utoipa::ToSchema)]
#[schema(value_type = String, example = "0.01")]
pub(super) struct Dollars(pub(super) NanoUsd);

/// Seconds of audio, kept in milliseconds, rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, utoipa::ToSchema)]
#[schema(value_type = f64, example = 25.93)]
pub(super) struct Millis(pub(super) u64);

/// The longest body in bytes.
pub(super) const MAX_BODY: usize = 64 << 10;

/// The largest count: what every JSON reader holds exactly.
const MAX_COUNT: u64 = 1 << 53;

/// A billion dollars.
const MAX_USD: NanoUsd = NanoUsd(1_000_000_000_000_000_000);

/// Some thirty years of audio.
const MAX_SECONDS: f64 = 1e9;

impl<T: de::DeserializeOwned, S: Sync> FromRequest<S> for Input<T> {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, Problem> {
        let bytes = read(request.into_body()).await?;
        // A body that says nothing asks for all defaults.
        let bytes = if bytes.iter().all(u8::is_ascii_whitespace) { b"{}" } else { &bytes[..] };
        parse(bytes).map(Self)
    }
}

async fn read(body: Body) -> Result<Bytes, Problem> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::too_large(format!(
            "The body is longer than {MAX_BODY} bytes: send what describes the request, not the request itself."
        ))),
        Err(_) => Err(Problem::invalid("The body broke off before its end: send it again.")),
    }
}

fn parse<T: de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let why = error.into_inner();
        match path.as_str() {
            "." => Problem::invalid(format!("The body is not what is expected here: {why}.")),
            path => Problem::invalid(format!("`{path}` is not what is expected here: {why}.")),
        }
    })?;
    json.end()
        .map_err(|why| Problem::invalid(format!("The body goes on after its end: {why}.")))?;
    Ok(parsed)
}

impl<S: Send + Sync> FromRequestParts<S> for PermitId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path: Result<Path<String>, _> = Path::from_request_parts(parts, state).await;
        let id = path.ok().and_then(|Path(text)| Uuid::try_parse(&text).ok());
        id.map(|id| Self(ReservationId(id.as_u128()))).ok_or_else(|| {
            Problem::invalid(
                "The id in the path is no UUID: use the `id` that POST /v1/permits answered with.",
            )
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path: Result<Path<String>, _> = Path::from_request_parts(parts, state).await;
        let name = path.map_err(|why| why.body_text()).and_then(|Path(text)| Name::parse(text));
        let wrong = |why| Problem::invalid(format!("The name in the path is none: {why}."));
        name.map(|Name(name)| Self(name)).map_err(wrong)
    }
}

impl<Q: de::DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asking<Q> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query: Result<Query<Q>, _> = Query::from_request_parts(parts, state).await;
        query.map(|Query(query)| Self(query)).map_err(|why| {
            let why = why.body_text();
            Problem::invalid(format!("The query is not what is expected here: {why}."))
        })
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let count = u64::deserialize(deserializer)?;
        if count > MAX_COUNT {
            return Err(de::Error::custom(format_args!("{count} is more than {MAX_COUNT}")));
        }
        Ok(Self(count))
    }
}

impl<'de> Deserialize<'de> for Dollars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let usd = deserializer.deserialize_str(DollarsVisitor)?;
        if usd > MAX_USD {
            return Err(de::Error::custom(format_args!("${usd} is more than ${MAX_USD}")));
        }
        Ok(Self(usd))
    }
}

struct DollarsVisitor;

impl de::Visitor<'_> for DollarsVisitor {
    type Value = NanoUsd;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("dollars as a string, such as \"0.01\", so that they are exact")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<NanoUsd, E> {
        text.parse().map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        if !(0.0..=MAX_SECONDS).contains(&seconds) {
            return Err(de::Error::custom(format_args!(
                "{seconds} is no number of seconds from 0 to {MAX_SECONDS}"
            )));
        }
        // By way of microseconds, so that 25.93 is not a millisecond more than it says.
        Ok(Self(((seconds * 1e6).round() as u64).div_ceil(1000)))
    }
}
