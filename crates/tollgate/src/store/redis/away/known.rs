//! What was last heard of the accounts that nodes share, and this node's part of what was left.

use std::{hash::BuildHasher, time::Duration};

use compact_str::CompactString;
use hashbrown::{Equivalent, HashMap};
use parking_lot::Mutex;
use smallvec::SmallVec;
use tollgate_core::{Charge, Kind, LimitId, Now, Order, ReservationId, ScopeId, Standing, Time};

use super::Members;

/// What was heard, of a bounded number of keys; of others, nothing is known.
#[derive(Debug)]
pub(in crate::store::redis) struct Known {
    shards: Box<[Mutex<Keys>]>,
    hasher: foldhash::fast::RandomState,
}

type Keys = HashMap<(ScopeId, CompactString), Accounts, foldhash::fast::RandomState>;
type Accounts = SmallVec<[(LimitId, Heard); 4]>;

/// What was heard of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Heard {
    /// What this node used of it; of a bucket, nothing, since what it used comes back to all.
    own: u64,
    /// What the others used.
    others: u64,
    /// When more is left: the end of a period.
    reset: Time,
    at: Time,
}

/// An outage, as an account is shared in it.
#[derive(Debug, Clone, Copy)]
pub(in crate::store::redis) struct Outage {
    /// When it began.
    pub(in crate::store::redis) since: Time,
    /// Who shared then.
    pub(in crate::store::redis) members: Members,
}

/// This node's part of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::redis) struct Part {
    /// What it may use in all, what it used before among it; of a bucket, at once.
    pub(in crate::store::redis) within: u64,
    /// What of it is beyond what it had used when it last heard: what it may add while the
    /// others add theirs.
    pub(in crate::store::redis) allowance: u64,
}

#[derive(Hash)]
struct Key<'a>(ScopeId, &'a str);

impl Equivalent<(ScopeId, CompactString)> for Key<'_> {
    fn equivalent(&self, (scope, key): &(ScopeId, CompactString)) -> bool {
        self.0 == *scope && self.1 == key
    }
}

const SHARDS: usize = 64;

/// Keys that something is known of, per shard.
const MAX_KEYS: usize = 4_096;

/// Where there are too many, those are forgotten that were not heard of for so long.
const OLD: Duration = Duration::from_secs(60);

impl Default for Known {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, hasher: foldhash::fast::RandomState::default() }
    }
}

impl Known {
    /// Takes note of where the accounts of an order stand: in all, and here.
    pub(in crate::store::redis) fn note(
        &self,
        order: &Order<'_>,
        (all, own): (&[Standing], &[Standing]),
        now: Time,
    ) {
        if all.len() != order.charges.len() || own.len() != all.len() {
            return;
        }
        let mut nth = 0;
        for (group, charges) in order.parts() {
            let mut shard = self.shard(group.scope, &group.key).lock();
            if shard.len() >= MAX_KEYS {
                shard.retain(|_, heard| heard.iter().any(|(_, heard)| now.since(heard.at) < OLD));
            }
            let is_known = shard.contains_key(&Key(group.scope, &group.key));
            if !is_known && shard.len() >= MAX_KEYS {
                nth += charges.len();
                continue;
            }
            if !is_known {
                shard.insert((group.scope, group.key.clone()), Accounts::new());
            }
            let Some(accounts) = shard.get_mut(&Key(group.scope, &group.key)) else { continue };
            for charge in charges {
                let heard = Heard::of(charge, (&all[nth], &own[nth]), now);
                match accounts.iter_mut().find(|(limit, _)| *limit == charge.limit) {
                    Some((_, known)) => *known = heard,
                    None => accounts.push((charge.limit, heard)),
                }
                nth += 1;
            }
        }
    }

    /// This node's part of the account of a charge.
    pub(in crate::store::redis) fn part(
        &self,
        (scope, key): (ScopeId, &str),
        charge: &Charge,
        outage: &Outage,
        now: Now,
    ) -> Part {
        let heard = {
            let shard = self.shard(scope, key).lock();
            let accounts = shard.get(&Key(scope, key));
            accounts.and_then(|all| all.iter().find(|(limit, _)| *limit == charge.limit)).copied()
        };
        part(charge, heard.map(|(_, heard)| heard), outage, now)
    }

    /// The name of an account, the same for as long as this lives.
    pub(in crate::store::redis) fn name(
        &self,
        (scope, key): (ScopeId, &str),
        limit: LimitId,
    ) -> ReservationId {
        let half = |nth: u8| u128::from(self.hasher.hash_one((scope, key, limit, nth)));
        ReservationId(half(0) << 64 | half(1))
    }

    /// Forgets everything, as when what was heard may not be true any more.
    pub(in crate::store::redis) fn forget(&self) {
        self.shards.iter().for_each(|shard| shard.lock().clear());
    }

    fn shard(&self, scope: ScopeId, key: &str) -> &Mutex<Keys> {
        &self.shards[self.hasher.hash_one(Key(scope, key)) as usize % SHARDS]
    }
}

impl Heard {
    fn of(charge: &Charge, (all, own): (&Standing, &Standing), at: Time) -> Self {
        let used = used(all);
        let own = if let Kind::Bucket { .. } = charge.rule.kind { 0 } else { self::used(own) };
        Self { own, others: used.saturating_sub(own), reset: all.reset, at }
    }
}

/// What is used of an account, more than its cap perhaps.
const fn used(standing: &Standing) -> u64 {
    let used = standing.cap.saturating_sub(standing.remaining).saturating_add(standing.above);
    // Of slots beyond the cap, only what is held tells.
    if used > standing.held { used } else { standing.held }
}

/// This node's part, by what was heard last.
///
/// It is what this node had used, and its share of what was left. Where what was used comes
/// back with time, all of it is back after a while, and the parts are those of the whole: who
/// has more gives it up first, and only then the others have theirs, so that together they
/// never have more than the whole.
fn part(charge: &Charge, heard: Option<Heard>, outage: &Outage, now: Now) -> Part {
    let (cap, members) = (charge.rule.cap, outage.members);
    let whole = members.share(cap);
    let fresh = Part { within: whole, allowance: whole };
    let Some(Heard { own, others, reset, at }) = heard else { return fresh };
    let left = |others: u64| cap.saturating_sub(others).saturating_sub(own);
    let kept = |left: u64| {
        let allowance = members.share(left);
        Part { within: own.saturating_add(allowance).min(cap), allowance }
    };
    match charge.rule.kind {
        Kind::Bucket { rate, per_ns } => {
            let passed = now.time.min(outage.since).since(at).as_nanos();
            let back = passed.saturating_mul(u128::from(rate)) / u128::from(per_ns.max(1));
            let back = u64::try_from(back).unwrap_or(u64::MAX);
            kept(left(others.saturating_sub(back)).min(cap))
        }
        Kind::Window { length_ns } => {
            let length = Duration::from_nanos(length_ns);
            let once = outage.since.after(length);
            let before = kept(left(others));
            match now.time {
                now if now < once => before,
                now if now < once.after(length) => {
                    Part { within: before.within.min(whole), ..before }
                }
                _ => fresh,
            }
        }
        Kind::Period { .. } if now.time >= reset => fresh,
        Kind::Period { .. } | Kind::Concurrency | Kind::Sessions { .. } => kept(left(others)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tollgate_core::{Rule, Unit, Warn};

    use super::*;

    const LENGTH: u64 = 1_000;

    fn charge(kind: Kind, cap: u64) -> Charge {
        let limit = LimitId(1);
        let (unit, warn) = (Unit::Usd, Warn::NEVER);
        Charge { limit, rule: Rule { kind, cap }, unit, amount: 1, shadow: false, warn }
    }

    fn at(nanos: u64) -> Now {
        Now::at(Time::from_nanos(nanos))
    }

    proptest! {
        /// Where every node has heard the truth, their parts are no more than the whole.
        #[test]
        fn parts_of_what_all_know_are_the_whole(
            used in proptest::collection::vec(0_u64..50, 1..6),
            room in 0_u64..100,
            cap in 1_u64..300,
            passed in 0_u64..3 * LENGTH,
            is_window in any::<bool>(),
        ) {
            let cap = cap.max(used.iter().sum::<u64>() + room);
            let kind = if is_window { Kind::Window { length_ns: LENGTH } } else { Kind::TOTAL };
            let charge = charge(kind, cap);
            let all: u64 = used.iter().sum();
            let live = used.len() as u64;
            let parts = used.iter().enumerate().map(|(rank, own)| {
                let heard = Heard {
                    own: *own,
                    others: all - own,
                    reset: Time::MAX,
                    at: Time::from_nanos(0),
                };
                let members = Members { live, rank: rank as u64 };
                let outage = Outage { since: Time::from_nanos(10_000), members };
                part(&charge, Some(heard), &outage, at(10_000 + passed))
            });
            let parts: Vec<_> = parts.collect();
            prop_assert!(parts.iter().map(|part| part.within).sum::<u64>() <= cap);
            if !is_window || passed < LENGTH {
                prop_assert_eq!(parts.iter().map(|part| part.within).sum::<u64>(), cap);
            }
            for (part, own) in parts.iter().zip(&used) {
                prop_assert!(part.within <= cap - (all - own) || passed >= 2 * LENGTH);
            }
        }
    }

    #[test]
    fn of_what_nobody_heard_of_a_node_has_its_share() {
        let members = Members { live: 3, rank: 0 };
        let outage = Outage { since: Time::from_nanos(5), members };
        let known = Known::default();
        let part = known.part((ScopeId(1), "ann"), &charge(Kind::Concurrency, 10), &outage, at(6));
        assert_eq!(part, Part { within: 4, allowance: 4 });
    }

    #[test]
    fn a_new_period_is_shared_anew() {
        let members = Members { live: 2, rank: 1 };
        let outage = Outage { since: Time::from_nanos(50), members };
        let heard = Heard { own: 30, others: 60, reset: Time::from_nanos(100), at: Time::ZERO };
        let day = charge(Kind::Period { start: 0, end: 100 }, 100);
        assert_eq!(part(&day, Some(heard), &outage, at(99)).within, 35);
        assert_eq!(part(&day, Some(heard), &outage, at(100)).within, 50);
    }

    #[test]
    fn a_bucket_has_what_came_back_until_it_was_left_alone() {
        let members = Members { live: 2, rank: 0 };
        let outage = Outage { since: Time::from_nanos(40), members };
        let heard = Heard { own: 0, others: 80, reset: Time::MAX, at: Time::from_nanos(20) };
        let bucket = charge(Kind::Bucket { rate: 1, per_ns: 1 }, 100);
        // 20 were left, and 20 came back until the outage.
        assert_eq!(part(&bucket, Some(heard), &outage, at(60)).within, 20);
    }
}
