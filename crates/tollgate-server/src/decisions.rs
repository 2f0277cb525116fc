//! Decisions that no ledger has, until enough others have come: refusals, failures, and by which
//! way a request came that waited or was tried elsewhere.
//!
//! They are for `tollgate explain` and go to nobody but operators. What is admitted as usual is
//! not in here, so it costs an admission nothing. Each is written down once, as the bytes that it
//! is told in; what is told of a limit is what the decision itself reported.

use std::{collections::VecDeque, time::Duration};

use parking_lot::Mutex;
use serde::{Serialize, Serializer};
use serde_json::Value;
use tollgate::{Cause, Refused};
use tollgate_core::{Attribute, Attributes, Demand, Now, Policy, ReservationId, Standing};

use crate::{
    api::{Instant, LimitShown, Quantity},
    refusal::{Failure, Verdict, rfc3339},
};

/// The latest decisions, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Decisions(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    all: VecDeque<(ReservationId, Box<[u8]>)>,
    bytes: usize,
}

/// What was decided about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) id: ReservationId,
    pub(crate) who: &'a Attributes,
    /// How much was asked for, where that was known.
    pub(crate) demand: Option<&'a Demand>,
    /// Why models did not serve it that were asked.
    pub(crate) attempts: Option<&'a str>,
}

/// A decision as it is told.
#[derive(Debug, Default, Serialize)]
struct Told<'a> {
    /// `admit`, `refuse`, or `fail` where it was no limit's decision.
    decision: &'static str,
    at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    /// The limit that was in the way the longest.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'a str>,
    /// The promised instant at which it would be admitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waited_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<&'a str>,
    #[serde(serialize_with = "members")]
    who: Option<&'a Attributes>,
    limits: Vec<Stood>,
}

/// Where a limit stood that was asked.
#[derive(Debug, Serialize)]
struct Stood {
    #[serde(flatten)]
    shown: LimitShown,
    /// How much of it was asked for, where that was known.
    asked: Option<Quantity>,
    /// Whether it had no room for that.
    in_the_way: bool,
}

/// Decisions that are kept.
pub(crate) const MAX_DECISIONS: usize = 10_000;

/// Bytes that all of them take at most.
const MAX_BYTES: usize = 8 << 20;

impl Decisions {
    /// Keeps what a limit refused.
    pub(crate) fn refused(&self, asked: Asked<'_>, refused: &Refused, verdict: &Verdict) {
        let waited = match refused.cause {
            Cause::TimedOut { waited } => Some(millis(waited)),
            _ => None,
        };
        let standings = refused.refusal.standings.iter();
        let limits = standings.filter_map(|standing| {
            let stood = Stood::new(standing, &refused.policy, &asked, refused.now)?;
            Some(Stood {
                in_the_way: stood.in_the_way || standing.limit == refused.refusal.limit,
                ..stood
            })
        });
        let told = Told {
            decision: "refuse",
            at: Some(Instant::new(refused.now.time, refused.now)),
            status: Some(verdict.status.as_u16()),
            error: Some(verdict.error),
            message: Some(&verdict.message),
            limit: refused.limit().map(|limit| limit.name.as_str()),
            retry_at: refused.refusal.retry.promised().and_then(|at| rfc3339(at, refused.now)),
            waited_ms: waited,
            limits: limits.collect(),
            ..Told::of(&asked)
        };
        self.keep(asked.id, &told);
    }

    /// Keeps why something failed; `at` is when it came.
    pub(crate) fn failed(&self, asked: Asked<'_>, failure: &Failure, at: Now) {
        let told = Told {
            decision: "fail",
            at: Some(Instant::new(at.time, at)),
            status: Some(failure.what.status().as_u16()),
            error: Some(failure.what.error()),
            message: Some(&failure.message),
            ..Told::of(&asked)
        };
        self.keep(asked.id, &told);
    }

    /// Keeps how long what was admitted had waited, and where it was tried before.
    pub(crate) fn admitted(&self, asked: Asked<'_>, waited: Duration, at: Now) {
        let told = Told {
            decision: "admit",
            at: Some(Instant::new(at.time, at)),
            waited_ms: Some(millis(waited)),
            ..Told::of(&asked)
        };
        self.keep(asked.id, &told);
    }

    /// What is kept of an id, the oldest first.
    pub(crate) fn find(&self, id: ReservationId) -> Vec<Value> {
        let kept = self.0.lock();
        let its = kept.all.iter().filter(|(other, _)| *other == id);
        its.filter_map(|(_, bytes)| serde_json::from_slice(bytes).ok()).collect()
    }

    fn keep(&self, id: ReservationId, told: &Told<'_>) {
        // Texts and numbers, which are always written.
        let bytes = serde_json::to_vec(told).unwrap_or_default().into_boxed_slice();
        self.0.lock().push(id, bytes);
    }
}

impl Kept {
    fn push(&mut self, id: ReservationId, bytes: Box<[u8]>) {
        self.bytes += bytes.len();
        self.all.push_back((id, bytes));
        while self.all.len() > MAX_DECISIONS || self.bytes > MAX_BYTES {
            let Some((_, oldest)) = self.all.pop_front() else { return };
            self.bytes -= oldest.len();
        }
    }
}

impl<'a> Told<'a> {
    fn of(asked: &Asked<'a>) -> Self {
        Self { who: Some(asked.who), attempts: asked.attempts, ..Self::default() }
    }
}

impl Stood {
    fn new(standing: &Standing, policy: &Policy, of: &Asked<'_>, now: Now) -> Option<Self> {
        let limit = policy.limit(standing.limit)?;
        let is_slot = limit.measure_for(of.who).rule(now.wall).kind.is_slot();
        let asked = of.demand.map(|demand| if is_slot { 1 } else { demand.of(limit.unit) });
        Some(Self {
            shown: LimitShown::new(standing, limit, now),
            asked: asked.map(|asked| Quantity::new(limit.unit, asked)),
            in_the_way: limit.refuses() && asked.is_some_and(|asked| standing.remaining < asked),
        })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Attributes by their names, but for the session, which is what a browser shows to be let in.
fn members<S: Serializer>(who: &Option<&Attributes>, serializer: S) -> Result<S::Ok, S::Error> {
    let all = who.iter().flat_map(|who| who.iter());
    serializer.collect_map(all.filter(|(name, _)| *name != Attribute::Session.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_kept_than_may_be_nor_more_bytes() {
        let mut kept = Kept::default();
        for id in 0..3 * MAX_DECISIONS as u128 {
            kept.push(ReservationId(id), vec![0; 100].into());
        }
        assert_eq!((kept.all.len(), kept.bytes), (MAX_DECISIONS, 100 * MAX_DECISIONS));
        for id in 0..100 {
            kept.push(ReservationId(id), vec![0; 1 << 20].into());
            assert!(kept.bytes <= MAX_BYTES);
        }
        assert_eq!(kept.all.len(), 8);
        kept.push(ReservationId(0), vec![0; MAX_BYTES + 1].into());
        assert_eq!((kept.all.len(), kept.bytes), (0, 0));
    }
}
