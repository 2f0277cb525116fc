//! What was learned of providers across a restart: what they announced to have left, and how much
//! they read of what requests do not show.
//!
//! It is on the disk a second after it was learned, what a provider refused a tenth of one, and no
//! request waits for that. A process that starts goes on with what the wall clock has left of it.
//! What a kill has cut off is found out anew: first one request at a time asks each provider whose
//! numbers are old, so that no crowd runs into what is not known.

use std::{sync::Arc, time::Duration};

use tollgate_core::Now;

use crate::{
    app::App,
    guards::{learned_quotas, quotas_not_kept, resume_quotas},
    roster::Moment,
};

/// How long after a write the next one is: at the least, and where nobody was refused.
const APART: Duration = Duration::from_millis(100);
const USUALLY: Duration = Duration::from_millis(900);

/// Writes down what is learned.
pub(crate) async fn attend(app: Arc<App>) {
    let watch = app.live().providers.watch.clone();
    loop {
        // Either is a reason to look.
        let _ = tokio::time::timeout(USUALLY, watch.throttled()).await;
        keep(&app).await;
        tokio::time::sleep(APART).await;
    }
}

/// Writes down what was learned since the last time.
pub(crate) async fn keep(app: &Arc<App>) {
    let app = Arc::clone(app);
    let kept = tokio::task::spawn_blocking(move || {
        let now = app.gate.clock().now();
        let quotas = learned_quotas(&app.live().providers, now.time);
        let lessons = app.lessons.changed();
        if quotas.is_empty() && lessons.is_empty() {
            return Ok(None);
        }
        let kept =
            app.roster.ask(|book| book.keep_learned(&quotas, &lessons, Moment::of(now.wall)));
        if kept.is_err() {
            quotas_not_kept(&app.live().providers, &quotas);
            app.lessons.not_kept(&lessons);
        }
        kept.map(|()| Some((quotas.len(), lessons.len())))
    });
    match kept.await {
        Ok(Ok(None)) => {}
        Ok(Ok(Some((quotas, lessons)))) => {
            tracing::debug!(quotas, lessons, "what was learned of providers is kept");
        }
        Ok(Err(error)) => tracing::warn!(
            %error,
            "what was learned of providers is not kept yet, and is tried again"
        ),
        Err(error) => tracing::error!(%error, "keeping what was learned failed"),
    }
}

/// Goes on with what another process has learned, as far as that can be read: nobody needs it to
/// start.
pub(crate) fn resume(app: &App, now: Now) {
    match app.roster.ask(|book| book.quotas(Moment::of(now.wall))) {
        Ok(learned) => resume_quotas(&app.live().providers, learned, now.time),
        Err(error) => tracing::warn!(
            %error,
            "what providers announced before the restart is not known, so they are asked anew"
        ),
    }
    match app.roster.ask(|book| book.lessons()) {
        Ok(lessons) => app.lessons.resume(&lessons),
        Err(error) => tracing::warn!(
            %error,
            "what providers read before the restart is not known, so it is learned anew"
        ),
    }
}
