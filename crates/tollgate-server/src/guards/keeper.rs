//! Circuits across a restart: which of them are not closed is on the disk a moment after it
//! changed, and a process that starts finds them as open as they would be by now.
//!
//! No request waits for that, and however many circuits change however often, it is one write
//! in [`APART`]. A kill in between loses a change; the next process finds it out anew.

use std::{sync::Arc, time::Duration};

use tollgate_core::{
    Now, Time,
    breaker::{Saved, State},
};

use super::Guard;
use crate::{
    app::App,
    providers::{Provider, Providers},
    roster::{Moment, Roster, RosterError},
};

/// A circuit that is not closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) provider: String,
    pub(crate) model: String,
    /// Where the provider is: elsewhere nothing is known of how it does.
    pub(crate) address: String,
    /// How long it is open from now on; no time at all where it is half-open.
    pub(crate) left: Duration,
}

/// How long after a write the next one is.
const APART: Duration = Duration::from_millis(100);

/// Writes down what changes.
pub(crate) async fn attend(app: Arc<App>) {
    let watch = app.live().providers.watch.clone();
    loop {
        watch.changed().await;
        keep(&app).await;
        tokio::time::sleep(APART).await;
    }
}

/// Writes down which circuits are not closed.
pub(crate) async fn keep(app: &Arc<App>) {
    let app = Arc::clone(app);
    let kept = tokio::task::spawn_blocking(move || {
        let now = app.gate.clock().now();
        let opened = opened(&app.live().providers, now.time);
        let kept = app.roster.ask(|book| book.keep_opened(&opened, Moment::of(now.wall)));
        kept.map(|()| opened.len())
    });
    match kept.await {
        Ok(Ok(circuits)) => tracing::debug!(circuits, "circuits that are not closed are kept"),
        Ok(Err(error)) => tracing::warn!(
            %error,
            "which circuits are not closed is not kept, so a restart finds it out anew"
        ),
        Err(error) => tracing::error!(%error, "keeping circuits failed"),
    }
}

/// Leaves the circuits as another process left them.
///
/// # Errors
/// When the roster cannot be read.
pub(crate) fn resume(providers: &Providers, roster: &Roster, now: Now) -> Result<(), RosterError> {
    for one in roster.ask(|book| book.opened(Moment::of(now.wall)))? {
        let provider = providers.named(&one.provider);
        if let Some(provider) = provider.filter(|provider| provider.address() == one.address) {
            provider.guard.resume(&one.model, now.time.after(one.left), now.time);
        }
    }
    Ok(())
}

fn opened(providers: &Providers, now: Time) -> Vec<Opened> {
    let of = |provider: &Arc<Provider>| {
        let (name, address) = (provider.name.to_string(), provider.address());
        let opened = provider.guard.opened(now).into_iter();
        opened.map(move |(model, left)| Opened {
            provider: name.clone(),
            model,
            address: address.clone(),
            left,
        })
    };
    providers.all().flat_map(of).collect()
}

impl Guard {
    /// Its circuits that are not closed, and how long they are open.
    fn opened(&self, now: Time) -> Vec<(String, Duration)> {
        let models = self.known.models.lock().named();
        let left = |state| match state {
            State::Open { until } => Some(until.since(now)),
            State::HalfOpen { .. } => Some(Duration::ZERO),
            State::Closed | State::ForcedOpen | State::ForcedClosed => None,
        };
        let opened = models
            .iter()
            .filter_map(|model| Some((model.name().to_string(), left(model.standing(now).state)?)));
        opened.collect()
    }

    /// A circuit was open until then when another process ended.
    fn resume(&self, model: &str, until: Time, now: Time) {
        let saved = Saved { open_until: Some(until) };
        if let Some(model) = self.known.models.lock().resume(model, saved, now) {
            self.tell(&model, &model.changes());
        }
    }
}
