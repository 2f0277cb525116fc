//! What a request reserves: enough that it never costs more, and little enough that others
//! are not refused for what nobody will use.
//!
//! Input is counted by the model's vocabulary, or reserved by its bytes as densely as text
//! was of late. Output is reserved by what the caller's answers of that model were like: a
//! stream begins with a slice and asks for more as it comes (see [`super::slices`]); what
//! cannot be metered while it is made reserves the most that it may be.

use compact_str::CompactString;
use tollgate::{Cause, Refused};
use tollgate_core::{
    Amounts, Attribute, Attributes, Demand, NanoUsd, Unit, policy::settings::Plain,
};
use tollgate_meter::{Calls, Gauge, Learned, Price, Scan, Tokenizer};

use super::{
    aside::aside,
    dialect::Request,
    exchange::Exchange,
    open::{self, Open, Spare},
    room,
};
use crate::{lessons::Lessons, refusal::Failure};

/// What one request reserves.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// Input tokens that the body has, at most or nearly so.
    pub(super) input: u64,
    /// What the provider may read or hear beside it.
    pub(super) spare: Spare,
    /// Whether that may become less where a limit could never give it.
    pub(super) may_narrow: bool,
    /// Output tokens to begin with.
    pub(super) output: u64,
    /// Audio, in milliseconds: the most that it may be, or what is likely where nobody knows.
    pub(super) millis: u64,
    /// What of it is enough to begin with, where a live session asks for more as it goes.
    pub(super) least_millis: Option<u64>,
    /// Calls of the provider's own tools, those that are charged by the call.
    pub(super) calls: Calls,
    /// The most that the model can make, as far as it is known.
    pub(super) most: Option<u64>,
    /// How the text that comes is counted.
    pub(super) gauge: Gauge,
    pub(super) how: How,
    /// To whom what is learned of the answer belongs.
    pub(super) pupil: Option<Pupil>,
}

/// How a request is held to what it reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It asks for no more: it cannot use more, or what it uses cannot be seen in time.
    Whole,
    /// It asks for more; where not even the first slice fits, it begins with this.
    Slices { least: u64 },
    /// Its own maximum is lowered to what fits, for each choice.
    Clamp { choices: u64, to: Option<u64> },
}

/// Of whom the answer to a request teaches something.
#[derive(Debug, Clone)]
pub(super) struct Pupil {
    pub(super) caller: CompactString,
    /// Bytes of text that are sent; 0 where they teach nothing.
    pub(super) sent_bytes: u64,
    /// Whether its provider may have read or heard more than was sent.
    pub(super) is_open: bool,
}

/// What is reserved for the output of a request that names no maximum, where the model is
/// not known to make less.
pub(super) const ASSUMED_OUTPUT_TOKENS: u64 = 4_096;

/// The first slice of a stream of which nothing is known, as a part of the most it may be.
const UNKNOWN_SLICE: u64 = 8;

/// No slice is smaller, unless the request cannot make as much.
pub(super) const MIN_SLICE: u64 = 16;

/// The first slice of a live session is no smaller than this part of what it asks for.
const FIRST_PARTS: u64 = 10;

/// Bodies of more bytes are counted aside from the workers that others wait for, and so is
/// what a vocabulary is made for.
const LONG_TEXT_BYTES: usize = 32 * 1024;

/// Half of all answers are longer than what a stream begins with at least.
pub(super) const HALF: f64 = 0.5;

/// What plans are made of, beside what was learned.
#[derive(Debug)]
pub(super) struct Basis {
    scan: Scan,
    /// Of the model's vocabulary, by which the scan was counted.
    tokenizer: Option<Tokenizer>,
    caller: CompactString,
    most: Option<u64>,
    open: Option<Open>,
    /// Whether it is a live session.
    is_live: bool,
    /// The share of answers that fit in a first slice.
    share: f64,
    /// What becomes of an answer in one piece.
    plain: Plain,
}

/// What one request reserves, and what that is made anew of where it may become another plan.
/// Where nobody counts money or tokens, it is the plainest bound.
///
/// # Errors
/// When the process ends while it counts.
pub(super) async fn plan(
    exchange: &Exchange,
    mut request: Request,
    body: &bytes::Bytes,
    (price, is_live): (Option<&Price>, bool),
) -> Result<(Request, (Plan, Option<Basis>)), Failure> {
    let most = most(request.scan(), price);
    if !exchange.live.counts_use && exchange.who.grants().is_empty() {
        let plan = Plan::plainest(request.scan(), most);
        return Ok((request, (plan, None)));
    }
    // What the simulated model calls a token is its own.
    let known = !exchange.provider.is_sandbox();
    let tokenizer = known.then(|| Tokenizer::of_model(&request.scan().model)).flatten();
    if let Some(tokenizer) = tokenizer {
        request = counted(request, body, tokenizer).await?;
    }
    let settings = &exchange.live.settings.estimates;
    let basis = Basis {
        scan: request.scan().clone(),
        tokenizer,
        caller: caller(exchange),
        most,
        open: Open::of(request.scan(), settings.open_input, price),
        is_live,
        share: settings.first_slice.value(),
        plain: if request.is_clampable() { settings.plain } else { Plain::Bound },
    };
    let plan = basis.plan(&exchange.app.lessons);
    // What was counted is not learned, so it stays as it is.
    let may_change = tokenizer.is_none() || basis.open.is_some();
    Ok((request, (plan, may_change.then_some(basis))))
}

impl Basis {
    /// What is reserved by what is known now.
    pub(super) fn plan(&self, lessons: &Lessons) -> Plan {
        let Self { scan, tokenizer, caller, most, open, is_live, share, plain } = self;
        let sent = scan.input;
        lessons.ask(&scan.model, |learned| {
            let input = match tokenizer {
                Some(_) => sent.bound,
                None => {
                    let text = learned.input(&scan.model, sent.text_bytes());
                    text.map_or(sent.bound, |text| text.saturating_add(sent.fixed))
                }
            };
            let gauge = match (tokenizer, learned.made_density(&scan.model)) {
                (Some(tokenizer), _) => Gauge::Vocabulary(*tokenizer),
                (None, Some(density)) => Gauge::Density(density),
                (None, None) => Gauge::Bytes,
            };
            let (output, how) = output(learned, caller, scan, (*most, *share), *plain);
            let of_model = |open: &Open| open.spare(input, learned, caller, &scan.model);
            let spare = open.as_ref().map(of_model).unwrap_or_default();
            let is_heard = open.is_some_and(Open::is_heard);
            let teaches = tokenizer.is_none() && sent.fixed == 0 && !sent.is_open;
            let sent_bytes = if teaches { sent.bound } else { 0 };
            let pupil = Pupil { caller: caller.clone(), sent_bytes, is_open: open.is_some() };
            Plan {
                input,
                spare,
                may_narrow: !spare.is_none() && open.is_some_and(Open::may_narrow),
                output,
                millis: if is_heard { 0 } else { millis(scan) },
                least_millis: is_live.then(|| millis(scan) / FIRST_PARTS),
                calls: scan.tools.allowed(),
                most: *most,
                gauge,
                how,
                pupil: Some(pupil),
            }
        })
    }
}

/// What is reserved for output, and how the request is held to it.
fn output(
    learned: &Learned,
    caller: &str,
    scan: &Scan,
    (most, share): (Option<u64>, f64),
    plain: Plain,
) -> (u64, How) {
    // Nobody speaks faster than anybody can write it down.
    let spoken = scan.audio.and_then(|audio| audio.spoken_tokens());
    let whole = most.into_iter().chain(spoken).min().unwrap_or_else(|| assumed(scan));
    if whole == 0 {
        return (0, How::Whole);
    }
    if !scan.stream {
        let how = match plain {
            Plain::Bound => How::Whole,
            Plain::Clamp => How::Clamp { choices: scan.choices.max(1), to: None },
        };
        return (whole, how);
    }
    if scan.thinks || learned.hides(&scan.model) {
        return (whole, How::Whole);
    }
    let usual = |share| learned.output(caller, &scan.model, share);
    let slice = usual(share).unwrap_or(whole / UNKNOWN_SLICE).max(MIN_SLICE);
    let least = usual(HALF).unwrap_or(slice / 4).clamp(MIN_SLICE, slice);
    let bound = most.unwrap_or(u64::MAX);
    (slice.min(bound), How::Slices { least: least.min(bound) })
}

/// The most tokens that the model can make, as far as it is known.
fn most(scan: &Scan, price: Option<&Price>) -> Option<u64> {
    let of_model = price.and_then(|price| price.max_output_tokens);
    scan.output_bound().or_else(|| Some(of_model?.saturating_mul(scan.choices)))
}

fn assumed(scan: &Scan) -> u64 {
    ASSUMED_OUTPUT_TOKENS.saturating_mul(scan.choices)
}

/// To whom what is learned belongs: the key if there is one, else the user.
fn caller(exchange: &Exchange) -> CompactString {
    let who = &exchange.who;
    let named = who.value(&Attribute::Key).or_else(|| who.value(&Attribute::User));
    named.unwrap_or_default().into()
}

/// The request, with what it sends counted by the model's vocabulary.
async fn counted(
    mut request: Request,
    body: &bytes::Bytes,
    tokenizer: Tokenizer,
) -> Result<Request, Failure> {
    if body.len() <= LONG_TEXT_BYTES && tokenizer.is_ready() {
        request.count_input(body, tokenizer);
        return Ok(request);
    }
    let body = body.clone();
    aside(move || {
        request.count_input(&body, tokenizer);
        request
    })
    .await
}

/// Audio that is reserved.
fn millis(scan: &Scan) -> u64 {
    scan.audio.map_or(0, |audio| audio.bound_millis.unwrap_or(audio.likely_millis))
}

impl Plan {
    /// The bound of a request, as it was scanned.
    fn plainest(scan: &Scan, most: Option<u64>) -> Self {
        Self {
            input: scan.input.bound,
            spare: Spare::default(),
            may_narrow: false,
            output: most.unwrap_or_else(|| assumed(scan)),
            millis: millis(scan),
            least_millis: None,
            calls: scan.tools.allowed(),
            most,
            gauge: Gauge::Bytes,
            how: How::Whole,
            pupil: None,
        }
    }

    /// Input tokens, those included that the provider may read beside the body.
    pub(super) const fn read(&self) -> u64 {
        self.input.saturating_add(self.spare.tokens)
    }

    /// As an amount of everything.
    pub(super) fn demand(&self, price: Option<&Price>) -> Demand {
        let millis = self.millis.saturating_add(self.spare.millis);
        let NanoUsd(used) = room::cost(price, self.read(), self.output, millis);
        Amounts {
            requests: 1,
            input_tokens: self.read(),
            output_tokens: self.output,
            cost: NanoUsd(used.saturating_add(self.fees(price).0)),
            millis,
        }
    }

    /// What it costs by itself, and its calls of the provider's own tools at most.
    fn fees(&self, price: Option<&Price>) -> NanoUsd {
        let all = |price: &Price| price.fees.held(&self.calls).0.saturating_add(price.request);
        NanoUsd(price.map_or(0, all))
    }

    /// Makes it fit what is left where it was refused, if there is a smaller way to begin.
    pub(super) fn shrink(
        &mut self,
        refused: &Refused,
        (price, who): (Option<&Price>, &Attributes),
    ) -> bool {
        let is_of_use = refused.limit().is_some_and(|limit| limit.unit != Unit::Requests);
        if !is_of_use || !matches!(refused.cause, Cause::Limit | Cause::Reserved) {
            return false;
        }
        if self.may_narrow
            && let Some(spare) = open::narrowed(refused, self, (price, who))
        {
            (self.spare, self.may_narrow) = (spare, false);
            return true;
        }
        if let Some(least) = self.least_millis {
            let millis = room::of_audio(refused, self.millis, price);
            if (least..self.millis).contains(&millis) {
                self.millis = millis;
                return true;
            }
        }
        let (read, fees) = (self.read(), self.fees(price));
        match &mut self.how {
            How::Slices { least } if *least < self.output => {
                self.output = *least;
                true
            }
            How::Clamp { choices, to: to @ None } => {
                let room = room::of_output(refused, read, self.output, (price, fees));
                let each = room / *choices;
                *to = (each >= MIN_SLICE).then_some(each);
                self.output = each.saturating_mul(*choices);
                to.is_some()
            }
            _ => false,
        }
    }

    /// Gives its place to a plan that was made anew; what was made to fit begins as small.
    pub(super) fn renew(&mut self, fresh: Self) {
        let before = std::mem::replace(self, fresh);
        if !before.may_narrow {
            (self.spare, self.may_narrow) = (self.spare.at_most(before.spare), false);
        }
        if self.least_millis.is_some() {
            self.millis = self.millis.min(before.millis);
        }
        match (before.how, self.how) {
            (How::Slices { least }, How::Slices { least: smaller }) if before.output <= least => {
                self.output = smaller;
            }
            (How::Clamp { to: Some(_), .. }, How::Clamp { .. }) => {
                (self.output, self.how) = (before.output, before.how);
            }
            _ => {}
        }
    }

    /// The maximum that each choice is lowered to, if it is.
    pub(super) const fn clamped(&self) -> Option<u64> {
        match self.how {
            How::Clamp { to, .. } => to,
            How::Whole | How::Slices { .. } => None,
        }
    }
}
