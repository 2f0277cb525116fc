//! What a running request holds: its permit, and all that is told when it ends.
//!
//! A ticket concludes exactly once. Dropped without a word, as by a panic or a caller that
//! went away before there was an answer, it concludes as if all had been used.

use std::{pin::Pin, sync::Arc, time::Duration};

use compact_str::CompactString;
use tollgate::{AnyStore, Permit, Present, Refused, StoreError};
use tollgate_core::{
    Amounts, Attributes, Decision, Now, Policy, Refusal, Usage, policy::settings::Dialect,
    quota::Announced,
};
use tollgate_meter::{Basis, Counts, Ending, Lesson, Metered};

use super::{
    estimate::{HALF, Pupil},
    exchange::Exchange,
    outcome::Outcome,
};
use crate::{
    app::App,
    cache::Whole,
    guards::{End, Pass, Running, Served},
    metrics::Finished,
    prices::Rate,
    providers::Provider,
    refusal::CutShort,
    renewals::Renewed,
};

/// What a running request holds. It is handed on a dozen times and is large, so it is boxed.
#[derive(Debug)]
pub(super) struct Ticket(Option<Box<Held>>);

/// What a ticket asks for more with.
pub(super) type Asking = Pin<Box<dyn Future<Output = Result<Decision, StoreError>> + Send>>;

/// What a ticket asks with whether it could have more.
pub(super) type Checking =
    Pin<Box<dyn Future<Output = Result<Option<Refused>, StoreError>> + Send>>;

#[derive(Debug)]
struct Held {
    permit: Permit<AnyStore>,
    app: Arc<App>,
    provider: Arc<Provider>,
    model: CompactString,
    rate: Rate,
    arrived: Now,
    added: Option<Duration>,
    /// Whether its provider tells the usage of whatever it makes.
    tells_usage: bool,
    /// Whether it streams what its model shows, and not all that it makes.
    hides: bool,
    pupil: Option<Pupil>,
    /// What it holds of its provider's guard, and what it tells it at its end.
    pass: Option<Pass>,
    end: End,
    /// Who wants to know that the answer came whole.
    whole: Option<Whole>,
    _renewed: Renewed,
    _running: Present,
    _there: Running,
}

impl Ticket {
    pub(super) fn new(
        exchange: &Exchange,
        permit: Permit<AnyStore>,
        model: CompactString,
        rate: Rate,
    ) -> Self {
        let app = &exchange.app;
        // A request that is tried again is one request.
        if !exchange.is_again {
            app.metrics.admitted(permit.policy(), &permit.admission().shadowed);
        }
        let user = exchange.who.value(&tollgate_core::Attribute::User);
        Self(Some(Box::new(Held {
            _renewed: app.renewals.keep(permit.id()),
            _running: app.metrics.running(user),
            _there: exchange.provider.guard.runs(),
            permit,
            app: Arc::clone(app),
            provider: Arc::clone(&exchange.provider),
            model,
            rate,
            arrived: exchange.arrived,
            added: None,
            tells_usage: exchange.dialect == Dialect::Gemini,
            hides: false,
            pupil: None,
            pass: None,
            end: End::Ignored,
            whole: None,
        })))
    }

    /// The permit, until the ticket has concluded.
    pub(super) fn permit(&self) -> &Permit<AnyStore> {
        // Only concluding takes it, and that takes the ticket.
        let held = self.0.as_ref().unwrap_or_else(|| unreachable!("a ticket concludes by value"));
        &held.permit
    }

    /// Asks for more beside what it has.
    pub(super) fn asking(&self, more: Amounts) -> Asking {
        Box::pin(self.permit().asking(more))
    }

    /// Whether it could have more under a policy that holds now.
    pub(super) fn checking(&self, policy: Arc<Policy>, who: Attributes, more: Amounts) -> Checking {
        Box::pin(self.permit().checking(policy, who, more))
    }

    /// Takes note of what was granted beside what it had.
    pub(super) fn extended(&mut self, more: &Amounts) {
        if let Some(held) = &mut self.0 {
            held.permit.extended(more);
        }
    }

    /// What asking for more was refused with.
    pub(super) fn refused(&self, refusal: Refusal) -> Refused {
        self.permit().refused(refusal)
    }

    /// Counts and logs that its stream ends before its answer does.
    pub(super) fn note_cut(&self, cut: &CutShort) {
        if let Some(held) = &self.0 {
            held.app.metrics.cut_short(cut.reason);
            tracing::info!(provider = %held.provider.name, model = %held.model, "BUDGET cut: {cut}");
        }
    }

    /// Takes over what it holds of its provider's guard.
    pub(super) fn guard(&mut self, pass: Pass) {
        if let Some(held) = &mut self.0 {
            held.pass = Some(pass);
        }
    }

    /// The head of the answer came, and told this.
    pub(super) fn headed(&mut self, told: &Announced) {
        if let Some(held) = &mut self.0
            && let Some(pass) = &mut held.pass
        {
            pass.headed(told, held.app.gate.clock().now().time);
        }
    }

    /// The first of the answer itself came.
    pub(super) fn begun(&mut self) {
        if let Some(held) = &mut self.0
            && let Some(pass) = &mut held.pass
        {
            pass.begun(held.app.gate.clock().now().time);
        }
    }

    /// From here on it goes on for as long as its caller likes.
    pub(super) fn lasts(&mut self) {
        if let Some(held) = &mut self.0
            && let Some(pass) = &mut held.pass
        {
            pass.lasts(held.app.gate.clock().now().time);
        }
    }

    /// It is over for its provider, whatever is still to be told of it.
    pub(super) fn ended(&mut self, end: End) {
        if let Some(held) = &mut self.0
            && let Some(pass) = held.pass.take()
        {
            pass.ended(end, held.app.gate.clock().now().time);
        }
    }

    /// What its end tells about the provider, if it is no whole answer.
    pub(super) fn ends(&mut self, end: End) {
        if let Some(held) = &mut self.0 {
            held.end = end;
        }
    }

    /// Voids it: nothing was made, and another try takes its place.
    pub(super) fn void(mut self) {
        if let Some(mut held) = self.0.take() {
            held.tell_guard(Outcome::Unsent);
            held.permit.end(None);
        }
    }

    /// Says of whom its answer teaches something.
    pub(super) fn teach(&mut self, pupil: Option<Pupil>) {
        if let Some(held) = &mut self.0 {
            held.pupil = pupil;
        }
    }

    /// Says who wants to know that the answer came whole, and what it used.
    pub(super) fn tell_whole(&mut self, whole: Whole) {
        if let Some(held) = &mut self.0 {
            held.whole = Some(whole);
        }
    }

    /// Lets nobody know that the answer came whole: its caller gets something else.
    pub(super) fn forget_whole(&mut self) {
        if let Some(held) = &mut self.0 {
            held.whole = None;
        }
    }

    /// Notes that not all that its model makes is seen while it comes.
    pub(super) fn note_hiding(&mut self) {
        if let Some(held) = &mut self.0 {
            held.hides = true;
        }
    }

    /// Notes how much of the request's time the gateway itself took.
    pub(super) fn note_added(&mut self, added: Duration) {
        if let Some(held) = &mut self.0 {
            held.added = Some(added);
        }
    }

    /// Settles, or voids what was not used; counts it and logs it.
    pub(super) fn conclude(mut self, outcome: Outcome) {
        if let Some(held) = self.0.take() {
            held.conclude(outcome);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(held) = self.0.take() {
            held.conclude(Outcome::Unknown);
        }
    }
}

impl Held {
    /// Tells its provider's guard how it ended.
    fn tell_guard(&mut self, outcome: Outcome) {
        let Some(pass) = self.pass.take() else { return };
        let end = match outcome {
            Outcome::Stream(metered) | Outcome::Plain(metered) => match metered.ending {
                Ending::Complete => End::Served(Served {
                    tokens: metered.counts.output_tokens,
                    streamed: matches!(outcome, Outcome::Stream(_)),
                }),
                Ending::Failed => End::Failed { retry_after: None, overloaded: false },
                Ending::Cut => self.end,
            },
            Outcome::Unsent | Outcome::Answered | Outcome::Cost(_) | Outcome::Unknown => self.end,
        };
        pass.ended(end, self.app.gate.clock().now().time);
    }

    fn conclude(mut self: Box<Self>, outcome: Outcome) {
        self.tell_guard(outcome);
        let usage = self.usage(outcome);
        self.learn(outcome);
        if let (Some(whole), Some(usage), true) = (&self.whole, usage, outcome.is_whole()) {
            // It is told once, since a ticket concludes once.
            let _ = whole.set(usage);
        }
        let reserved = *self.permit.demand();
        let charged = usage.unwrap_or_default();
        let id = self.permit.id();
        match usage {
            Some(usage) if !outcome.is_known() => self.permit.end_estimated(usage),
            usage => self.permit.end(usage),
        }
        let lasted = self.app.gate.clock().now().time.since(self.arrived.time);
        let was_of_use =
            charged.input_tokens > 0 || charged.output_tokens > 0 || charged.millis > 0;
        self.app.metrics.finished(&Finished {
            provider: &self.provider.name,
            // Names of models that no provider knows are as many as a caller likes.
            model: if was_of_use { &self.model } else { "" },
            usage: &charged,
            overrun: &charged.beyond(&reserved),
            lasted: Some(lasted),
            added: self.added,
        });
        tracing::debug!(
            id = format_args!("{:032x}", id.0),
            provider = %self.provider.name,
            model = %self.model,
            input_tokens = charged.input_tokens,
            output_tokens = charged.output_tokens,
            usd = %charged.cost,
            known = outcome.is_known(),
            seconds = lasted.as_secs_f64(),
            "done",
        );
    }

    /// An answer that came whole and told its usage teaches what the next may use.
    fn learn(&self, outcome: Outcome) {
        let (Outcome::Stream(metered) | Outcome::Plain(metered)) = outcome else { return };
        let Some(pupil) = &self.pupil else { return };
        if metered.is_estimated() || metered.ending != Ending::Complete {
            return;
        }
        let lesson = Lesson {
            sent_bytes: pupil.sent_bytes,
            input_tokens: metered.counts.input_tokens,
            made_bytes: metered.text_bytes,
            output_tokens: metered.counts.output_tokens,
            hidden_tokens: metered.counts.reasoning_tokens,
            opened: if pupil.is_open { opened(&metered.counts) } else { 0 },
        };
        self.app.lessons.note(&pupil.caller, &self.model, &lesson);
    }

    /// Whether an answer lacks the usage that it has elsewhere. Of one in one piece the end did
    /// not come, where usage is; or somebody has left it out. A stream that is cut has shown
    /// what it made, but one that came whole and tells no usage, where each of its pieces would,
    /// need not have shown all.
    fn lacks_usage(&self, outcome: Outcome) -> bool {
        let makes = self.permit.demand().output_tokens > 0;
        let is_left_out = |metered: Metered| metered.is_estimated() && self.tells_usage && makes;
        match outcome {
            Outcome::Plain(metered) => {
                metered.is_estimated() && metered.ending == Ending::Cut || is_left_out(metered)
            }
            Outcome::Stream(metered) => metered.ending == Ending::Complete && is_left_out(metered),
            _ => false,
        }
    }

    /// The input of an answer that did not tell all of its usage. Where it told nothing, that is
    /// the less of two estimates, or what such requests usually read if it may have read more
    /// than was sent.
    fn estimated_input(&self, metered: Metered) -> u64 {
        let (reserved, told) = (self.permit.demand().input_tokens, metered.counts.input_tokens);
        let is_begun = metered.basis == Basis::Begun;
        let Some(pupil) = self.pupil.as_ref().filter(|pupil| pupil.is_open) else {
            return if is_begun { told } else { told.min(reserved) };
        };
        let (model, caller) = (self.model.as_str(), pupil.caller.as_str());
        let usual = self.app.lessons.ask(model, |learned| learned.opened(caller, model, HALF));
        match usual {
            Some(usual) if is_begun => told.max(usual.min(reserved)),
            Some(usual) => told.max(usual).min(reserved),
            None if is_begun => told,
            None => reserved,
        }
    }

    /// What answers of its model usually make; what is reserved where nobody knows.
    fn usual_output(&self) -> u64 {
        let (reserved, model) = (self.permit.demand().output_tokens, self.model.as_str());
        let caller = self.pupil.as_ref().map_or("", |pupil| pupil.caller.as_str());
        let usual = self.app.lessons.ask(model, |learned| learned.output(caller, model, HALF));
        usual.map_or(reserved, |usual| usual.min(reserved))
    }

    /// What is charged; nothing at all where nothing was sent.
    fn usage(&self, outcome: Outcome) -> Option<Usage> {
        let price = self.rate.price();
        Some(match outcome {
            Outcome::Unsent => return None,
            Outcome::Answered => Amounts::ONE_REQUEST,
            Outcome::Cost(cost) => Amounts { cost, ..Amounts::ONE_REQUEST },
            // What is reserved is the least that is known to be enough.
            outcome if self.lacks_usage(outcome) => *self.permit.demand(),
            Outcome::Plain(metered) | Outcome::Stream(metered) => {
                let mut counts = metered.counts;
                if metered.is_estimated() {
                    counts.input_tokens = self.estimated_input(metered);
                    if self.hides && metered.ending == Ending::Cut {
                        counts.output_tokens = counts.output_tokens.max(self.usual_output());
                    }
                }
                counts.usage(price)
            }
            Outcome::Unknown => *self.permit.demand(),
        })
    }
}

/// What was read, in tokens; of what is heard alone, seconds.
const fn opened(counts: &Counts) -> u64 {
    match counts.input_tokens {
        0 => counts.millis.div_ceil(1000),
        tokens => tokens,
    }
}
