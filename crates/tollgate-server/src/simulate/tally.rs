//! What a run comes to, in bounded memory.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use serde::Serialize;

use super::outcome::{Ending, Outcome};
use crate::{load::Latency, replay::Tokens};

/// What was counted.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) served: u64,
    /// Of those, the ones that waited.
    pub(super) waited: u64,
    pub(super) refused: u64,
    pub(super) failed: u64,
    /// By `provider/model`: there are as many as the policy has.
    pub(super) by_model: BTreeMap<String, Used>,
    /// By what was in the way.
    pub(super) refused_by: BTreeMap<String, u64>,
    /// How long those waited that were served.
    pub(super) waits: Latency,
    /// What was asked, whatever came of it.
    pub(super) tokens: Tokens,
    /// The most requests at once that models had.
    pub(super) at_once: u64,
    /// The most requests and tokens that ended well in a minute, any minute.
    pub(super) peak: (u64, u64),
    pub(super) timeline: Vec<Slice>,
    slice: Duration,
    /// When those of the last minute ended, and their tokens.
    minute: VecDeque<(Duration, u64)>,
    tokens_of_minute: u64,
}

/// What one model served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Used {
    pub(crate) requests: u64,
    pub(crate) tokens: u64,
}

/// Requests that ended within a part of the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Slice {
    /// When it begins, from the start of the run on.
    pub(crate) from_seconds: u64,
    pub(crate) first: u64,
    pub(crate) fallback: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
}

const MINUTE: Duration = Duration::from_secs(60);
/// Parts of a run that are told apart.
const SLICES: u64 = 60;
/// Names that are told apart.
const MAX_NAMES: usize = 256;

impl Tally {
    /// Nothing counted, of a run that lasts about so long.
    pub(super) fn new(lasts: Duration) -> Self {
        let slice = Duration::from_secs(lasts.as_secs().div_ceil(SLICES).max(1));
        let slices = lasts.as_secs().div_ceil(slice.as_secs()).max(1);
        let from = |nth| Slice { from_seconds: nth * slice.as_secs(), ..Slice::default() };
        Self {
            served: 0,
            waited: 0,
            refused: 0,
            failed: 0,
            by_model: BTreeMap::new(),
            refused_by: BTreeMap::new(),
            waits: Latency::new(),
            tokens: Tokens::default(),
            at_once: 0,
            peak: (0, 0),
            timeline: (0..slices).map(from).collect(),
            slice,
            minute: VecDeque::new(),
            tokens_of_minute: 0,
        }
    }

    /// Counts one request; `first` is the model that is asked first, where there is an order.
    pub(super) fn add(&mut self, outcome: &Outcome, first: Option<&str>) {
        self.tokens = self.tokens.plus(outcome.tokens);
        let nth = (outcome.ended.as_secs() / self.slice.as_secs()) as usize;
        let last = self.timeline.len() - 1;
        let slice = &mut self.timeline[nth.min(last)];
        match &outcome.ending {
            Ending::Served { by, .. } => {
                self.served += 1;
                self.at_once = self.at_once.max(outcome.at_once);
                let waited = outcome.waited();
                self.waited += u64::from(!waited.is_zero());
                self.waits.record(waited);
                let used = self.by_model.entry(by.clone()).or_default();
                used.requests += 1;
                used.tokens += outcome.tokens.input + outcome.tokens.output;
                if first.is_none_or(|first| first == by) {
                    slice.first += 1;
                } else {
                    slice.fallback += 1;
                }
            }
            Ending::Refused { by } => {
                self.refused += 1;
                slice.refused += 1;
                let is_known =
                    self.refused_by.contains_key(by) || self.refused_by.len() < MAX_NAMES;
                let name = if is_known { by.as_str() } else { "others" };
                *self.refused_by.entry(name.to_owned()).or_default() += 1;
            }
            Ending::Failed { .. } => {
                self.failed += 1;
                slice.failed += 1;
            }
        }
        if let Ending::Served { .. } = &outcome.ending {
            self.note_peak(outcome.ended, outcome.tokens.input + outcome.tokens.output);
        }
    }

    fn note_peak(&mut self, ended: Duration, tokens: u64) {
        self.minute.push_back((ended, tokens));
        self.tokens_of_minute += tokens;
        while let Some((_, gone)) = self.minute.pop_front_if(|(at, _)| *at + MINUTE <= ended) {
            self.tokens_of_minute -= gone;
        }
        self.peak.0 = self.peak.0.max(self.minute.len() as u64);
        self.peak.1 = self.peak.1.max(self.tokens_of_minute);
    }

    /// Requests that came to an end.
    pub(super) const fn ended(&self) -> u64 {
        self.served + self.refused + self.failed
    }
}
