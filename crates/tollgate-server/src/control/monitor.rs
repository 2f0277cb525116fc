//! The health of every service at a glance.

use std::sync::Arc;

use axum::{Json, extract::State};

use crate::{
    app::App,
    monitor::{self, Monitor},
};

/// Tells the health of every service.
pub(super) async fn monitor(State(app): State<Arc<App>>) -> Json<Monitor> {
    let look = monitor::look(&app).await;
    Json(Monitor::new(&app, &look))
}
