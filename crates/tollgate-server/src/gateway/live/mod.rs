//! Live sessions: audio that is transcribed while it is spoken, over a WebSocket.
//!
//! The promise: a session is admitted before it costs anything, and refused in plain HTTP; no
//! piece of audio passes that is not reserved; and it is settled once, by what its provider says
//! at the end, however the session ends. So what must end is ended by asking for the end: the
//! provider tells what it heard, the caller gets the rest of its transcript, and then why.
//!
//! `call` is the handshake on both sides, `session` carries messages, `books` is what it has
//! reserved and used, `terms` whether it may go on, `ending` why it ends, `farewell` how.

mod books;
mod call;
mod ending;
mod farewell;
mod session;
mod terms;

use http::{Response, StatusCode, response::Parts};

use super::{
    estimate::Plan,
    exchange::{Exchange, Stop},
    metered::BROKEN,
    outcome::Outcome,
    ticket::Ticket,
};
use crate::{
    net::{self, Body, Line, Tunnel},
    prices::Rate,
    refusal::{Failure, What},
};
use books::Books;
use session::Session;
use terms::Terms;

pub(super) use call::Call;

/// Audio that a session reserves before it begins, in milliseconds of each channel.
pub(super) const FIRST_MILLIS: u64 = 10_000;

/// What a session was admitted with.
pub(super) struct Admitted {
    pub(super) ticket: Ticket,
    pub(super) plan: Plan,
    pub(super) rate: Rate,
}

impl Call {
    /// The answer that begins the session.
    ///
    /// # Errors
    /// When the provider has not agreed to what it was asked.
    pub(super) fn begin(
        &self,
        exchange: &Exchange,
        mut head: Parts,
        line: Option<Line>,
        admitted: Admitted,
    ) -> Result<Response<Body>, Stop> {
        let Some(line) = line.filter(|_| self.is_agreed(&head.headers)) else {
            let Admitted { mut ticket, .. } = admitted;
            ticket.ended(BROKEN);
            ticket.conclude(Outcome::Answered);
            let sentence = "The provider did not agree to a live session.";
            return Err(Failure::new(What::BadGateway, sentence).into());
        };
        self.agree(&mut head.headers);
        head.status = StatusCode::SWITCHING_PROTOCOLS;
        let server = &exchange.live.settings.server;
        let session = Session {
            books: Books::new(self.meter(), admitted, Terms::new(exchange)),
            idle: server.body_idle_timeout,
            silence: exchange.provider.silence(),
        };
        Tunnel::new(move |caller, drain| session.run(caller, line, drain))
            .ride(&mut head.extensions);
        Ok(Response::from_parts(head, net::empty()))
    }
}

/// Whether an answer is one that a session may begin after.
pub(super) fn may_begin(status: StatusCode) -> bool {
    status == StatusCode::SWITCHING_PROTOCOLS || status.is_success()
}
