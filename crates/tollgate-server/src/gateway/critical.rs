//! Whether a request passes in an emergency, before it is decided, while it waits and after.

use tollgate::{AnyStore, Cause, Refused, StoreError, Verdict, Waiting};
use tollgate_core::Attribute;

use super::exchange::{Deciding, Exchange};
use crate::{emergency, refusal::Failure};

impl Exchange {
    /// Whether it passes now.
    ///
    /// # Errors
    /// When there is an emergency, and it is not critical.
    pub(super) fn check_critical(&self) -> Result<(), Failure> {
        emergency::check(&self.app, &self.live.settings.emergency, &self.who)
    }

    /// Waits for its turn, unless an emergency begins meanwhile that it has no place in.
    ///
    /// # Errors
    /// When one does.
    pub(super) async fn wait(
        &self,
        waiting: Waiting<AnyStore>,
    ) -> Result<Result<Verdict<AnyStore>, StoreError>, Failure> {
        let metrics = &self.app.metrics;
        let _counted = metrics.waiting(self.who.value(&Attribute::User));
        let (policy, limit) = (&self.live.policy, waiting.limit());
        let turn: Deciding<'_, Verdict<AnyStore>> = Box::pin(waiting.turn());
        let verdict = tokio::select! {
            // In this order, so that a simulation is the same each time.
            biased;
            verdict = turn => verdict,
            stopped = emergency::stops(&self.app, &self.live.settings.emergency, &self.who) => {
                return Err(stopped);
            }
        };
        match &verdict {
            Ok(Verdict::Admit(permit)) => metrics.waited(policy, limit, permit.waited()),
            Ok(Verdict::Refuse(Refused { cause: Cause::TimedOut { waited }, .. })) => {
                metrics.waited(policy, limit, *waited);
            }
            _ => {}
        }
        Ok(verdict)
    }
}
