//! Who is on the way for which answer, and who waits for it.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;
use tokio::sync::oneshot;

use super::{
    Key,
    errand::Told,
    labels::{Labels, Selector},
};

/// Requests that are on their way for an answer: one for each key, and each a request that
/// runs, so there are no more than connections.
#[derive(Debug, Default)]
pub(super) struct Flights {
    by_key: HashMap<Key, Flight, RandomState>,
    /// How many there were.
    count: u64,
}

/// Which flight is led.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FlightId(u64);

#[derive(Debug)]
struct Flight {
    id: FlightId,
    labels: Labels,
    followers: VecDeque<oneshot::Sender<Told>>,
}

/// Those who wait for one answer; more go by themselves.
const MAX_FOLLOWERS: usize = 1_024;

impl Flights {
    /// Waits for who is on the way; else leads, or goes beside a flight that too many wait for.
    pub(super) fn join(
        &mut self,
        key: Key,
        labels: &Labels,
    ) -> Result<oneshot::Receiver<Told>, Option<FlightId>> {
        let Some(flight) = self.by_key.get_mut(&key) else {
            self.count += 1;
            let id = FlightId(self.count);
            let labels = labels.clone();
            self.by_key.insert(key, Flight { id, labels, followers: VecDeque::new() });
            return Err(Some(id));
        };
        if flight.followers.len() >= MAX_FOLLOWERS {
            flight.followers.retain(|follower| !follower.is_closed());
        }
        if flight.followers.len() >= MAX_FOLLOWERS {
            return Err(None);
        }
        let (tell, told) = oneshot::channel();
        flight.followers.push_back(tell);
        Ok(told)
    }

    #[cfg(test)]
    pub(super) fn followers(&self) -> usize {
        let all = self.by_key.values().flat_map(|flight| &flight.followers);
        all.filter(|follower| !follower.is_closed()).count()
    }

    /// Whether a flight is under way.
    pub(super) fn has(&self, key: &Key, id: FlightId) -> bool {
        self.by_key.get(key).is_some_and(|flight| flight.id == id)
    }

    /// Ends a flight; those who wait are to be told how.
    pub(super) fn end(&mut self, key: &Key, id: FlightId) -> VecDeque<oneshot::Sender<Told>> {
        if !self.has(key, id) {
            return VecDeque::new();
        }
        self.by_key.remove(key).map_or_else(VecDeque::new, |flight| flight.followers)
    }

    /// The next in line, who is to lead; where there is none, the flight is over.
    pub(super) fn next(&mut self, key: &Key, id: FlightId) -> Option<oneshot::Sender<Told>> {
        let flight = self.by_key.get_mut(key).filter(|flight| flight.id == id)?;
        let next = flight.followers.pop_front();
        if next.is_none() {
            self.by_key.remove(key);
        }
        next
    }

    /// Ends the flights that are meant; those who wait for them are to look again.
    pub(super) fn clear(&mut self, selector: &Selector) -> Vec<oneshot::Sender<Told>> {
        let meant = self.by_key.extract_if(|_, flight| selector.selects(&flight.labels));
        meant.flat_map(|(_, flight)| flight.followers).collect()
    }
}
