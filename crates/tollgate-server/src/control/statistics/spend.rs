//! `GET /v1/spend` and `GET /v1/top`: what was used, by whom and for what.
//!
//! The answer is summed up from the ledger by a connection of its own, aside from the
//! workers that serve requests, and by few at a time.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use axum::{Json, extract::State};
use serde::Serialize;
use tollgate::store::embedded::{
    Dimension, LedgerError, MAX_SPEND_ROWS, SpendOrder, SpendQuery, SpendRow, spend,
};
use tollgate_core::NanoUsd;

use super::{
    Statistics,
    query::Given,
    span::{Cut, Piece, Span, told},
};
use crate::api::Problem;

/// What was used.
#[derive(Debug, Serialize)]
pub(super) struct Spend {
    from: String,
    to: String,
    /// What each row is about: members of it.
    by: Vec<&'static str>,
    /// All that was used, also what has no row.
    total: Used,
    /// The rows that come first, of each span of time.
    rows: Vec<Shown>,
}

#[derive(Debug, Serialize)]
struct Shown {
    /// When the span of time begins, where time is cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    /// The values of what it is about; empty for requests that have none.
    #[serde(flatten)]
    by: BTreeMap<&'static str, String>,
    #[serde(flatten)]
    used: Used,
    /// Its part of all that was spent, in percent to a tenth; null where nothing was.
    share_percent: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Used {
    requests: u64,
    input_tokens: u64,
    output_tokens: u64,
    /// Seconds of audio.
    seconds: f64,
    /// Dollars: an exact decimal in a string.
    cost_usd: NanoUsd,
    /// Dollars of that which had not been reserved.
    overrun_usd: NanoUsd,
    /// Requests of those that are charged by what was thought, since nobody told what they used.
    estimated: u64,
}

/// What is asked for.
#[derive(Debug)]
struct Question {
    span: Span,
    pieces: Vec<Piece>,
    query: SpendQuery,
    order: SpendOrder,
}

/// Rows of one answer at most, of all spans of time together.
const MAX_ROWS: usize = 10_000;

/// What is asked for where the query does not say.
struct Defaults {
    by: &'static str,
    limit: usize,
}

/// Tells what was used.
pub(super) async fn spent(
    State(statistics): State<Arc<Statistics>>,
    given: Given,
) -> Result<Json<Spend>, Problem> {
    answer(&statistics, given, &Defaults { by: "", limit: 100 }).await
}

/// Tells who spent the most.
pub(super) async fn top(
    State(statistics): State<Arc<Statistics>>,
    given: Given,
) -> Result<Json<Spend>, Problem> {
    answer(&statistics, given, &Defaults { by: "user", limit: 10 }).await
}

async fn answer(
    statistics: &Statistics,
    given: Given,
    defaults: &Defaults,
) -> Result<Json<Spend>, Problem> {
    let Some(store) = statistics.app.gate.store().ledger() else {
        return Err(Problem::not_kept(
            "What was spent is summed up from the ledger, and this process keeps its numbers in memory: set `[store] path`, or `kind = \"embedded\"`.",
        ));
    };
    let now = statistics.app.gate.clock().now();
    let question = Question::new(given, defaults, now.wall)?;
    let path = store.path().to_path_buf();
    // Questions wait for each other, as many as there are connections at most.
    let turn = Arc::clone(&statistics.turns).acquire_owned().await;
    let asking = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        question.answer(&path)
    });
    match asking.await {
        Ok(Ok(answer)) => Ok(Json(answer)),
        Ok(Err(error)) => {
            tracing::error!(%error, "the ledger cannot be summed up");
            Err(Problem::unready("The ledger can't be read right now: see the log."))
        }
        // Only a process that ends lets go of what was begun.
        Err(_) => Err(Problem::unready("Tollgate is stopping; try again.")),
    }
}

impl Question {
    fn new(
        mut given: Given,
        defaults: &Defaults,
        now: tollgate_core::Time,
    ) -> Result<Self, Problem> {
        let span = given.time().span(now)?;
        let pieces = given.bucket()?.map_or_else(|| Ok(Vec::new()), |cut: Cut| span.cut(cut))?;
        let group_by = dimensions(&given.take("by").unwrap_or_else(|| defaults.by.to_owned()))?;
        let orders = [
            ("cost", SpendOrder::Cost),
            ("requests", SpendOrder::Requests),
            ("tokens", SpendOrder::Tokens),
        ];
        let order = given.word("order", &orders)?.unwrap_or_default();
        let limit = match given.take("limit") {
            None => defaults.limit.min(MAX_ROWS / pieces.len().max(1)),
            Some(text) => limit(&text, pieces.len())?,
        };
        let filter = Dimension::ALL
            .into_iter()
            .filter_map(|dimension| given.take(dimension.name()).map(|value| (dimension, value)));
        let filter = filter.collect();
        given.end()?;
        let (from, to) = span.bounds();
        let query = SpendQuery { group_by, filter, order, limit, ..SpendQuery::between(from, to) };
        Ok(Self { span, pieces, query, order })
    }

    fn answer(&self, path: &Path) -> Result<Spend, LedgerError> {
        let all = SpendQuery { group_by: Vec::new(), limit: 1, ..self.query.clone() };
        let total = spend(path, &all)?.pop().unwrap_or_default();
        let show = |start: Option<&Piece>, row: SpendRow| {
            let share = row.nano_usd.0 as f64 / total.nano_usd.0 as f64;
            Shown {
                start: start.map(|piece| told(&piece.start)),
                by: self.names().zip(row.by.iter().cloned()).collect(),
                share_percent: (total.nano_usd.0 > 0).then(|| (share * 1e3).round() / 10.0),
                used: Used::from(&row),
            }
        };
        let mut rows = Vec::new();
        for piece in &self.pieces {
            let query = SpendQuery {
                from: piece.from,
                to: piece.to,
                order: self.order,
                ..self.query.clone()
            };
            rows.extend(spend(path, &query)?.into_iter().map(|row| show(Some(piece), row)));
        }
        if self.pieces.is_empty() {
            rows.extend(spend(path, &self.query)?.into_iter().map(|row| show(None, row)));
        }
        Ok(Spend {
            from: told(&self.span.from),
            to: told(&self.span.to),
            by: self.names().collect(),
            total: Used::from(&total),
            rows,
        })
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.query.group_by.iter().map(|dimension| dimension.name())
    }
}

fn dimensions(text: &str) -> Result<Vec<Dimension>, Problem> {
    let mut dimensions = Vec::new();
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let dimension = Dimension::named(name).ok_or_else(|| {
            let known = Dimension::ALL.map(Dimension::name).join(", ");
            Problem::invalid(format!("`by` has `{name}`: choose of {known}."))
        })?;
        if dimensions.contains(&dimension) {
            return Err(Problem::invalid(format!("`by` has `{name}` twice.")));
        }
        dimensions.push(dimension);
    }
    Ok(dimensions)
}

fn limit(text: &str, pieces: usize) -> Result<usize, Problem> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX_SPEND_ROWS).contains(limit));
    let limit = limit.ok_or_else(|| {
        Problem::invalid(format!("`limit` is `{text}`: write a number from 1 to {MAX_SPEND_ROWS}."))
    })?;
    if limit.saturating_mul(pieces) > MAX_ROWS {
        return Err(Problem::invalid(format!(
            "{limit} rows of each of {pieces} spans of time may be more than {MAX_ROWS}: ask for less."
        )));
    }
    Ok(limit)
}

impl From<&SpendRow> for Used {
    fn from(row: &SpendRow) -> Self {
        Self {
            requests: row.requests,
            input_tokens: row.input_tokens,
            output_tokens: row.output_tokens,
            seconds: row.millis as f64 / 1e3,
            cost_usd: row.nano_usd,
            overrun_usd: row.overrun_nano_usd,
            estimated: row.estimated,
        }
    }
}
