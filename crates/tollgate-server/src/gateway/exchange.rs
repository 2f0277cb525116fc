//! One request on its way through: what is known of it, and the steps that every dialect has.

use std::{pin::Pin, sync::Arc};

use compact_str::CompactString;
use http::{HeaderMap, HeaderValue, Response, request::Parts, uri::PathAndQuery};
use tollgate::{AnyStore, Entered, Patience, Present, Refused, StoreError, Verdict, new_id};
use tollgate_core::{Attribute, Attributes, Demand, Now, ReservationId, policy::settings::Dialect};

use super::{
    forward::Entry, found, limits::TimeLimits, live::Call, open::Spare, patience::patience,
    planner::Planner, query, ticket::Ticket,
};
use crate::{
    app::App,
    guards::{Account, Ask, Pass, Turn, tenant},
    headers::{self, Told},
    identity::{self, Books, Caller, Shown},
    live::Live,
    net::Body,
    prices::Rate,
    providers::Provider,
    refusal::{Failure, Form, What},
    roster::ManagedKey,
};

/// What is known of a request while it is answered.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) app: Arc<App>,
    pub(super) live: Arc<Live>,
    pub(super) provider: Arc<Provider>,
    /// What it speaks at this path.
    pub(super) dialect: Dialect,
    /// In which form errors are told.
    pub(super) form: Form,
    pub(super) arrived: Now,
    pub(super) who: Attributes,
    /// The managed key that was sent, if one was.
    pub(super) key: Option<Arc<ManagedKey>>,
    /// What lets it in at its provider, beside what the policy has.
    pub(super) entry: Entry,
    /// How long the caller is ready to wait.
    pub(super) patience: Patience,
    /// How long it may take, where it is a task or its route says so.
    pub(super) limits: TimeLimits,
    /// The reservation's id, once there is one.
    pub(super) id: Option<ReservationId>,
    /// The provider that the request's path names.
    pub(super) home: Arc<Provider>,
    /// What the caller showed to providers, if anything.
    pub(super) shown: Account,
    /// Whether it was admitted before, and is tried again.
    pub(super) is_again: bool,
    /// Whether a try was charged although it brought no answer.
    pub(super) is_charged: bool,
    /// What is held for what its provider may read beside its body.
    pub(super) spare: Spare,
    /// Why those did not serve it that were asked, where none does.
    pub(super) attempts: Option<String>,
    /// What it asked for at last.
    pub(super) demand: Option<Demand>,
}

/// A request as it came.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) head: Parts,
    pub(super) body: Body,
    /// How long the provider's name in the path is.
    pub(super) prefix: usize,
    /// What is left of its path and query, where something was taken out.
    pub(super) rest: Option<String>,
    /// The live session that it asks for.
    pub(super) call: Option<Box<Call>>,
}

/// Why a request is not answered by its provider.
#[derive(Debug)]
pub(super) enum Stop {
    /// A limit refused it.
    Refused(Box<Refused>),
    /// Something else is wrong, before a decision or after it.
    Failed(Failure),
}

/// Characters of an UUID, as `Uuid::encode_buffer` has room for.
const UUID_BYTES: usize = 45;

/// Named, since the compiler does not see through all stores that it can be sent.
pub(super) type Deciding<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

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
        let whole = || path_and_query(&self.head).get(self.prefix..).unwrap_or_default();
        self.rest.as_deref().unwrap_or_else(whole)
    }

    /// The same in its two parts.
    pub(super) fn path_and_query(&self) -> (&str, Option<&str>) {
        let rest = self.rest();
        rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)))
    }
}

impl Exchange {
    pub(super) fn new(
        app: Arc<App>,
        live: Arc<Live>,
        provider: Arc<Provider>,
        dialect: Dialect,
        arrived: Now,
    ) -> Self {
        Self {
            app,
            live,
            home: Arc::clone(&provider),
            shown: Account::COMMON,
            is_again: false,
            is_charged: false,
            spare: Spare::default(),
            attempts: None,
            demand: None,
            provider,
            dialect,
            form: dialect.into(),
            arrived,
            who: Attributes::new(),
            key: None,
            entry: Entry::default(),
            patience: Patience::POLICY,
            limits: TimeLimits::default(),
            id: None,
        }
    }

    /// Finds out who asks, and takes the key out of the request if it is one of Tollgate's.
    ///
    /// # Errors
    /// When nobody knows who asks and somebody must, or nothing would let the request in.
    pub(super) fn identify(&mut self, incoming: &mut Incoming) -> Result<(), Failure> {
        let roster = self.app.roster.snapshot();
        let books = Books { live: &self.live, roster: &roster, now: self.arrived };
        let in_query = match self.dialect {
            Dialect::Gemini => query::key(incoming.path_and_query().1),
            _ => None,
        };
        let shown = Shown { headers: &incoming.head.headers, in_query: in_query.as_deref() };
        let Caller { who, key } = identity::admit(shown, &books)?;
        (self.who, self.key) = (who, key);
        self.patience = patience(&incoming.head.headers, self.arrived.wall);
        self.who.set(Attribute::Provider, self.provider.name.clone());
        self.limits = TimeLimits::of(&self.live.settings.tasks, &self.who);
        self.entry = self.entry(&incoming.head.headers)?;
        let is_ours = |key: &str| identity::key_in(key).is_some();
        if in_query.is_some_and(|key| is_ours(&key) || !self.provider.passes_callers(&self.entry)) {
            let (path, query) = incoming.path_and_query();
            incoming.rest = Some(query::without_key(path, query.unwrap_or_default()));
        }
        identity::strip_keys(&mut incoming.head.headers);
        let in_query = query::key(incoming.path_and_query().1);
        self.shown = self.app.accounts.shown(&incoming.head.headers, in_query.as_deref());
        Ok(())
    }

    /// Leave to send something to the provider that is tried once.
    ///
    /// # Errors
    /// When it would fail or be refused.
    pub(super) fn pass(&mut self) -> Result<Pass, Failure> {
        let (account, now) = (self.account(&self.provider), self.app.gate.clock().now().time);
        let turn = Turn::of(&self.who, self.arrived.time);
        let tenant = tenant(&self.who);
        let ask = Ask { model: "", account, tenant, demand: &Demand::ONE_REQUEST, turn };
        self.provider.guard.admit(ask, now).map_err(|not_now| {
            self.attempts = Some(format!("{}={}", self.provider.name, not_now.why.name()));
            found::closed(not_now.why, not_now.until, now)
        })
    }

    /// Counts it among those that wait, until what is returned is dropped.
    pub(super) fn waits(&self) -> Present {
        self.app.metrics.waiting(self.who.value(&Attribute::User))
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
        self.demand = Some(demand);
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
        self.demand = Some(demand);
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
            Ok(Entered::Wait(waiting)) => self.wait(waiting).await?,
            Err(error) => Err(error),
        };
        match decided {
            Ok(Verdict::Admit(permit)) => {
                let id = permit.id();
                let ticket = Ticket::new(self, permit, model, rate);
                // An emergency may have begun since it came.
                if let Err(failure) = self.check_critical() {
                    ticket.void();
                    return Err(failure.into());
                }
                self.id = Some(id);
                self.limits.begin(self.app.gate.clock().now());
                Ok(ticket)
            }
            Ok(Verdict::Refuse(refused)) => Err(Stop::Refused(Box::new(refused))),
            Err(error) => {
                tracing::warn!(%error, "nothing can be decided");
                self.app.metrics.store_failed("closed");
                Err(Stop::Failed(Failure::from(&error)))
            }
        }
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
                form: self.form,
            },
        );
        headers.insert(headers::DECISION, HeaderValue::from_static("admit"));
        if self.spare.tokens > 0 {
            headers.insert(headers::OPEN_INPUT, self.spare.tokens.into());
        }
        headers::tell_waited(headers, permit.waited());
        self.limits.mark(headers, now);
        let mut buffer = uuid::Uuid::encode_buffer();
        headers.insert(headers::REQUEST_ID, id_value(id_text(permit.id(), &mut buffer)));
    }

    pub(super) fn with_id(&self, response: Response<Body>) -> Response<Body> {
        named(response, id_text(self.id(), &mut uuid::Uuid::encode_buffer()))
    }

    /// The reservation's id, or one that stands for none.
    pub(super) fn id(&self) -> ReservationId {
        self.id.unwrap_or_else(|| new_id(self.arrived.wall))
    }
}

pub(super) fn named(mut response: Response<Body>, id: &str) -> Response<Body> {
    response.headers_mut().insert(headers::REQUEST_ID, id_value(id));
    response
}

/// An id as a UUID.
pub(super) fn id_text(id: ReservationId, buffer: &mut [u8; UUID_BYTES]) -> &str {
    uuid::Uuid::from_u128(id.0).as_hyphenated().encode_lower(buffer)
}

fn id_value(text: &str) -> HeaderValue {
    // Hexadecimal digits and hyphens fit into any header.
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
