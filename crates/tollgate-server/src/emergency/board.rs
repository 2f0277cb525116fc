//! What requests see of emergencies: one look in memory.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tollgate_core::{Now, Time};

use crate::roster::{Emergency, Moment, Siren};

/// What requests see of emergencies.
#[derive(Debug, Default)]
pub(crate) struct Board {
    shown: ArcSwap<Shown>,
    news: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Shown {
    /// The one whose end nobody has noted.
    emergency: Option<Arc<Emergency>>,
    /// When somebody ended the last one.
    ended_at: Option<Moment>,
}

/// How often it is looked whether an end is to be noted.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_millis(250);

impl Board {
    /// Shows what the roster says.
    pub(crate) fn set(&self, siren: &Siren) {
        let before = self.shown.load();
        let shown = match siren {
            Siren::Silent | Siren::Expired => Shown::default(),
            Siren::On(emergency) => {
                Shown { emergency: Some(Arc::new(emergency.clone())), ended_at: None }
            }
            Siren::Off(at) => Shown { emergency: None, ended_at: Some(*at) },
        };
        let is_news = before.emergency.as_deref() != shown.emergency.as_deref();
        self.shown.store(Arc::new(shown));
        if is_news {
            tell(before.emergency.as_deref(), siren);
            self.news.send_replace(());
        }
    }

    /// Whether there is one, unless its time has passed.
    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.shown.load().emergency.is_some()
    }

    /// The emergency that is in force at an instant of the wall clock.
    pub(crate) fn at(&self, wall: Time) -> Option<Arc<Emergency>> {
        let shown = self.shown.load();
        shown.emergency.as_ref().filter(|emergency| emergency.until() > wall).cloned()
    }

    /// Whether one is over, and nobody has noted that.
    pub(super) fn is_over(&self, wall: Time) -> bool {
        let shown = self.shown.load();
        shown.emergency.as_ref().is_some_and(|emergency| emergency.until() <= wall)
    }

    /// When somebody ended the last one.
    pub(super) fn ended_at(&self) -> Option<Moment> {
        self.shown.load().ended_at
    }

    /// Tells when something has changed.
    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }
}

impl Emergency {
    fn until(&self) -> Time {
        self.until_at.time()
    }

    /// When it is over, by the clock of decisions.
    pub(crate) fn ends(&self, now: Now) -> Time {
        now.time.after(self.until().since(now.wall))
    }
}

fn tell(before: Option<&Emergency>, siren: &Siren) {
    match (siren, before) {
        (Siren::On(Emergency { until_at, who, reason, downgrade, .. }), _) => tracing::warn!(
            until = %until_at, %who, reason = reason.as_deref(), downgrade,
            "emergency mode is on: only critical requests pass, within the minimum of each limit",
        ),
        (Siren::Expired, Some(_)) => tracing::warn!("emergency mode is over: its time has passed"),
        (_, Some(_)) => tracing::warn!("emergency mode was ended"),
        _ => {}
    }
}
