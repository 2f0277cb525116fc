//! What fairness does for those who ask for little, in virtual time: the busiest hour of
//! recorded clients before eight slots that are offered a tenth more than they can serve,
//! first come, first served, and before a fair room.

mod clients;
mod even;
mod play;
mod requests;

use std::{collections::VecDeque, path::Path, time::Duration};

use anyhow::Result;
use serde::Serialize;

use self::{
    clients::Hour,
    play::Fair,
    requests::{Request, Requests},
};

/// Slots that serve.
pub(super) const SLOTS: usize = 8;
/// What is offered, over what can be served.
const LOAD: f64 = 1.1;
const SEED: u64 = 7;

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Fairness {
    /// Where the traffic is from.
    pub(super) traffic: String,
    /// Requests played, and of how many clients.
    pub(super) requests: usize,
    pub(super) clients: usize,
    /// Requests of those below the median rate.
    pub(super) light_requests: usize,
    /// Their median wait in seconds, and that of the others.
    pub(super) in_turn: Waits,
    pub(super) fair: Waits,
    /// The largest difference of service by weight between two who always have work waiting,
    /// in units of the largest request.
    pub(super) largest_difference: f64,
}

/// Median waits in seconds.
#[derive(Debug, Serialize)]
pub(super) struct Waits {
    pub(super) light_s: f64,
    pub(super) heavy_s: f64,
}

/// # Errors
/// When recorded traffic is there and not readable.
pub(super) fn measure(data: &Path) -> Result<Fairness> {
    let hour = Hour::of(data)?;
    let Requests { all, light } = Requests::of(&hour, SEED);
    let speed = speed(&all);
    let in_turn = play::play(&all, &mut VecDeque::new(), speed)?;
    let fair = play::play(&all, &mut Fair::new(&hour), speed)?;
    let waits = |waits: &[Duration]| Waits {
        light_s: median(&all, waits, |tenant| light[tenant]),
        heavy_s: median(&all, waits, |tenant| !light[tenant]),
    };
    Ok(Fairness {
        requests: all.len(),
        clients: hour.clients.len(),
        light_requests: all.iter().filter(|request| light[request.tenant]).count(),
        in_turn: waits(&in_turn),
        fair: waits(&fair),
        largest_difference: even::largest_difference(&all)?,
        traffic: hour.source,
    })
}

/// What a slot works off in a second, so that the offered load is [`LOAD`].
fn speed(requests: &[Request]) -> f64 {
    let all: u64 = requests.iter().map(|request| request.used).sum();
    all as f64 / (clients::HOUR.as_secs_f64() * SLOTS as f64 * LOAD)
}

/// The median wait of some, in seconds.
fn median(requests: &[Request], waits: &[Duration], whose: impl Fn(usize) -> bool) -> f64 {
    let own = requests.iter().zip(waits).filter(|(request, _)| whose(request.tenant));
    let mut own: Vec<_> = own.map(|(_, wait)| *wait).collect();
    own.sort();
    own.get(own.len() / 2).map_or(0.0, Duration::as_secs_f64)
}
