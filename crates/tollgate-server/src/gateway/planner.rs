//! A request's plan, made anew while it waits.
//!
//! Of a model without a vocabulary the first requests reserve a token for every byte, several
//! times what they use. Those that run teach how dense its text is while others wait, and who
//! waits reserves by that when its turn comes: as much as a request that came just then.

use std::sync::Arc;

use parking_lot::Mutex;
use tollgate::Refused;
use tollgate_core::{Attributes, Demand};

use super::{
    estimate::{Basis, Plan},
    open::Spare,
};
use crate::{app::App, prices::Rate};

/// The plan of one request.
#[derive(Debug)]
pub(super) struct Planner {
    app: Arc<App>,
    rate: Rate,
    /// What it is made anew of, if it may become another.
    basis: Option<Basis>,
    latest: Mutex<Plan>,
}

impl Planner {
    pub(super) fn new(app: &Arc<App>, rate: &Rate, (plan, basis): (Plan, Option<Basis>)) -> Self {
        Self { app: Arc::clone(app), rate: rate.clone(), basis, latest: Mutex::new(plan) }
    }

    /// The plan as it was made last.
    pub(super) fn latest(&self) -> Plan {
        self.latest.lock().clone()
    }

    /// What of it is for what its provider may read beside its body.
    pub(super) fn spare(&self) -> Spare {
        self.latest.lock().spare
    }

    /// What the latest plan asks for.
    pub(super) fn demand(&self) -> Demand {
        self.latest.lock().demand(self.rate.price())
    }

    /// Makes it fit what is left where it was refused, if there is a smaller way to begin.
    pub(super) fn shrink(&self, refused: &Refused, who: &Attributes) -> bool {
        self.latest.lock().shrink(refused, (self.rate.price(), who))
    }
}

impl tollgate::Planner for Planner {
    fn plan(&self) -> Demand {
        if let Some(basis) = &self.basis {
            let fresh = basis.plan(&self.app.lessons);
            self.latest.lock().renew(fresh);
        }
        self.demand()
    }
}

#[cfg(test)]
mod tests {
    use tollgate_meter::{Calls, Gauge};

    use crate::gateway::{
        estimate::{How, Plan},
        open::Spare,
    };

    const FRESH: Plan = Plan {
        input: 40,
        spare: Spare { tokens: 0, millis: 0 },
        may_narrow: false,
        output: 60,
        millis: 0,
        least_millis: None,
        calls: Calls::NONE,
        most: Some(100),
        gauge: Gauge::Bytes,
        how: How::Slices { least: 20 },
        pupil: None,
    };

    fn renewed(output: u64, how: How, fresh: &Plan) -> (u64, u64, How) {
        let mut plan = Plan { input: 100, output, how, ..FRESH };
        plan.renew(fresh.clone());
        (plan.input, plan.output, plan.how)
    }

    #[test]
    fn a_plan_that_is_made_anew_is_as_if_it_had_not_been_made_before() {
        let first = How::Slices { least: 16 };
        assert_eq!(renewed(50, first, &FRESH), (40, 60, FRESH.how));
        let hides = Plan { output: 100, how: How::Whole, ..FRESH };
        assert_eq!(renewed(16, first, &hides), (40, 100, How::Whole), "it was seen to think");
    }

    #[test]
    fn a_session_that_was_made_to_fit_stays_small() {
        let of = |millis, least_millis| Plan { millis, least_millis, ..FRESH };
        let renewed = |mut before: Plan, fresh| {
            before.renew(fresh);
            before.millis
        };
        assert_eq!(renewed(of(3_000, Some(1_000)), of(10_000, Some(1_000))), 3_000);
        assert_eq!(renewed(of(3_000, None), of(10_000, None)), 10_000, "it is no session");
    }

    #[test]
    fn what_was_made_to_fit_stays_small() {
        let small = renewed(16, How::Slices { least: 16 }, &FRESH);
        assert_eq!(small, (40, 20, FRESH.how), "by what is the least now");
        let clamp = |to| How::Clamp { choices: 1, to };
        let whole = Plan { output: 100, how: clamp(None), ..FRESH };
        assert_eq!(renewed(100, clamp(None), &whole), (40, 100, clamp(None)));
        assert_eq!(renewed(30, clamp(Some(30)), &whole), (40, 30, clamp(Some(30))));
    }
}
