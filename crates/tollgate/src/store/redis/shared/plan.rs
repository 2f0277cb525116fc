//! What scripts are told to do, packed: everything that depends on a rule and an amount alone is
//! reckoned here, where 128 bits are at hand.

use tollgate_core::{Charge, Kind, Warn};

use super::{
    bytes::Writer,
    micros::{self, double},
};

const BUCKET: u8 = 0;
const WINDOW: u8 = 1;
const PERIOD: u8 = 2;
const SLOTS: u8 = 3;
const SEATS: u8 = 4;

/// Numbers that a charge's kind needs.
const HELD_NUMBERS: usize = 5;
const ENDED_NUMBERS: usize = 8;

/// The most sub-buckets of a window's length.
const PARTS: u64 = 60;

/// How one parcel ends, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended<'a> {
    pub(super) charge: &'a Charge,
    pub(super) used: u64,
    pub(super) at: f64,
    pub(super) expired: bool,
}

/// The head of a plan to hold: when, for how long, and until when at the latest, whether a report
/// is wanted, and of how many cells.
pub(super) fn holding(now: f64, (ttl, deadline): (u64, u64), report: bool, cells: usize) -> Writer {
    let mut out = Writer::with_room(40 + 66 * 8);
    out.double(now);
    out.double(double(ttl));
    out.double(double(deadline));
    out.byte(u8::from(report));
    out.count(cells);
    out
}

/// A charge, in microseconds already.
pub(super) fn put_charge(out: &mut Writer, charge: &Charge) {
    let amount = charge.amount;
    let cap = charge.rule.cap;
    let (kind, numbers) = match charge.rule.kind {
        Kind::Bucket { rate, per_ns } => {
            let (time, part) = cost(amount, rate, per_ns);
            let (slack, slack_part) = cost(cap.saturating_sub(amount), rate, per_ns);
            (BUCKET, [double(rate), time, part, slack, slack_part])
        }
        Kind::Window { length_ns } => {
            (WINDOW, [double(length_ns), double(length_ns.div_ceil(PARTS)), 0.0, 0.0, 0.0])
        }
        Kind::Period { start, end } => (PERIOD, [double(start), double(end), 0.0, 0.0, 0.0]),
        Kind::Concurrency => (SLOTS, [0.0; HELD_NUMBERS]),
        Kind::Sessions { idle_ns } => (SEATS, [double(idle_ns), 0.0, 0.0, 0.0, 0.0]),
    };
    out.byte(kind);
    out.byte(mode(charge));
    out.double(double(charge.limit.0));
    out.double(double(amount));
    out.double(double(cap));
    numbers.into_iter().for_each(|number| out.double(number));
}

/// Hard, shadow, or a shadow that is not told of.
fn mode(charge: &Charge) -> u8 {
    match (charge.shadow, charge.warn.soft) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => 2,
    }
}

/// The head of a plan to end.
pub(super) fn ending(now: f64, node: f64, only_due: bool, cells: usize) -> Writer {
    let mut out = Writer::with_room(32 + 106 * 8);
    out.double(now);
    out.double(node);
    out.byte(u8::from(only_due));
    out.count(cells);
    out
}

/// Whether there is something to do for a parcel that ends so.
pub(super) fn matters(charge: &Charge, used: u64) -> bool {
    let kind = charge.rule.kind;
    let is_session = matches!(kind, Kind::Sessions { .. });
    !(is_session || kind.counts_at_once() && used == charge.amount)
}

/// How a parcel ends; its charge is in microseconds already.
pub(super) fn put_ending(out: &mut Writer, ended: &Ended<'_>) {
    let Ended { charge, used, at, expired } = *ended;
    let (held, cap) = (charge.amount, charge.rule.cap);
    let mut numbers = [0.0; ENDED_NUMBERS];
    let kind = match charge.rule.kind {
        Kind::Bucket { rate, per_ns } => {
            let (taken, taken_part) = cost(held, rate, per_ns);
            let (kept, kept_part) = cost(used.min(held), rate, per_ns);
            let (over, over_part) = cost(used.saturating_sub(held), rate, per_ns);
            numbers = [double(rate), taken, taken_part, kept, kept_part, at, over, over_part];
            BUCKET
        }
        Kind::Window { length_ns } => {
            numbers[..3].copy_from_slice(&[double(length_ns), at, double(cap)]);
            WINDOW
        }
        Kind::Period { start, end } => {
            numbers[..3].copy_from_slice(&[
                double(start),
                double(end),
                thresholds(&charge.warn, cap),
            ]);
            let reached = charge.warn.percents().map(|percent| threshold(percent, cap));
            numbers[3..].iter_mut().zip(reached).for_each(|(place, reached)| *place = reached);
            PERIOD
        }
        Kind::Concurrency => SLOTS,
        Kind::Sessions { .. } => SEATS,
    };
    out.byte(kind);
    out.byte(u8::from(expired));
    out.double(double(charge.limit.0));
    out.double(double(held));
    out.double(double(used));
    numbers.into_iter().for_each(|number| out.double(number));
}

/// What has to be settled for a threshold to be reached.
fn threshold(percent: u8, cap: u64) -> f64 {
    let least = (u128::from(percent) * u128::from(cap)).div_ceil(100).max(1);
    double(u64::try_from(least).unwrap_or(u64::MAX))
}

/// Tells these thresholds of this cap from others; 0 where there are none.
fn thresholds(warn: &Warn, cap: u64) -> f64 {
    let mut bytes = cap.to_le_bytes().to_vec();
    bytes.extend(warn.percents());
    if bytes.len() == 8 { 0.0 } else { f64::from((super::keys::stable(&bytes) as u8) | 1) }
}

/// The time in which an amount is refilled: whole microseconds, and parts of one, of which
/// `rate` (already per thousandth) make a whole.
fn cost(amount: u64, rate: u64, per_ns: u64) -> (f64, f64) {
    let scaled = u128::from(amount) * u128::from(per_ns);
    let rate = u128::from(rate.max(1));
    let whole = u64::try_from(scaled / rate).unwrap_or(u64::MAX);
    // More than this is so far away that it is never.
    (double(whole.min(micros::NEVER / 4)), (scaled % rate) as f64)
}
