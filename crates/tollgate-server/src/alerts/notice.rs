//! What somebody is told of an alert.

use serde::Serialize;
use tollgate_core::alert::{AlertName, Severity};
use uuid::Uuid;

use crate::{api::Instant, app::VERSION};

/// An alert that fires.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Firing {
    /// Which.
    pub(crate) name: AlertName,
    pub(crate) severity: Severity,
    /// The provider or limit that it is about; nothing where that is the whole.
    pub(crate) subject: Option<String>,
    /// How high it is now.
    pub(crate) value: f64,
    pub(crate) threshold: f64,
    /// Since when it holds.
    pub(crate) since_at: Instant,
    /// All of it in a sentence.
    pub(crate) message: String,
}

/// Why somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It begins.
    Fired,
    /// It is over.
    Cleared,
}

/// One notification.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    /// The same for every sink and every try.
    pub(crate) id: Uuid,
    pub(crate) kind: Kind,
    pub(crate) firing: Firing,
    pub(crate) at: Instant,
    /// Whether somebody only tries whether it arrives.
    pub(crate) is_test: bool,
}

/// A notification as JSON, as Standard Webhooks have their payloads.
#[derive(Debug, Serialize)]
struct Payload<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: Instant,
    data: Data<'a>,
}

#[derive(Debug, Serialize)]
struct Data<'a> {
    id: Uuid,
    #[serde(flatten)]
    firing: &'a Firing,
    test: bool,
    /// The same for all that is told of one alert and its subject.
    incident: String,
    version: &'static str,
}

impl Kind {
    /// As payloads have it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Fired => "alert.fired",
            Self::Cleared => "alert.cleared",
        }
    }
}

impl Notice {
    pub(crate) fn new(kind: Kind, firing: Firing, at: Instant) -> Self {
        Self { id: Uuid::new_v4(), kind, firing, at, is_test: false }
    }

    /// It as JSON.
    pub(crate) fn to_json(&self) -> String {
        let data = Data {
            id: self.id,
            firing: &self.firing,
            test: self.is_test,
            incident: self.incident(),
            version: VERSION,
        };
        let payload = Payload { kind: self.kind.name(), timestamp: self.at, data };
        // It is made of text and numbers alone.
        serde_json::to_string(&payload).unwrap_or_default()
    }

    /// What is the same for all that is told of one alert and its subject.
    pub(crate) fn incident(&self) -> String {
        let subject = self.firing.subject.as_deref().unwrap_or("all");
        let test = if self.is_test { "/test" } else { "" };
        format!("tollgate{test}/{}/{subject}", self.firing.name)
    }

    /// Writes it to the log.
    pub(crate) fn log(&self) {
        let Firing { name, severity, message, value, threshold, .. } = &self.firing;
        let subject = self.firing.subject.as_deref().unwrap_or_default();
        let alert = name.name();
        match (self.kind, severity) {
            (Kind::Fired, Severity::Critical) => {
                tracing::error!(alert, subject, value, threshold, "ALERT {alert}: {message}");
            }
            (Kind::Fired, Severity::Warning) => {
                tracing::warn!(alert, subject, value, threshold, "ALERT {alert}: {message}");
            }
            (Kind::Cleared, _) => {
                tracing::info!(
                    alert,
                    subject,
                    value,
                    threshold,
                    "ALERT {alert} is over: {message}"
                );
            }
        }
    }
}

/// A value as it is told: to a thousandth.
pub(crate) fn shown(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
