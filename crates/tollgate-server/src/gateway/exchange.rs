//! One request on its way through: what is known of it, and the steps that every dialect has.

use std::{pin::Pin, sync::Arc};

use compact_str::CompactString;
use http::{HeaderMap, HeaderValue, Response, request::Parts, uri::PathAndQuery};
use tollgate::{AnyStore, Cause, Entered, Patience, Refused, StoreError, Verdict, Waiting, new_id};
use tollgate_core::{Attribute, Attributes, Demand, Now, ReservationId};

use super::{patience::patience, planner::Planner, ticket::Ticket};
use crate::{
    app::App,
    headers::{self, Told},
    identity::{self, Books, Caller},
    live::Live,
    net::Body,
    prices::Rate,
    providers::Provider,
    refusal::{self, Failure, Form, What},
    roster::ManagedKey,
};

/// What is known of a request while it is answered.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) app: Arc<App>,
    pub(super) live: Arc<Live>,
    pub(super) provider: Arc<Provider>,
    pub(super) arrived: Now,
    pub(super) who: Attributes,
    /// The managed key that was sent, if one was.
    key: Option<Arc<ManagedKey>>,
    /// What is sent to the provider instead of the policy's key.
    pub(super) own: Option<HeaderValue>,
    /// How long the caller is ready to wait.
    patience: Patience,
    /// The reservation's id, once there is one.
    id: Option<ReservationId>,
}

/// A request as it came.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) head: Parts,
    pub(super) body: Body,
    /// How long the provider's name in the path is.
    pub(super) prefix: usize,
}

/// Why a request is not answered by its provider.
#[derive(Debug)]
pub(super) enum Stop {
    /// A limit refused it.
    Refused(Box<Refused>),
    /// Something else is wrong, before a decision or after it.
    Failed(Failure),
}

/// Named, since the compiler does not see through all stores that it can be sent.
type Deciding<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// The path of a request, with its query.
pub(super) fn path_and_query(head: &Parts) -> &str {
    head.uri.path_and_query().map_or("/", PathAndQuery::as_str)
}

impl Incoming {
    /// Its path and query without the provider's name.
    pub(super) fn rest(&self) -> &str {
        path_and_query(&self.head).get(self.prefix..).unwrap_or_default()
    }
}

impl Exchange {
    pub(super) fn new(
        app: Arc<App>,
        live: Arc<Live>,
        provider: Arc<Provider>,
        arrived: Now,
    ) -> Self {
        let (who, patience) = (Attributes::new(), Patience::POLICY);
        Self { app, live, provider, arrived, who, key: None, own: None, patience, id: None }
    }

    pub(super) fn form(&self) -> Form {
        self.provider.dialect.into()
    }

    /// Finds out who asks, and takes the key off the headers if it is one of Tollgate's.
    ///
    /// # Errors
    /// When nobody knows who asks and somebody must.
    pub(super) fn identify(&mut self, headers: &mut HeaderMap) -> Result<(), Failure> {
        let roster = self.app.roster.snapshot();
        let books = Books { live: &self.live, roster: &roster, wall: self.arrived.wall };
        let Caller { who, key } = identity::admit(headers, &books)?;
        (self.who, self.key) = (who, key);
        self.patience = patience(headers);
        identity::strip_keys(headers);
        self.who.set(Attribute::Provider, self.provider.name.clone());
        let (name, Some(key)) = (&self.provider.name, &self.key) else { return Ok(()) };
        key.allow_provider(name).map_err(|why| Failure::new(What::Forbidden, why))?;
        self.own = key.own(name).map_err(|_| {
            let sentence = format!(
                "The key of `{name}` that is kept with the key `{}` can't be opened here: ask the operator.",
                key.id()
            );
            Failure::new(What::StoreUnavailable, sentence)
        })?;
        Ok(())
    }

    /// Whether the caller's key may be used for a model; what names none is for whatever model.
    ///
    /// # Errors
    /// When it may not.
    pub(super) fn allow_model(&self, model: Option<&str>) -> Result<(), Failure> {
        let Some(key) = &self.key else { return Ok(()) };
        key.allow_model(model).map_err(|why| Failure::new(What::Forbidden, why).at("model"))
    }

    /// Asks for what the request demands, and waits for its turn where a limit has a queue.
    ///
    /// # Errors
    /// When a limit is in the way or nobody can decide.
    pub(super) async fn admit(
        &mut self,
        demand: Demand,
        model: CompactString,
        rate: Rate,
    ) -> Result<Ticket, Stop> {
        let (app, policy) = (Arc::clone(&self.app), Arc::clone(&self.live.policy));
        let entering: Deciding<'_, Entered<AnyStore>> =
            Box::pin(app.gate.enter(policy, &self.who, &demand, self.patience));
        let entered = entering.await;
        self.entered(entered, model, rate).await
    }

    /// Asks for what is planned, now and again whenever its turn comes.
    ///
    /// # Errors
    /// When a limit is in the way or nobody can decide.
    pub(super) async fn admit_planned(
        &mut self,
        planner: &Arc<Planner>,
        model: CompactString,
        rate: Rate,
    ) -> Result<Ticket, Stop> {
        let (app, policy) = (Arc::clone(&self.app), Arc::clone(&self.live.policy));
        let (demand, anew) = (planner.demand(), Arc::clone(planner));
        let entering: Deciding<'_, Entered<AnyStore>> =
            Box::pin(app.gate.enter_planned(policy, &self.who, &demand, anew, self.patience));
        let entered = entering.await;
        self.entered(entered, model, rate).await
    }

    async fn entered(
        &mut self,
        entered: Result<Entered<AnyStore>, StoreError>,
        model: CompactString,
        rate: Rate,
    ) -> Result<Ticket, Stop> {
        let decided = match entered {
            Ok(Entered::Admit(permit)) => Ok(Verdict::Admit(permit)),
            Ok(Entered::Refuse(refused)) => Ok(Verdict::Refuse(refused)),
            Ok(Entered::Wait(waiting)) => self.wait(waiting).await,
            Err(error) => Err(error),
        };
        match decided {
            Ok(Verdict::Admit(permit)) => {
                self.id = Some(permit.id());
                Ok(Ticket::new(self, permit, model, rate))
            }
            Ok(Verdict::Refuse(refused)) => Err(Stop::Refused(Box::new(refused))),
            Err(error) => {
                tracing::warn!(%error, "nothing can be decided");
                self.app.metrics.store_failed("closed");
                Err(Stop::Failed(Failure::from(&error)))
            }
        }
    }

    async fn wait(&self, waiting: Waiting<AnyStore>) -> Result<Verdict<AnyStore>, StoreError> {
        let _counted = self.app.metrics.waiting(self.who.value(&Attribute::User));
        let turn: Deciding<'_, Verdict<AnyStore>> = Box::pin(waiting.turn());
        let verdict = turn.await;
        match &verdict {
            Ok(Verdict::Admit(permit)) => self.app.metrics.waited(permit.waited()),
            Ok(Verdict::Refuse(Refused { cause: Cause::TimedOut { waited }, .. })) => {
                self.app.metrics.waited(*waited);
            }
            _ => {}
        }
        verdict
    }

    /// Tells in an admitted answer, as of `now`, how it was decided.
    pub(super) fn mark(&self, headers: &mut HeaderMap, ticket: &Ticket, now: Now) {
        let permit = ticket.permit();
        headers::add(
            headers,
            &Told {
                policy: permit.policy(),
                who: &self.who,
                standings: &permit.admission().standings,
                binding: None,
                now,
                form: self.form(),
            },
        );
        headers.insert(headers::DECISION, HeaderValue::from_static("admit"));
        headers::tell_waited(headers, permit.waited());
        headers.insert(headers::REQUEST_ID, id_value(permit.id()));
    }

    /// The answer to a request that stopped on its way.
    pub(super) fn stopped(&self, stop: &Stop) -> Response<Body> {
        match stop {
            Stop::Refused(refused) => self.refused(refused),
            // Decided already, so it is not counted again.
            Stop::Failed(failure) if self.id.is_some() => {
                self.log_failure(failure);
                self.with_id(refusal::failed(failure, self.form()))
            }
            Stop::Failed(failure) => turned_away(&self.app, self.arrived, failure, self.form()),
        }
    }

    fn refused(&self, refused: &Refused) -> Response<Body> {
        let verdict = refusal::Verdict::new(refused, &self.who);
        self.app.metrics.refused(&refused.policy, &refused.refusal, verdict.error);
        tracing::info!(
            provider = %self.provider.name,
            limit = refused.limit().map_or("", |limit| limit.name.as_str()),
            status = verdict.status.as_u16(),
            key = self.who.value(&Attribute::Key),
            "RATE_LIMIT refused: {}", verdict.detail,
        );
        self.with_id(refusal::refused(refused, &verdict, &self.who, self.form()))
    }

    fn log_failure(&self, failure: &Failure) {
        tracing::warn!(
            provider = %self.provider.name,
            status = failure.what.status().as_u16(),
            "failed: {failure}",
        );
    }

    pub(super) fn with_id(&self, mut response: Response<Body>) -> Response<Body> {
        let id = self.id.unwrap_or_else(|| new_id(self.arrived.wall));
        response.headers_mut().insert(headers::REQUEST_ID, id_value(id));
        response
    }
}

/// The answer to a request that no limit was asked about.
pub(super) fn turned_away(
    app: &App,
    arrived: Now,
    failure: &Failure,
    form: Form,
) -> Response<Body> {
    app.metrics.turned_away(failure.what.error());
    tracing::info!(status = failure.what.status().as_u16(), "turned away: {failure}");
    let mut response = refusal::failed(failure, form);
    response.headers_mut().insert(headers::REQUEST_ID, id_value(new_id(arrived.wall)));
    response
}

/// An id as a UUID.
fn id_value(id: ReservationId) -> HeaderValue {
    let mut buffer = uuid::Uuid::encode_buffer();
    let text = uuid::Uuid::from_u128(id.0).as_hyphenated().encode_lower(&mut buffer);
    // Hexadecimal digits and hyphens fit into any header.
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
