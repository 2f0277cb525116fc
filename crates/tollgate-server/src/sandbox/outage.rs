//! Failing on schedule: between two instants, or for a while every so often.

use std::time::Duration;

use tollgate_core::policy::settings::{Outage, OutageFault};

use super::plan::Fault;

/// What every request suffers so long after the start, if anything.
pub(crate) fn fault(outage: &Outage, since_start: Duration) -> Option<Fault> {
    let into = since_start.checked_sub(outage.after)?.as_nanos();
    let into = if outage.every.is_zero() { into } else { into % outage.every.as_nanos() };
    (into < outage.lasts.as_nanos()).then_some(match outage.fault {
        OutageFault::Error => Fault::Error,
        OutageFault::Unavailable => Fault::Unavailable,
        OutageFault::RateLimit => Fault::RateLimit,
        OutageFault::Hang => Fault::Hang,
        OutageFault::Cut => Fault::Cut,
    })
}
