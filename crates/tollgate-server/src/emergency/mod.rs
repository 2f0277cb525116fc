//! Emergency mode: only critical work passes, within the minimum of each limit, until an instant.
//!
//! The promise: it holds for the next decision once it is begun, and no longer than until its
//! end, which every decision compares with the wall clock by itself; and when it is over all is
//! as it would be without it, since nothing but what requests see of it has changed. It is in the
//! roster, so it outlives the process, and every beginning and end is a row of the audit.
//!
//! Who is not critical is refused before anything is reserved, and where it waits, at once. What
//! runs goes on: a stream to its end, a live session until it needs more.

mod board;
mod start;

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use tollgate_core::{Attributes, Now, policy::settings};

pub(crate) use board::Board;
pub(crate) use start::{Begin, begin, begin_by_itself, end};

use crate::{
    app::App,
    headers,
    refusal::{Failure, What, rfc3339},
    roster::{Emergency, Moment},
};

/// The header that names the model that was asked for, where a cheaper one took its place.
const DOWNGRADED_FROM: HeaderName = HeaderName::from_static("x-tollgate-downgraded-from");

/// The emergency that is in force in a process, if one is.
pub(crate) fn now(app: &App) -> Option<Arc<Emergency>> {
    let board = app.roster.emergency();
    // Nearly always there is none, and then no clock is read.
    board.is_on().then(|| board.at(app.gate.clock().now().wall)).flatten()
}

/// Whether a request passes, as far as there is an emergency.
///
/// # Errors
/// When there is one, and the request is not critical.
pub(crate) fn check(
    app: &App,
    policy: &settings::Emergency,
    who: &Attributes,
) -> Result<(), Failure> {
    match now(app) {
        Some(emergency) if !policy.is_critical(who) => {
            Err(refused(&emergency, app.gate.clock().now()))
        }
        _ => Ok(()),
    }
}

/// Returns when a request that waits does not pass any more.
pub(crate) async fn stops(app: &App, policy: &settings::Emergency, who: &Attributes) -> Failure {
    let mut news = app.roster.emergency().news();
    loop {
        news.borrow_and_update();
        if let Err(failure) = check(app, policy, who) {
            return failure;
        }
        if news.changed().await.is_err() {
            // The board lives as long as the process.
            return std::future::pending().await;
        }
    }
}

/// The model that takes the place of another while there is an emergency that wants that.
pub(crate) fn cheaper<'a>(
    app: &App,
    policy: &'a settings::Emergency,
    model: &str,
) -> Option<&'a str> {
    let cheaper = policy.downgrade.get(model)?;
    now(app).filter(|emergency| emergency.downgrade).map(|_| cheaper.as_str())
}

/// Tells in an answer that a cheaper model took the place of the one that was asked for.
pub(crate) fn mark_downgraded(headers: &mut HeaderMap, from: &str) {
    if let Ok(from) = HeaderValue::from_str(from) {
        headers.insert(DOWNGRADED_FROM, from);
    }
}

/// Sees to it that the end of an emergency is written down when its time has passed.
pub(crate) async fn attend(app: Arc<App>) {
    let mut is_failing = false;
    loop {
        tokio::time::sleep(board::LOOK_INTERVAL).await;
        let wall = app.gate.clock().now().wall;
        if !app.roster.emergency().is_over(wall) {
            continue;
        }
        let (noting, now) = (Arc::clone(&app), Moment::of(wall));
        let note = move || noting.roster.change(|book| book.expire_emergency(now));
        let Ok(noted) = tokio::task::spawn_blocking(note).await else { return };
        if let Err(error) = &noted
            && !is_failing
        {
            // Once is enough to say so.
            tracing::error!(%error, "the end of the emergency is not noted");
        }
        is_failing = noted.is_err();
    }
}

/// What who is not critical is told. Why there is an emergency is nobody else's business.
fn refused(emergency: &Emergency, now: Now) -> Failure {
    let ends = emergency.ends(now);
    let left = ends.since(now.time);
    let seconds = headers::seconds_up(left).max(1);
    let sentence = format!(
        "Tollgate is in emergency mode, and only critical requests pass: try again in {}.",
        headers::people(seconds)
    );
    Failure::new(What::Emergency, sentence).after(Some(left)).promised(rfc3339(ends, now))
}
