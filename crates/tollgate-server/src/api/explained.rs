//! What would become of a request now, limit by limit. It holds nothing.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use serde::Serialize;
use smallvec::smallvec;
use tollgate::{Cause, Refused, Store as _, StoreError};
use tollgate_core::{
    Attributes, Charge, Decision, Group, Now, Order, Policy, ReservationId, Retry, Standing,
    dial::Dial, policy::Limit,
};

use super::{
    Instant, LimitShown, Problem, asked::Asked, input::Input, permits::understood, shown::Quantity,
    unserved::Circuits,
};
use crate::{app::App, refusal::Verdict};

/// What would become of it.
#[derive(Debug, Serialize)]
pub(crate) struct Explained {
    /// `admit`, `wait` where all that is in the way have queues, or `refuse`.
    decision: &'static str,
    at: Instant,
    /// Who asks for what, with what was found out about it.
    who: BTreeMap<String, String>,
    /// The limit that is in the way the longest, and what its refusal would say.
    limit: Option<String>,
    error: Option<&'static str>,
    message: Option<String>,
    retry_at: Option<Instant>,
    /// The circuits that let nothing through, of the models that may serve it.
    circuits: Circuits,
    /// Every limit that applies, from the narrowest scope to the global one.
    limits: Vec<OfLimit>,
}

/// One limit that applies.
#[derive(Debug, Serialize)]
pub(crate) struct OfLimit {
    #[serde(flatten)]
    shown: LimitShown,
    allows: String,
    /// Which attributes it is kept per.
    per: Vec<String>,
    /// How much of it is asked for.
    asked: Quantity,
    /// What of it is reserved by others and may come back.
    held: Quantity,
    /// The share of it that is allowed for now, where it is dialed.
    dial: Option<f64>,
    /// `passes`, `in the way`, or `would refuse` where it only counts.
    verdict: &'static str,
    /// When it would be admitted by this limit, if nothing else happens; null where no instant is
    /// known, or where it passes.
    retry_at: Option<Instant>,
    /// Whether one that it has no room for waits.
    queue: bool,
}

/// Tells what would become of a request now.
pub(crate) async fn explain(
    State(app): State<Arc<App>>,
    Input(asked): Input<Asked>,
) -> Result<Json<Explained>, Problem> {
    let live = app.live();
    let now = app.gate.clock().now();
    let (who, demand, _) = understood(&app, &live, &asked, now)?;
    let mut order = live.policy.order(ReservationId(0), &who, &demand, now, now.time);
    order.report = true;
    let decision = app.gate.store().check(&order, now).await?.told(&order);
    let limits = limits(&app, &live.policy, &order, now).await?;
    let members = who.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut explained = Explained {
        decision: "admit",
        at: Instant::new(now.time, now),
        who: members,
        limit: None,
        error: None,
        message: None,
        retry_at: None,
        circuits: Circuits::of(&live, &who, now),
        limits,
    };
    if let Decision::Refuse(refusal) = decision {
        let policy = Arc::clone(&live.policy);
        let refused = Refused { refusal, policy, now, cause: Cause::Limit };
        explained.refuse(&refused, &who);
    }
    explained.look_at_circuits();
    Ok(Json(explained))
}

impl Explained {
    /// Where no model is left that may serve it. What a limit says of it comes first.
    fn look_at_circuits(&mut self) {
        if self.circuits.is_all && self.decision != "refuse" {
            self.limit = None;
            self.decision = "refuse";
            self.error = Some("circuit_open");
            self.message = Some(NO_MODEL.to_owned());
            self.retry_at = self.circuits.until();
        }
    }

    fn refuse(&mut self, refused: &Refused, who: &Attributes) {
        let verdict = Verdict::new(refused, who);
        let mut in_way = self.limits.iter().filter(|limit| limit.verdict == IN_THE_WAY).peekable();
        let waits = in_way.peek().is_some() && in_way.all(|limit| limit.queue);
        self.decision = if waits { "wait" } else { "refuse" };
        self.limit = refused.limit().map(|limit| limit.name.to_string());
        (self.error, self.message) = (Some(verdict.error), Some(verdict.message));
        let promised = refused.refusal.retry.promised();
        self.retry_at = promised.map(|at| Instant::new(at, refused.now));
    }
}

const NO_MODEL: &str = "The circuit before each model that may serve it is open: none is asked.";

const IN_THE_WAY: &str = "in the way";

/// Asks every limit by itself, since a decision names the one alone that is in the way the longest.
async fn limits(
    app: &App,
    policy: &Policy,
    order: &Order<'_>,
    now: Now,
) -> Result<Vec<OfLimit>, StoreError> {
    let store = app.gate.store();
    let mut limits = Vec::with_capacity(order.charges.len());
    for (group, charges) in order.parts() {
        for charge in charges {
            let Some(limit) = policy.limit(charge.limit) else { continue };
            // Asked as one that refuses, to know what a shadow limit would do.
            let alone = Charge { shadow: false, ..*charge };
            let group = Group { charges: 1, ..group.clone() };
            let alone =
                Order { groups: smallvec![group], charges: smallvec![alone], ..order.clone() };
            let (standing, retry) = match store.check(&alone, now).await? {
                Decision::Admit(admission) => (admission.standings.first().copied(), None),
                Decision::Refuse(it) => (it.standings.first().copied(), Some(it.retry)),
                Decision::Wait(it) => (None, Some(Retry::NotBefore(it.until.unwrap_or(now.time)))),
            };
            let standing = standing.unwrap_or_else(|| Standing::unused(charge, now.time));
            let dial = app.roster.dials().of(limit.id).map(Dial::share);
            limits.push(OfLimit::new((limit, charge), (&standing, retry), order, dial, now));
        }
    }
    Ok(limits)
}

impl OfLimit {
    fn new(
        (limit, charge): (&Limit, &Charge),
        (standing, retry): (&Standing, Option<Retry>),
        order: &Order<'_>,
        dial: Option<f64>,
        now: Now,
    ) -> Self {
        Self {
            shown: LimitShown::new(standing, limit, now),
            allows: limit.describe(order.attributes),
            per: limit.per.iter().map(|attribute| attribute.name().to_owned()).collect(),
            asked: Quantity::new(limit.unit, charge.asked(&order.demand)),
            held: Quantity::new(limit.unit, standing.held),
            dial,
            verdict: match retry {
                None => "passes",
                Some(_) if charge.shadow => "would refuse",
                Some(_) => IN_THE_WAY,
            },
            retry_at: retry.and_then(Retry::promised).map(|at| Instant::new(at, now)),
            queue: limit.queue.is_some(),
        }
    }
}
