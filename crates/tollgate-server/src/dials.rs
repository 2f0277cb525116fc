//! Limits that are dialed down now: each follows the money of its budget, and how its providers
//! do.
//!
//! It is looked at once a second, beside the requests, which see the dials of the last look.
//! A dial changes no policy: it is what a caller is granted of a limit in the place of what it
//! would have, so whoever tells the limit tells what it is dialed to.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tollgate_core::{
    Attribute, Attributes, Dialed, Grant, LimitId, Policy, Time,
    dial::{Budget, Dial, History},
    policy::{Limit, Pattern, Tighten},
};

use crate::{api::accounts, app::App, providers::Providers};

/// The dials of all limits that have one.
#[derive(Debug, Default)]
pub(crate) struct Dials(ArcSwap<Look>);

/// What was found by the last look.
#[derive(Debug, Default)]
struct Look {
    dials: Vec<(LimitId, Dial)>,
    /// When it is looked next.
    next: Time,
}

/// How often it is looked.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

impl Dials {
    /// What a limit is dialed to, where it has a dial.
    pub(crate) fn of(&self, limit: LimitId) -> Option<Dial> {
        self.0.load().dials.iter().find(|(id, _)| *id == limit).map(|(_, dial)| *dial)
    }

    /// Puts what is left of the limits that are dialed down before what a caller is granted.
    pub(crate) fn turn(&self, who: &Attributes, policy: &Policy, grants: &mut Vec<Grant>) {
        let look = self.0.load();
        for (id, dial) in look.dials.iter().filter(|(_, dial)| !dial.is_open()) {
            let Some(limit) = policy.limit(*id) else { continue };
            let granted = grants.iter().find(|grant| grant.limit == *id);
            let whole = granted.map_or_else(|| limit.measure_for(who), |grant| &grant.measure);
            let measure = dial.of_measure(whole, limit.minimum);
            let dialed = Some(Dialed { cap: whole.cap(), until: look.next, ends: false });
            grants.insert(0, Grant { limit: *id, measure, dialed });
        }
    }
}

/// Follows the money.
pub(crate) async fn attend(app: Arc<App>) {
    loop {
        look(&app).await;
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Looks at the budgets and dials the limits that follow them.
pub(crate) async fn look(app: &App) {
    let (live, now) = (app.live(), app.gate.clock().now());
    let dials = app.roster.dials();
    let tightened = live.policy.limits().iter();
    let tightened: Vec<(&Limit, &Tighten)> =
        tightened.filter_map(|limit| Some((limit, limit.tighten.as_ref()?))).collect();
    if tightened.is_empty() && dials.0.load().dials.is_empty() {
        return;
    }
    let Ok(common) = accounts::common(app, &live, now).await else {
        tracing::warn!("limits stay dialed as they are: the store tells of no budget");
        return;
    };
    let turned = tightened.into_iter().filter_map(|(limit, tighten)| {
        let id = tighten.budget_id();
        let (budget, standing) = common.iter().find(|(budget, _)| budget.id == id)?;
        let budget = Budget::of(&budget.measure, standing, now.wall)?;
        let dial = Dial::of(tighten, &budget, history(&live.providers, limit, now.time));
        let before = dials.of(limit.id).unwrap_or(Dial::OPEN);
        if before.is_open() != dial.is_open() {
            tracing::warn!(limit = %limit.name, budget = %tighten.budget, "the limit is dialed to {dial}");
        }
        Some((limit.id, dial))
    });
    let look = Look { dials: turned.collect(), next: now.time.after(LOOK_INTERVAL) };
    dials.0.store(Arc::new(look));
}

/// How the providers did of late that a limit is about.
fn history(providers: &Providers, limit: &Limit, now: Time) -> History {
    let conditions = limit.when.conditions().iter();
    let named = conditions.filter(|(attribute, _)| *attribute == Attribute::Provider);
    let named: Vec<_> = named.map(|(_, patterns)| patterns).collect();
    let is_meant = |name: &str| named.iter().all(|patterns| Pattern::allow(patterns, name));
    let meant = providers.all().filter(|provider| is_meant(&provider.name));
    meant.map(|provider| provider.guard.history(now)).fold(History::default(), |sum, one| History {
        calls: sum.calls + one.calls,
        failures: sum.failures + one.failures,
    })
}
