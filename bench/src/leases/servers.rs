//! What that means for Redis: calls for one decision, and how many servers bear them.

use super::{
    Leases, Row,
    world::{Seen, TAGS},
};

/// A decision is reserved and settled.
const ENDS: f64 = 2.0;

/// Servers of a cluster at most: each has a tag.
const MOST: u32 = TAGS as u32;

pub(super) fn row(settings: &Leases, nodes: u32, seen: &Seen) -> Row {
    let seconds = settings.length().as_secs_f64();
    let decisions = (seen.decisions as f64).max(1.0);
    let per_second = decisions / seconds;
    let of_all = |part: u64| part as f64 * 100.0 / decisions;
    let lease_calls = seen.lease_calls as f64 / decisions;
    let one = settings.redis_calls as f64;
    // The hot accounts are under one tag; where all is exact, every decision goes there.
    let exact = |servers| busiest(seen, servers, ENDS, ENDS, true) * per_second / one;
    let leased = |servers| busiest(seen, servers, ENDS, lease_calls, false) * per_second / one;
    let enough = |load: &dyn Fn(u32) -> f64| (1..=MOST).find(|servers| load(*servers) <= 1.0);
    Row {
        nodes,
        decisions_per_second: per_second,
        refused_percent: of_all(seen.refused),
        exactly_refused_percent: of_all(seen.exactly_refused),
        falsely_refused_percent: of_all(seen.refused.saturating_sub(seen.exactly_refused)),
        unused_percent: 100.0 * seen.unused.0 / (seen.unused.1 as f64).max(1.0),
        admitted_beyond: seen.admitted_beyond,
        waited_percent: of_all(seen.waited),
        lease_calls_per_second: seen.lease_calls as f64 / seconds,
        lease_calls_per_decision: lease_calls,
        hot_user_percent: of_all(seen.hot_users),
        calls_exact: ENDS,
        calls_exact_cluster: 2.0 * ENDS,
        calls_leased: ENDS + lease_calls,
        load_exact: ENDS * per_second / one,
        load_exact_cluster: exact(MOST),
        load_leased: (ENDS + lease_calls) * per_second / one,
        load_hot_only: lease_calls * per_second / one,
        servers_exact: enough(&exact),
        servers_leased: enough(&leased),
    }
}

/// Calls for one decision at the busiest of so many servers, whose first has the hot accounts.
/// Where they are exact, one server decides all in one call.
fn busiest(seen: &Seen, servers: u32, users: f64, hot: f64, is_exact: bool) -> f64 {
    if servers == 1 {
        return if is_exact { users } else { users + hot };
    }
    let all: u64 = seen.tags.iter().sum();
    let per_server = TAGS.div_ceil(servers as usize);
    let loads = seen.tags.chunks(per_server).enumerate().map(|(nth, tags)| {
        let share = tags.iter().sum::<u64>() as f64 / (all as f64).max(1.0);
        share * users + if nth == 0 { hot } else { 0.0 }
    });
    loads.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_decisions_all_meet_at_one_server_and_leased_ones_do_not() {
        let seen = Seen { tags: vec![10; TAGS], ..Seen::default() };
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(near(busiest(&seen, 1, 2.0, 2.0, true), 2.0), "one call has them all");
        assert!(near(busiest(&seen, 4, 2.0, 2.0, true), 2.5));
        assert!(near(busiest(&seen, 256, 2.0, 2.0, true), 2.0 + 2.0 / 256.0));
        assert!(near(busiest(&seen, 1, 2.0, 0.1, false), 2.1));
        assert!(near(busiest(&seen, 4, 2.0, 0.1, false), 0.6));
    }
}
