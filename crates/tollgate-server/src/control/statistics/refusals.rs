//! `GET /v1/refusals`: how many were refused, when, and by which limit.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use compact_str::CompactString;
use serde::Serialize;

use super::{
    Statistics,
    query::Given,
    span::{Cut, timestamp, told},
};
use crate::{api::Problem, metrics::Decided};

/// Refusals of some time.
#[derive(Debug, Serialize)]
pub(super) struct Refusals {
    from: String,
    to: String,
    /// Nothing earlier is known: the process started, or it is seven days ago.
    known_from: String,
    #[serde(flatten)]
    total: Counts,
    /// What each limit did, the one that refused most first.
    by_limit: Vec<OfLimit>,
    /// Refusals by the `error` of their answers.
    by_reason: BTreeMap<CompactString, u64>,
    /// The same by the span of time; those without any decision are left out.
    buckets: Vec<Bucket>,
}

#[derive(Debug, Serialize)]
struct Counts {
    /// All that was decided.
    requests: u64,
    refused: u64,
    /// In percent of all that was decided, to a hundredth.
    refused_percent: f64,
}

#[derive(Debug, Serialize)]
struct OfLimit {
    limit: CompactString,
    refused: u64,
    refused_percent: f64,
    /// Requests that it would have refused, were it not in shadow mode.
    shadowed: u64,
}

#[derive(Debug, Serialize)]
struct Bucket {
    start: String,
    #[serde(flatten)]
    counts: Counts,
    /// Refusals by limit.
    by_limit: BTreeMap<CompactString, u64>,
}

/// Tells how many were refused.
pub(super) async fn refusals(
    State(statistics): State<Arc<Statistics>>,
    mut given: Given,
) -> Result<Json<Refusals>, Problem> {
    let app = &statistics.app;
    let now = app.gate.clock().now().wall;
    let span = given.time().span(now)?;
    let pieces = span.cut(given.bucket()?.unwrap_or(Cut::Hour))?;
    given.end()?;
    app.metrics.remember(now);
    let mut all = Decided::default();
    let mut buckets = Vec::new();
    for piece in pieces {
        let decided = app.metrics.decided_between(piece.from, piece.to);
        if decided != Decided::default() {
            all.add(&decided);
            buckets.push(Bucket {
                start: told(&piece.start),
                counts: Counts::of(&decided),
                by_limit: decided
                    .by_limit
                    .into_iter()
                    .map(|(it, done)| (it, done.refused))
                    .collect(),
            });
        }
    }
    let mut by_limit: Vec<OfLimit> = all.by_limit.iter().map(|it| OfLimit::of(it, &all)).collect();
    by_limit.sort_by_key(|it| std::cmp::Reverse(it.refused));
    let known_from = app.metrics.known_from(app.started.wall, now);
    Ok(Json(Refusals {
        from: told(&span.from),
        to: told(&span.to),
        known_from: told(&timestamp(known_from).to_zoned(span.from.time_zone().clone())),
        total: Counts::of(&all),
        by_limit,
        by_reason: all.by_reason,
        buckets,
    }))
}

impl Counts {
    fn of(decided: &Decided) -> Self {
        let requests = decided.admitted + decided.refused;
        let refused_percent = percent(decided.refused, requests);
        Self { requests, refused: decided.refused, refused_percent }
    }
}

impl OfLimit {
    fn of((limit, done): (&CompactString, &crate::metrics::OfLimit), all: &Decided) -> Self {
        Self {
            limit: limit.clone(),
            refused: done.refused,
            refused_percent: percent(done.refused, all.admitted + all.refused),
            shadowed: done.shadowed,
        }
    }
}

fn percent(part: u64, all: u64) -> f64 {
    (part as f64 / all.max(1) as f64 * 1e4).round() / 100.0
}
