//! Where accounts stand that no request asks about now: a user's own, and the common ones.

use compact_str::CompactString;
use smallvec::{SmallVec, smallvec};
use tollgate::{Store as _, StoreError};
use tollgate_core::{
    Attribute, Attributes, Charge, Demand, Group, Now, Order, ReservationId, ScopeId, Standing,
    policy::{Limit, Measure, Pattern},
};

use crate::{app::App, live::Live};

/// A limit with its account.
pub(crate) type Account<'a> = (&'a Limit, Standing);

/// What is known of users without a request of theirs; conditions on anything else may
/// hold for some of their requests.
const KNOWN: [Attribute; 5] =
    [Attribute::User, Attribute::Tier, Attribute::Team, Attribute::Customer, Attribute::Key];

/// The accounts of a user: every limit that is kept per user and may apply to it.
///
/// # Errors
/// When the store cannot answer.
pub(super) async fn of_user<'a>(
    app: &App,
    live: &'a Live,
    user: &str,
    who: &Attributes,
    now: Now,
) -> Result<Vec<Account<'a>>, StoreError> {
    let its = live.policy.limits().iter();
    let its = its.filter(|limit| limit.per == [Attribute::User] && may_apply(limit, who));
    stand(app, &[Attribute::User], user, who, its.collect(), now).await
}

/// The accounts that are kept for all requests together.
///
/// # Errors
/// When the store cannot answer.
pub(crate) async fn common<'a>(
    app: &App,
    live: &'a Live,
    now: Now,
) -> Result<Vec<Account<'a>>, StoreError> {
    let common = live.policy.limits().iter().filter(|limit| limit.per.is_empty());
    stand(app, &[], "", &Attributes::new(), common.collect(), now).await
}

/// The account that says how full the server is: its sessions, else its running requests.
pub(crate) fn capacity<'a>(common: &[Account<'a>]) -> Option<Account<'a>> {
    let counts_sessions = |limit: &Limit| matches!(limit.measure, Measure::Sessions { .. });
    let counts_requests = |limit: &Limit| matches!(limit.measure, Measure::Concurrency { .. });
    let first = |counts: &dyn Fn(&Limit) -> bool| {
        let mut all = common.iter().filter(|(limit, _)| limit.refuses());
        all.find(|(limit, _)| counts(limit)).copied()
    };
    first(&counts_sessions).or_else(|| first(&counts_requests))
}

/// Live sessions, where the policy limits them for all users together.
pub(crate) fn active_sessions(common: &[Account<'_>]) -> Option<u64> {
    let is_of_sessions = |limit: &Limit| matches!(limit.measure, Measure::Sessions { .. });
    let (_, standing) = common.iter().find(|(limit, _)| is_of_sessions(limit))?;
    Some(standing.cap.saturating_sub(standing.remaining))
}

fn may_apply(limit: &Limit, who: &Attributes) -> bool {
    limit.when.conditions().iter().all(|(attribute, patterns)| match who.value(attribute) {
        Some(value) => Pattern::allow(patterns, value),
        None => !KNOWN.contains(attribute),
    })
}

async fn stand<'a>(
    app: &App,
    per: &[Attribute],
    key: &str,
    who: &Attributes,
    limits: Vec<&'a Limit>,
    now: Now,
) -> Result<Vec<Account<'a>>, StoreError> {
    if limits.is_empty() {
        return Ok(Vec::new());
    }
    let charge = |limit: &&Limit| Charge {
        limit: limit.id,
        rule: limit.measure_for(who).rule(now.wall),
        unit: limit.unit,
        amount: 0,
        shadow: !limit.refuses(),
        warn: limit.warn,
    };
    let charges: SmallVec<[Charge; 8]> = limits.iter().map(charge).collect();
    let group = Group {
        scope: ScopeId::new(per),
        key: CompactString::from(key),
        charges: u8::try_from(charges.len()).unwrap_or(u8::MAX),
    };
    let order = Order {
        id: ReservationId(0),
        groups: smallvec![group],
        charges,
        attributes: who,
        demand: Demand::default(),
        expires: now.time,
        report: true,
        keep: false,
    };
    let standings = app.gate.store().standings(&order, now).await?;
    let account = |standing: &Standing| {
        let limit = limits.iter().find(|limit| limit.id == standing.limit)?;
        Some((*limit, *standing))
    };
    Ok(standings.iter().filter_map(account).collect())
}
