//! The answer to a request that stopped on its way, and what is kept of why.

use http::Response;
use tollgate::Refused;
use tollgate_core::{Attribute, Now, ReservationId, Unit};

use super::{
    exchange::{Exchange, Stop, id_text, named},
    ticket::Ticket,
};
use crate::{
    app::App,
    decisions::Asked,
    headers,
    net::Body,
    refusal::{self, Failure, Form, Reader},
};

impl Exchange {
    /// Keeps how it came to be admitted, where that took a wait or another try.
    pub(super) fn keep_way(&self, ticket: &Ticket, attempts: Option<&str>, now: Now) {
        let permit = ticket.permit();
        if attempts.is_some() || !permit.waited().is_zero() {
            let asked = Asked { attempts, ..self.asked(permit.id()) };
            self.app.decisions.admitted(asked, permit.waited(), now);
        }
    }

    fn asked(&self, id: ReservationId) -> Asked<'_> {
        let (demand, attempts) = (self.demand.as_ref(), self.attempts.as_deref());
        Asked { id, who: &self.who, demand, attempts }
    }

    /// The answer to a request that stopped on its way.
    pub(super) fn stopped(&self, stop: &Stop) -> Response<Body> {
        let mut response = match stop {
            Stop::Refused(refused) => self.refused(refused),
            // What is decided already is not counted again.
            Stop::Failed(failure) => match self.id {
                Some(id) => {
                    self.log_failure(failure);
                    let now = self.app.gate.clock().now();
                    self.app.decisions.failed(self.asked(id), failure, now);
                    failed(failure, self.form, id)
                }
                None => {
                    let asked = self.asked(self.id());
                    turned_away(&self.app, self.arrived, (failure, asked), self.form)
                }
            },
        };
        headers::set(response.headers_mut(), headers::ATTEMPTS, self.attempts.clone());
        response
    }

    fn refused(&self, refused: &Refused) -> Response<Body> {
        let mut verdict = refusal::Verdict::new(refused, &self.who);
        let is_of_use = refused.limit().is_some_and(|limit| limit.unit != Unit::Requests);
        if !self.spare.is_none() && is_of_use {
            let why = format!(
                " It asks for {} more than it sends, since its provider may read or hear as much.",
                self.spare
            );
            verdict.message.push_str(&why);
        }
        self.app.metrics.refused(&refused.policy, &refused.refusal, verdict.error);
        tracing::info!(
            provider = %self.provider.name,
            limit = refused.limit().map_or("", |limit| limit.name.as_str()),
            status = verdict.status.as_u16(),
            key = self.who.value(&Attribute::Key),
            "RATE_LIMIT refused: {}", verdict.detail,
        );
        let asked = self.asked(self.id());
        self.app.decisions.refused(asked, refused, &verdict);
        let mut buffer = uuid::Uuid::encode_buffer();
        let id = id_text(asked.id, &mut buffer);
        let reader = Reader { form: self.form, request_id: Some(id) };
        named(refusal::refused(refused, &verdict, &self.who, reader), id)
    }

    fn log_failure(&self, failure: &Failure) {
        tracing::warn!(
            provider = %self.provider.name,
            status = failure.what.status().as_u16(),
            "failed: {failure}",
        );
    }
}

/// The answer to a request that no limit was asked about.
pub(super) fn turned_away(
    app: &App,
    arrived: Now,
    (failure, asked): (&Failure, Asked<'_>),
    form: Form,
) -> Response<Body> {
    app.metrics.turned_away(failure.what.error());
    app.decisions.failed(asked, failure, arrived);
    tracing::info!(status = failure.what.status().as_u16(), "turned away: {failure}");
    failed(failure, form, asked.id)
}

fn failed(failure: &Failure, form: Form, id: ReservationId) -> Response<Body> {
    let mut buffer = uuid::Uuid::encode_buffer();
    let id = id_text(id, &mut buffer);
    named(refusal::failed(failure, Reader { form, request_id: Some(id) }), id)
}
