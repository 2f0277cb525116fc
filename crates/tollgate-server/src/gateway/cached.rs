//! Answers that need not be asked for again: looked for before anything is planned or reserved,
//! and kept as they pass.
//!
//! A request that is answered so is one request, uses no tokens and costs nothing. It says so
//! in `X-Tollgate-Cache`: `hit`; where it waited for another's answer, `shared`; where a question
//! that means the same was answered before, `similar`. Else the header says `miss`, or `bypass`
//! where the answer is not kept or was not wanted from here; `fallback` is what [`super::fallback`]
//! gives.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, Uri,
    header::{AGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE},
    response,
};
use tollgate_core::{Demand, Now, policy::settings};
use tollgate_meter::Scan;

use super::{
    aside::LONG_BODY_BYTES,
    exchange::{Exchange, Stop},
    meaning,
    outcome::Outcome as Ended,
    ticket::Ticket,
};
use crate::{
    cache::{
        Audience, Digest, Errand, Keeping, Kept, Key, Labels, Looked, Outcome, Question, Recorded,
        Recorder, digest,
    },
    net::{self, Body, OnEnd},
    prices::Rate,
};

/// What an answer is looked for by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a Bytes,
    pub(super) scan: &'a Scan,
    /// When it had come.
    pub(super) read: Now,
}

/// What there is for a request.
#[derive(Debug)]
pub(super) enum Found {
    /// Its answer.
    Answer(Response<Body>),
    /// Nothing: its provider is asked.
    Ask(Keeper),
}

/// What becomes of the answer that a provider gives.
#[derive(Debug, Default)]
pub(super) enum Keeper {
    /// It passes, since nothing is kept at all.
    #[default]
    Off,
    /// It passes, since it is not kept.
    Pass,
    /// It is kept.
    Keep { errand: Errand, keeping: Keeping, outcome: Outcome },
}

/// What a caller wants of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// An answer that is kept, or a new one, which is kept.
    Usual,
    /// A new one, which is kept.
    Fresh,
    /// Nothing.
    Never,
}

/// The header by which callers say what they want, and answers what they are.
pub(super) static CACHE: HeaderName = HeaderName::from_static("x-tollgate-cache");

/// Looks for the answer to a request that may be made.
///
/// # Errors
/// When there is one, and a limit on requests is in the way.
pub(super) async fn look(exchange: &mut Exchange, asked: Asked<'_>) -> Result<Found, Stop> {
    let live = Arc::clone(&exchange.live);
    let settings = &live.settings.cache;
    if !settings.enabled {
        return Ok(Found::Ask(Keeper::Off));
    }
    let tally = Arc::clone(&exchange.app.cache.tally);
    let wish = Wish::of(asked.headers);
    let body = (wish != Wish::Never).then(|| cacheable(settings, &asked)).flatten();
    let Some(body) = body else {
        tally.count(Outcome::Bypass);
        return Ok(Found::Ask(Keeper::Pass));
    };
    let (key, labels) = (key(exchange, settings, &asked, &body), Labels::of(&exchange.who));
    let lasts = if is_embedding(&asked) { settings.embeddings } else { settings.queries };
    let keeping = Keeping { lasts, stale: live.settings.stale(), max_bytes: settings.max_entry };
    let answers = exchange.app.cache.answers.clone();
    if wish == Wish::Fresh {
        tally.count(Outcome::Bypass);
        let (errand, outcome) = (answers.alone(key, labels), Outcome::Bypass);
        return Ok(Found::Ask(Keeper::Keep { errand, keeping, outcome }));
    }
    let wait = exchange.patience.most.map_or(settings.wait, |most| most.min(settings.wait));
    let clock = exchange.app.gate.clock().clone();
    let (kept, outcome) = match answers.look(key, labels, wait, &clock).await {
        Looked::Kept(kept) => (kept, Outcome::Hit),
        Looked::Brought(kept) => (kept, Outcome::Shared),
        Looked::Go(errand) => match similar(exchange, settings, &asked, &errand).await {
            Some(kept) => {
                errand.fail();
                (kept, Outcome::Similar)
            }
            None => {
                tally.count(Outcome::Miss);
                let outcome = Outcome::Miss;
                return Ok(Found::Ask(Keeper::Keep { errand, keeping, outcome }));
            }
        },
    };
    let response = again(exchange, &asked, &kept, outcome).await?;
    tally.count(outcome);
    tally.saved(kept.usage.cost);
    Ok(Found::Answer(response))
}

/// The answer to a question that means the same, where the policy has an embedding model that
/// says so. The question is taken note of, for those that come after its own answer.
async fn similar(
    exchange: &Exchange,
    settings: &settings::Cache,
    asked: &Asked<'_>,
    errand: &Errand,
) -> Option<Arc<Kept>> {
    let meaning = settings.meaning.as_ref()?;
    if is_embedding(asked) {
        return None;
    }
    let meaning::Asked { question, frame } = meaning::question(asked.body)?;
    let frame = key(exchange, settings, asked, &frame);
    let vector = Box::pin(meaning::of(exchange, meaning, &question)).await?;
    let cache = &exchange.app.cache;
    let now = exchange.app.gate.clock().now().time;
    let is_kept = |key: &Key| cache.answers.find(key, now).is_some();
    let nearest = cache.index.nearest(&frame, &vector, meaning.threshold.value(), is_kept);
    if let Some(kept) = nearest.and_then(|key| cache.answers.find(&key, now)) {
        return Some(kept);
    }
    cache.index.note(frame, vector, errand.key(), meaning.max_bytes);
    None
}

/// Answers with what is kept, once the limits on requests let it.
async fn again(
    exchange: &mut Exchange,
    asked: &Asked<'_>,
    kept: &Kept,
    outcome: Outcome,
) -> Result<Response<Body>, Stop> {
    let model = asked.scan.model.as_str().into();
    let mut ticket = exchange.admit(Demand::ONE_REQUEST, model, Rate::Free).await?;
    let now = exchange.app.gate.clock().now();
    let mut headers = HeaderMap::new();
    if let Some(content_type) = &kept.content_type {
        headers.insert(CONTENT_TYPE, content_type.clone());
    }
    headers.insert(AGE, now.time.since(kept.since).as_secs().into());
    headers.insert(CACHE.clone(), HeaderValue::from_static(outcome.name()));
    exchange.mark(&mut headers, &ticket, now);
    ticket.note_added(now.time.since(asked.read.time));
    let body = net::full(kept.body.clone());
    let body = net::boxed(OnEnd::new(body, move |_| ticket.conclude(Ended::Answered)));
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    Ok(response)
}

/// What a request's body asks for, if the answer may be given again.
fn cacheable(settings: &settings::Cache, asked: &Asked<'_>) -> Option<Digest> {
    // What is longer keeps a worker for too long, and audio is not asked for twice.
    if asked.body.len() > LONG_BODY_BYTES || asked.scan.audio.is_some() {
        return None;
    }
    let body = digest(asked.body)?;
    let usual = if is_embedding(asked) { 0.0 } else { settings::Temperature::USUAL.value() };
    let temperature = body.temperature.unwrap_or(usual);
    (temperature <= settings.max_temperature.value() && !body.is_stateful).then_some(body)
}

/// Whether nothing is written by a model, so that the answer is always the same.
fn is_embedding(asked: &Asked<'_>) -> bool {
    asked.scan.output_bound() == Some(0)
}

fn key(exchange: &Exchange, settings: &settings::Cache, asked: &Asked<'_>, body: &Digest) -> Key {
    let provider = &exchange.provider;
    let sent_on = provider.passes_callers(&exchange.entry).then_some(asked.headers);
    let audience = Audience::new(settings.scope, &exchange.who, sent_on);
    let path = asked.uri.path_and_query().map_or("", |path| path.as_str());
    let (dialect, provider, headers) = (exchange.dialect.name(), &provider.name, asked.headers);
    Key::new(&audience, &Question { dialect, provider, path, headers, body })
}

impl Wish {
    fn of(headers: &HeaderMap) -> Self {
        match headers.get(&CACHE).map(HeaderValue::as_bytes) {
            Some(b"off") => return Self::Never,
            Some(b"refresh") => return Self::Fresh,
            _ => {}
        }
        let said = headers.get_all(CACHE_CONTROL).into_iter().filter_map(|it| it.to_str().ok());
        let said = said.flat_map(|value| value.split(',').map(str::trim));
        said.fold(Self::Usual, |wish, directive| {
            if directive.eq_ignore_ascii_case("no-store") {
                Self::Never
            } else if directive.eq_ignore_ascii_case("no-cache") && wish == Self::Usual {
                Self::Fresh
            } else {
                wish
            }
        })
    }
}

impl Keeper {
    /// Under what the answer is kept, where one that was kept before would have done.
    pub(super) const fn missed(&self) -> Option<Key> {
        match self {
            Self::Keep { errand, outcome: Outcome::Miss, .. } => Some(errand.key()),
            _ => None,
        }
    }

    /// Says in the head of an answer what was found, and begins to write the answer down if it
    /// is kept: one that was asked for as it stands, and is not an error.
    pub(super) fn begin(
        self,
        exchange: &Exchange,
        head: &mut response::Parts,
        ticket: &mut Ticket,
        as_it_stands: bool,
    ) -> Option<Recorder> {
        let outcome = match &self {
            Self::Off => return None,
            Self::Pass => Outcome::Bypass,
            Self::Keep { outcome, .. } => *outcome,
        };
        head.headers.insert(CACHE.clone(), HeaderValue::from_static(outcome.name()));
        let Self::Keep { errand, keeping, .. } = self else { return None };
        let is_plain = !head.headers.contains_key(CONTENT_ENCODING);
        if head.status != http::StatusCode::OK || !is_plain || !as_it_stands {
            errand.fail();
            return None;
        }
        let content_type = head.headers.get(CONTENT_TYPE).cloned();
        let clock = exchange.app.gate.clock().clone();
        let (recorder, whole) = exchange.app.cache.record(errand, content_type, keeping, clock);
        ticket.tell_whole(whole);
        Some(recorder)
    }

    /// Says to those who wait that there is no answer.
    pub(super) fn fail(self) {
        if let Self::Keep { errand, .. } = self {
            errand.fail();
        }
    }
}

/// A body that is written down where it is to be kept.
pub(super) fn recorded(body: Body, recorder: Option<Recorder>) -> Body {
    match recorder {
        Some(recorder) => net::boxed(Recorded::new(body, recorder)),
        None => body,
    }
}
