//! `/v1/keys`: keys for callers.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{MOST, Why, ask, by, change, now, usual};
use crate::{
    api::{Asking, Input, Named, Problem},
    app::App,
    net::Peer,
    roster::{Draft, Key, KeyText, Listing, Moment, ProviderKey, Terms, check_provider},
};

/// Keys, in the order of their ids.
#[derive(Debug, Serialize)]
pub(super) struct Keys {
    keys: Vec<Key>,
    /// What `after` is for the next ones, where there may be more.
    next: Option<String>,
}

/// Which keys are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    user: Option<String>,
    #[serde(default)]
    after: String,
    #[serde(default = "usual")]
    limit: u32,
}

/// How long the old text works.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Grace {
    grace: Option<String>,
    reason: Option<String>,
}

/// A key with its text, which nobody can tell again.
#[derive(Serialize)]
struct Once<'a> {
    /// The text.
    key: &'a str,
    #[serde(flatten)]
    about: Key,
}

/// A provider's key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewProviderKey {
    key: ProviderKey,
    reason: Option<String>,
}

type OfProvider = Result<Path<(String, String)>, PathRejection>;

const USUAL_GRACE: &str = "24h";

/// Lists keys.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Asking(Which { user, after, limit }): Asking<Which>,
) -> Result<Json<Keys>, Problem> {
    let (most, now) = (limit.clamp(1, MOST), now(&app));
    let keys = ask(&app, move |book| book.keys(&Listing { user, after, most }, now)).await?;
    let is_full = u32::try_from(keys.len()).is_ok_and(|count| count == most);
    let next = keys.last().filter(|_| is_full).map(|key| key.id.clone());
    Ok(Json(Keys { keys, next }))
}

/// Makes a key: what it names and may, with `id` and `expires` beside.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    peer: Option<Extension<Peer>>,
    Input(mut asked): Input<Map<String, Value>>,
) -> Result<Response, Problem> {
    let by = by(&app, peer.as_deref(), text(&mut asked, "reason")?)?;
    let id = text(&mut asked, "id")?;
    let expires = text(&mut asked, "expires")?;
    let expires = expires.map(|text| Moment::until(&text, by.at)).transpose();
    let expires = expires.map_err(|why| Problem::invalid(format!("`expires`: {why}.")))?;
    let terms: Terms = serde_json::from_value(Value::Object(asked))
        .map_err(|why| Problem::invalid(format!("The key is not what is expected: {why}.")))?;
    let draft = Draft { id, terms, expires };
    draft.check(&app.live().settings)?;
    let made = change(&app, move |book| book.create(draft, &by)).await?;
    Ok(once(StatusCode::CREATED, made))
}

/// Shows a key: everything but its text.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Named(id): Named,
) -> Result<Json<Key>, Problem> {
    let now = now(&app);
    ask(&app, move |book| book.key(&id, now)).await.map(Json)
}

/// Gives a key a new text.
pub(super) async fn rotate(
    State(app): State<Arc<App>>,
    peer: Option<Extension<Peer>>,
    Named(id): Named,
    Input(Grace { grace, reason }): Input<Grace>,
) -> Result<Response, Problem> {
    let by = by(&app, peer.as_deref(), reason)?;
    let ends = Moment::later(grace.as_deref().unwrap_or(USUAL_GRACE), by.at)
        .map_err(|why| Problem::invalid(format!("`grace`: {why}.")))?;
    let rotated = change(&app, move |book| book.rotate(&id, ends, &by)).await?;
    Ok(once(StatusCode::OK, rotated))
}

/// Ends a key for good.
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    peer: Option<Extension<Peer>>,
    Named(id): Named,
    Input(Why { reason }): Input<Why>,
) -> Result<Json<Key>, Problem> {
    let by = by(&app, peer.as_deref(), reason)?;
    change(&app, move |book| book.revoke(&id, &by)).await.map(Json)
}

/// Attaches a provider's key of the caller's own.
pub(super) async fn attach(
    State(app): State<Arc<App>>,
    peer: Option<Extension<Peer>>,
    path: OfProvider,
    Input(NewProviderKey { key, reason }): Input<NewProviderKey>,
) -> Result<Json<Key>, Problem> {
    let ((id, provider), by) = (of_provider(path)?, by(&app, peer.as_deref(), reason)?);
    check_provider(&provider, &app.live().settings)?;
    change(&app, move |book| book.attach(&id, &provider, &key, &by)).await.map(Json)
}

/// Forgets a provider's key.
pub(super) async fn detach(
    State(app): State<Arc<App>>,
    peer: Option<Extension<Peer>>,
    path: OfProvider,
    Asking(Why { reason }): Asking<Why>,
) -> Result<Json<Key>, Problem> {
    let ((id, provider), by) = (of_provider(path)?, by(&app, peer.as_deref(), reason)?);
    change(&app, move |book| book.detach(&id, &provider, &by)).await.map(Json)
}

fn of_provider(path: OfProvider) -> Result<(String, String), Problem> {
    let wrong = |why: PathRejection| {
        Problem::invalid(format!("The names in the path are none: {}.", why.body_text()))
    };
    path.map(|Path(names)| names).map_err(wrong)
}

/// The answer that has the text, and that nothing on its way may keep.
fn once(status: StatusCode, (about, text): (Key, KeyText)) -> Response {
    let no_store = HeaderValue::from_static("no-store");
    let body = Json(Once { key: text.expose(), about });
    (status, [(header::CACHE_CONTROL, no_store)], body).into_response()
}

fn text(asked: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Problem> {
    match asked.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Problem::invalid(format!("`{name}` is no text."))),
    }
}
