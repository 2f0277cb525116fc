//! Numbers as Redis counts: whole microseconds and amounts, exact in doubles.
//!
//! Lengths are rounded up, the present down and promises up, so that nobody gets more or is
//! promised less time than by the nanosecond. The core's arithmetic is asked in microseconds
//! too: it needs only that all instants are whole numbers of one unit.

use tollgate_core::{Charge, Kind, LimitId, Now, Retry, Rule, Standing, Time};

/// What stands for "never", and the largest number that is counted.
pub(super) const NEVER: u64 = 1 << 53;

const MICRO: u64 = 1_000;

/// The farthest that anything expires from now: a hundred years.
const MAX_TTL: u64 = 100 * 366 * 86_400 * 1_000_000;

/// An account's name in its cell: as much of its limit's id as a double holds.
pub(super) const fn name(limit: LimitId) -> LimitId {
    LimitId(limit.0 >> 11)
}

pub(super) const fn floor(time: Time) -> u64 {
    time.as_nanos() / MICRO
}

pub(super) const fn ceil(nanos: u64) -> u64 {
    nanos.div_ceil(MICRO)
}

/// How long it is from `now` to `expires`.
pub(super) fn ttl(expires: Time, now: Time) -> u64 {
    ceil(expires.as_nanos().saturating_sub(floor(now) * MICRO)).min(MAX_TTL)
}

/// A number as scripts are given it.
pub(super) const fn double(number: u64) -> f64 {
    if number > NEVER { NEVER as f64 } else { number as f64 }
}

/// A number that a script gave, which is whole and not negative.
pub(super) fn whole(number: f64) -> u64 {
    if number >= NEVER as f64 { NEVER } else { number.max(0.0) as u64 }
}

/// A charge under its account's name, its rule in microseconds.
pub(super) fn charge(charge: &Charge) -> Charge {
    let kind = match charge.rule.kind {
        Kind::Bucket { rate, per_ns } => {
            // In lowest terms, so that what people write is exact.
            let all = divisor(rate, per_ns).max(1);
            let rate = (rate / all).saturating_mul(MICRO).min(NEVER - 1);
            Kind::Bucket { rate, per_ns: per_ns / all }
        }
        Kind::Window { length_ns } => Kind::Window { length_ns: ceil(length_ns) },
        Kind::Period { start, end } => Kind::Period { start: start / MICRO, end: ending(end) },
        Kind::Sessions { idle_ns } => Kind::Sessions { idle_ns: ceil(idle_ns) },
        Kind::Concurrency => Kind::Concurrency,
    };
    let cap = charge.rule.cap.min(NEVER - 1);
    let amount = charge.amount.min(NEVER);
    Charge { limit: name(charge.limit), rule: Rule { kind, cap }, amount, ..*charge }
}

const fn divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { divisor(other, one % other) }
}

const fn ending(end: u64) -> u64 {
    if end == u64::MAX { end } else { ceil(end) }
}

/// A period as a script tells it.
pub(super) fn period(start: f64, end: f64) -> Kind {
    let end = match whole(end) {
        NEVER => u64::MAX,
        end => end.saturating_mul(MICRO),
    };
    Kind::Period { start: whole(start).saturating_mul(MICRO), end }
}

/// Instants of a server's clock in a node's time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    /// What the server is ahead by, in nanoseconds.
    pub(super) ahead_ns: i128,
}

impl Shown {
    pub(super) fn time(self, micros: Time) -> Time {
        if micros == Time::MAX {
            return micros;
        }
        let nanos = i128::from(micros.as_nanos()) * i128::from(MICRO) - self.ahead_ns;
        Time::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
    }

    pub(super) fn retry(self, retry: Retry) -> Retry {
        match retry {
            Retry::At(at) => Retry::At(self.time(at)),
            Retry::NotBefore(at) => Retry::NotBefore(self.time(at)),
            Retry::Never => Retry::Never,
        }
    }

    /// A standing of the limit that it is of by its id.
    pub(super) fn standing(self, limit: LimitId, standing: Standing) -> Standing {
        Standing { limit, reset: self.time(standing.reset), ..standing }
    }
}

/// The present of a server, with the wall clock of the node as it was at `clock`.
pub(super) const fn present(latest: u64, clock: u64, node: Now) -> Now {
    let wall = floor(node.wall).saturating_add(latest - clock);
    Now { time: Time::from_nanos(latest), wall: Time::from_nanos(wall) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_rounded_up_and_what_is_never_stays_so() {
        assert_eq!((ceil(1_001), floor(Time::from_nanos(1_999))), (2, 1));
        assert_eq!(ttl(Time::from_nanos(3_001), Time::from_nanos(1_500)), 3);
        assert_eq!(ttl(Time::MAX, Time::ZERO), MAX_TTL);
        assert_eq!(double(u64::MAX) as u64, NEVER);
        assert_eq!(whole(f64::INFINITY), NEVER);
        let (rate, per_ns) = (10_000_000_000_000, 86_400_000_000_000);
        let rule = Rule { kind: Kind::Bucket { rate, per_ns }, cap: 1 };
        let asked = Charge {
            limit: LimitId(0),
            rule,
            unit: tollgate_core::Unit::Usd,
            amount: 1,
            shadow: false,
            warn: tollgate_core::Warn::NEVER,
        };
        let exact = Kind::Bucket { rate: 25_000, per_ns: 216 };
        assert_eq!(charge(&asked).rule.kind, exact, "ten thousand dollars a day");
        let endless = Kind::TOTAL;
        assert_eq!(period(0.0, double(u64::MAX)), endless);
    }
}
