//! A metered request's way to one of its models, try by try.
//!
//! Each try reserves for its own provider, model and price. One that made nothing is voided
//! before the next begins, so that a request is counted once, whatever it took.

use std::sync::Arc;

use http::Response;
use tollgate_core::Attribute;
use tollgate_meter::Scan;

use super::{
    attempts::{Attempts, Chosen},
    body,
    cached::{self, Found, Keeper},
    dialect::{Request, Target},
    exchange::{Exchange, Incoming, Stop},
    fallback,
    planner::Planner,
    prepared::{Asked, Prepared, deployment, prepare, scan},
    ticket::Ticket,
};
use crate::{
    emergency,
    guards::Pass,
    net::{self, Body},
    prices::Rate,
};

/// One try.
pub(super) struct Try<'a> {
    pub(super) exchange: &'a mut Exchange,
    pub(super) attempts: &'a mut Attempts,
    /// Where, among the candidates.
    pub(super) place: usize,
    pub(super) asked: &'a Asked,
    /// What becomes of its answer.
    pub(super) keeper: &'a mut Keeper,
}

/// What came of a try.
pub(super) enum Tried {
    Answered(Response<Body>),
    /// There is another, which may begin at once.
    Again(Option<Chosen>),
}

/// Answers a request that is metered.
///
/// # Errors
/// When it is refused or fails, and may not be tried again.
pub(super) async fn metered(
    exchange: &mut Exchange,
    incoming: Incoming,
    target: Target,
) -> Result<Response<Body>, Stop> {
    let provider = Arc::clone(&exchange.provider);
    let rest = incoming.rest().to_owned();
    let uri = provider.target(&rest)?;
    let deployment = deployment(exchange, &incoming)?;
    let Incoming { head, body, call, .. } = incoming;
    let body = body::read(body, provider.max_body_bytes).await?;
    let read = exchange.app.gate.clock().now();
    let request = scan(&target, deployment.as_deref(), &head.headers, &body).await?;
    let mut asked = Asked { head, rest, uri, body, target, deployment, name: None, call, read };
    let request = called(exchange, &asked, request);
    let mut keeper = match look(exchange, &asked, request.scan()).await? {
        Found::Answer(response) => return Ok(response),
        Found::Ask(keeper) => keeper,
    };
    let spare = fallback::spare(exchange, &keeper, request.scan());
    net::identity_encoding(&mut asked.head.headers);
    let (mut attempts, scanned) = match Attempts::of(exchange, &mut asked, request) {
        Ok(attempts) => attempts,
        Err(failure) => {
            keeper.fail();
            return Err(failure.into());
        }
    };
    let answered = ask(exchange, &asked, (&mut attempts, scanned), &mut keeper).await;
    if answered.is_err() {
        exchange.attempts = attempts.told();
        keeper.fail();
    }
    match spare {
        Some(spare) => Box::pin(fallback::instead(exchange, spare, &attempts, answered)).await,
        None => answered,
    }
}

/// Asks one model after the other.
async fn ask(
    exchange: &mut Exchange,
    asked: &Asked,
    (attempts, mut scanned): (&mut Attempts, Option<Request>),
    keeper: &mut Keeper,
) -> Result<Response<Body>, Stop> {
    let mut next = None;
    loop {
        let chosen = match next.take() {
            Some(chosen) => chosen,
            None => attempts.next(exchange).await?,
        };
        let Chosen { place, pass } = chosen;
        let this = Try { exchange, attempts, place, asked, keeper };
        match Box::pin(this.make(pass, scanned.take())).await? {
            Tried::Answered(response) => return Ok(response),
            Tried::Again(chosen) => next = chosen,
        }
    }
}

/// The request by the name of its model, where the policy calls that otherwise.
fn called(exchange: &Exchange, asked: &Asked, mut request: Request) -> Request {
    if asked.deployment.is_none()
        && !exchange.live.settings.models.contains_key(&request.scan().model)
        && let Some(model) = exchange.provider.deployments.get(&request.scan().model)
    {
        request.rename(model.clone());
    }
    request
}

/// The answer that is kept for it, or who keeps the one that is asked for. Who may not use the
/// model is told so once it is made ready for it.
async fn look(exchange: &mut Exchange, asked: &Asked, scan: &Scan) -> Result<Found, Stop> {
    // What a cheaper model says is not kept as what the one says that was asked for.
    let is_downgraded =
        emergency::cheaper(&exchange.app, &exchange.live.settings.emergency, &scan.model).is_some();
    let may_be_kept =
        exchange.live.settings.cache.enabled && asked.call.is_none() && !is_downgraded;
    if !may_be_kept || exchange.allow_model(Some(&scan.model)).is_err() {
        return Ok(Found::Ask(Keeper::Off));
    }
    exchange.who.set(Attribute::Model, scan.model.as_str());
    let Asked { head, uri, body, read, .. } = asked;
    let asked = cached::Asked { uri, headers: &head.headers, body, scan, read: *read };
    Box::pin(cached::look(exchange, asked)).await
}

impl Try<'_> {
    async fn make(mut self, pass: Pass, scanned: Option<Request>) -> Result<Tried, Stop> {
        let candidate = &self.attempts.candidates[self.place];
        let prepared = match prepare(self.exchange, candidate, self.asked, scanned).await {
            Ok(prepared) => prepared,
            Err(failure) => {
                pass.unsent();
                let (attempts, why) = (&mut self.attempts, failure.what.error());
                let elsewhere = attempts.leave_out(self.place, why) || attempts.recall();
                return if elsewhere { Ok(Tried::Again(None)) } else { Err(failure.into()) };
            }
        };
        let Prepared { model, rate, planner, .. } = &prepared;
        match self.reserve(planner, model, rate, pass).await? {
            Some(ticket) => self.send(prepared, ticket).await,
            None => Ok(Tried::Again(None)),
        }
    }

    /// Reserves what it may use; nothing where it is tried elsewhere or later.
    async fn reserve(
        &mut self,
        planner: &Arc<Planner>,
        model: &str,
        rate: &Rate,
        pass: Pass,
    ) -> Result<Option<Ticket>, Stop> {
        let Self { exchange, attempts, place, .. } = self;
        let most = std::mem::replace(&mut exchange.patience, attempts.patience_at(*place));
        let admitted = admit(exchange, planner, model, rate).await;
        exchange.patience = most;
        let mut ticket = match admitted {
            Ok(ticket) => ticket,
            Err(stop) => {
                pass.unsent();
                let elsewhere = matches!(stop, Stop::Refused(_)) && attempts.refused(*place);
                return if elsewhere { Ok(None) } else { Err(stop) };
            }
        };
        exchange.is_again = true;
        let now = exchange.app.gate.clock().now().time;
        if ticket.permit().waited().is_zero() {
            ticket.guard(pass);
        } else {
            // Who waited for a limit has kept a place at the provider for too long.
            pass.unsent();
            match attempts.ask(*place, now) {
                Ok(pass) => ticket.guard(pass),
                Err(_) => {
                    ticket.void();
                    return Ok(None);
                }
            }
        }
        attempts.begin(*place, now);
        Ok(Some(ticket))
    }
}

/// Asks for what the plan says, and for less where that does not fit and less may do.
async fn admit(
    exchange: &mut Exchange,
    planner: &Arc<Planner>,
    model: &str,
    rate: &Rate,
) -> Result<Ticket, Stop> {
    loop {
        let asked = exchange.admit_planned(planner, model.into(), rate.clone()).await;
        exchange.spare = planner.spare();
        match asked {
            // Each way to make it fit is gone once.
            Err(Stop::Refused(refused)) if planner.shrink(&refused, &exchange.who) => {}
            asked => return asked,
        }
    }
}
