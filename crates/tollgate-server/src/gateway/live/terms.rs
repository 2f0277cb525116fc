//! The terms that a session goes on under: its caller's key, and the limits as they are now.
//!
//! What it was admitted with holds for what it has reserved. Before it gets more it is looked
//! whether its key still works, and limits that were changed meanwhile are asked beside its own.

use std::sync::Arc;

use tollgate_core::{Attribute, Attributes, Grants, Policy};

use super::super::exchange::Exchange;
use crate::{app::App, emergency, identity::Unauthorized, refusal::Failure};

/// What a session was admitted with.
#[derive(Debug)]
pub(super) struct Terms {
    app: Arc<App>,
    who: Attributes,
    policy: Arc<Policy>,
    /// Whether its key is one of the roster's, and not of the policy's.
    is_managed: bool,
}

/// Limits that are no more what they were when a session was admitted.
pub(super) struct Changed {
    pub(super) policy: Arc<Policy>,
    /// The caller, with what it is granted now.
    pub(super) who: Attributes,
}

impl Terms {
    pub(super) fn new(exchange: &Exchange) -> Self {
        Self {
            app: Arc::clone(&exchange.app),
            who: exchange.who.clone(),
            policy: Arc::clone(&exchange.live.policy),
            is_managed: exchange.key.is_some(),
        }
    }

    /// Who asked for it.
    pub(super) const fn who(&self) -> &Attributes {
        &self.who
    }

    /// Whether it may go on, as far as there is an emergency.
    ///
    /// # Errors
    /// When there is one, and the session is not critical.
    pub(super) fn check_critical(&self) -> Result<(), Failure> {
        emergency::check(&self.app, &self.app.live().settings.emergency, &self.who)
    }

    /// What has changed of the limits, if anything has.
    ///
    /// # Errors
    /// When its key may not be used any more.
    pub(super) fn changed(&self) -> Result<Option<Changed>, Unauthorized> {
        let (live, roster) = (self.app.live(), self.app.roster.snapshot());
        let wall = self.app.gate.clock().now().wall;
        match self.who.value(&Attribute::Key) {
            Some(id) if self.is_managed => roster.still_works(id, wall)?,
            Some(id) if !live.keys.has(id) => return Err(Unauthorized::UnknownKey),
            _ => {}
        }
        let policy = Arc::clone(&live.policy);
        let own = Grants::new(roster.own(&self.who, &policy, wall));
        if Arc::ptr_eq(&policy, &self.policy) && own == *self.who.grants() {
            return Ok(None);
        }
        let mut who = self.who.clone();
        who.set_grants(own);
        Ok(Some(Changed { policy, who }))
    }
}
