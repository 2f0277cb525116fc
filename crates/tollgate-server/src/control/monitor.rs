//! The health of every service at a glance.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use serde::Serialize;

use crate::{
    api::is_stored,
    app::{App, Stage},
    metrics::ProviderTotals,
};

/// The health of every service.
#[derive(Debug, Serialize)]
pub(super) struct Monitor {
    /// `healthy`, `degraded` or `critical`.
    overall_status: &'static str,
    /// From 0 to 100.
    health_score: u8,
    /// Every provider by name, and what it did since the start.
    services: BTreeMap<String, ProviderTotals>,
}

/// Tells the health of every service.
pub(super) async fn monitor(State(app): State<Arc<App>>) -> Json<Monitor> {
    let live = app.live();
    let (overall_status, health_score) = match app.stage() {
        _ if !is_stored(&app).await => ("critical", 0),
        Stage::Starting | Stage::Draining => ("degraded", 50),
        Stage::Serving => ("healthy", 100),
    };
    let mut services = app.metrics.by_provider();
    for name in live.providers.names() {
        services.entry(name.to_owned()).or_default();
    }
    Json(Monitor { overall_status, health_score, services })
}
