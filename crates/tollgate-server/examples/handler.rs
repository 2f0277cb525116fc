//! An axum application that admits each request before its handler runs, lets it wait for its
//! turn, and answers who is refused with a body that says why.
//!
//! `cargo run -p tollgate-server --example handler`, then `curl -H 'x-user: alice' 127.0.0.1:3000`.

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
    routing::get,
};
use tollgate::{Limiter, Limits, Overload};

#[tokio::main]
#[allow(clippy::disallowed_methods, reason = "on loopback, where nobody holds connections open")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let limiter = Limiter::new(Limits::from_env()?);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, application(limiter)).await?)
}

fn application(limiter: Limiter) -> Router {
    Router::new().route("/", get(answer)).route("/stats", get(stats)).with_state(limiter)
}

async fn answer(State(limiter): State<Limiter>, headers: HeaderMap) -> Response {
    let user = headers.get("x-user").and_then(|user| user.to_str().ok()).unwrap_or("anonymous");
    // Held until the end of the handler, also if it fails or its client goes away.
    let _slot = match limiter.acquire(user).await {
        Ok(slot) => slot,
        Err(overload) => return refused(&overload),
    };
    "the model's answer\n".into_response()
}

async fn stats(State(limiter): State<Limiter>) -> Response {
    Json(limiter.stats()).into_response()
}

fn refused(overload: &Overload) -> Response {
    let status = StatusCode::from_u16(overload.status).unwrap_or(StatusCode::TOO_MANY_REQUESTS);
    let retry = [(RETRY_AFTER, overload.retry_after.to_string())];
    (status, retry, Json(overload.clone())).into_response()
}
