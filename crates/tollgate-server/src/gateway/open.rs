//! Open input: what is held for a request whose provider reads more than its body has.
//!
//! A conversation that the provider has kept, a file of its own, a link, what a tool of its
//! own finds: none is in the body, and all is charged. Where tokens or money are counted, such
//! a request holds beside its body what its model may read at most, or what those before it
//! let expect, so that it passes no limit; what is not read comes back at its end.
//!
//! A limit smaller than that would refuse it for ever. Where the policy relies on what is
//! likely, such a limit gives half of what it has left: so it is passed by the surprise of one
//! request rather than of many at once, and there is something left to answer with.

use std::fmt;

use tollgate::Refused;
use tollgate_core::{Attributes, Unit, policy::settings::OpenInput};
use tollgate_meter::{Learned, Price, Scan, ScanError};

use super::{estimate::Plan, exchange::Exchange, provider::is_counted, room::most_that};

/// What a model is taken to read at most where nobody knows: hardly any reads more.
const ASSUMED_INPUT_TOKENS: u64 = 2_000_000;

/// What is taken for the longest audio that a provider fetches: half a day.
const ASSUMED_SECONDS: u64 = 12 * 60 * 60;

/// What is held at least, unless that is more than half of a limit: a page or two, a minute.
const LEAST_SPARE: Spare = Spare { tokens: 1_000, millis: 60_000 };

/// How open input is held.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open {
    how: OpenInput,
    /// The most that the model reads in tokens, or hears in seconds.
    most: u64,
    /// What is likely of audio, in seconds, where that is what is open.
    heard: Option<u64>,
}

/// What is held beside what the body has: tokens or audio.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Spare {
    pub(super) tokens: u64,
    pub(super) millis: u64,
}

impl Open {
    /// How that of a request is held; nothing where its body has it all.
    pub(super) fn of(scan: &Scan, how: OpenInput, price: Option<&Price>) -> Option<Self> {
        if scan.input.is_open {
            let most = price.and_then(Price::input_bound).unwrap_or(ASSUMED_INPUT_TOKENS);
            return Some(Self { how, most, heard: None });
        }
        let audio = scan.audio.filter(|audio| audio.bound_millis.is_none())?;
        let likely = audio.likely_millis.div_ceil(1000);
        Some(Self { how, most: ASSUMED_SECONDS.max(likely), heard: Some(likely) })
    }

    /// What is held beside so many tokens that the body has.
    pub(super) fn spare(self, sent: u64, learned: &Learned, caller: &str, model: &str) -> Spare {
        let known = match self.how {
            OpenInput::Learned => learned.open_bound(caller, model),
            OpenInput::Maximum => None,
            OpenInput::Bytes | OpenInput::Refuse => Some(self.heard.unwrap_or(0)),
        };
        let sent = if self.heard.is_some() { 0 } else { sent };
        let all = known.map_or(self.most, |known| sent.saturating_add(known).min(self.most));
        let spare = all.saturating_sub(sent);
        match self.heard {
            Some(_) => Spare { millis: spare.saturating_mul(1000), ..Spare::default() },
            None => Spare { tokens: spare, ..Spare::default() },
        }
    }

    /// Whether audio is what is open.
    pub(super) const fn is_heard(self) -> bool {
        self.heard.is_some()
    }

    /// Whether a limit that could never give all of it gives a part.
    pub(super) fn may_narrow(self) -> bool {
        self.how == OpenInput::Learned
    }
}

impl Spare {
    pub(super) fn is_none(self) -> bool {
        self == Self::default()
    }

    /// What of it is no more than that.
    #[must_use]
    pub(super) fn at_most(self, other: Self) -> Self {
        Self { tokens: self.tokens.min(other.tokens), millis: self.millis.min(other.millis) }
    }

    /// One of the two is 0, so this is the other.
    const fn size(self) -> u64 {
        self.tokens.saturating_add(self.millis)
    }

    /// The larger of two.
    fn or(self, other: Self) -> Self {
        Self { tokens: self.tokens.max(other.tokens), millis: self.millis.max(other.millis) }
    }
}

impl fmt::Display for Spare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { tokens: 0, millis } => write!(f, "{} seconds", millis / 1000),
            Self { tokens, .. } => write!(f, "{tokens} tokens"),
        }
    }
}

/// Refuses what is counted and cannot be held as the policy wants.
///
/// # Errors
/// Where it is open and the policy refuses that, or wants a maximum and there is none: of
/// audio that the provider fetches itself.
pub(super) fn check(exchange: &Exchange, scan: &Scan) -> Result<(), ScanError> {
    const UNITS: [Unit; 4] = [Unit::Usd, Unit::Tokens, Unit::InputTokens, Unit::Seconds];
    let is_refused = match exchange.live.settings.estimates.open_input {
        OpenInput::Learned | OpenInput::Bytes => false,
        OpenInput::Maximum => scan.is_open() && !scan.input.is_open,
        OpenInput::Refuse => scan.is_open(),
    };
    if is_refused && is_counted(exchange, &UNITS) { Err(ScanError::Open) } else { Ok(()) }
}

/// What is held where limits stand in the way that could never give all of it: half of what
/// each has left beside the rest of the plan. Nothing where there is no such limit.
pub(super) fn narrowed(
    refused: &Refused,
    plan: &Plan,
    (price, who): (Option<&Price>, &Attributes),
) -> Option<Spare> {
    let with = |spare| Plan { spare, ..plan.clone() }.demand(price);
    let (rest, all) = (with(Spare::default()), with(plan.spare));
    let part = |size| plan.spare.at_most(Spare { tokens: size, millis: size });
    let mut narrowest: Option<Spare> = None;
    for standing in &refused.refusal.standings {
        let limit = refused.policy.limit(standing.limit).filter(|limit| limit.refuses());
        let Some(unit) = limit.map(|limit| limit.unit) else { continue };
        // What a dial has lowered gives all of it when that opens.
        let dialed = who.grants().dialed(standing.limit);
        let cap = dialed.map_or(standing.cap, |dialed| dialed.cap);
        if all.of(unit) <= cap || rest.of(unit) == all.of(unit) {
            continue;
        }
        let half_of = |left: u64| {
            let beside = rest.of(unit).saturating_add(left.saturating_sub(rest.of(unit)) / 2);
            part(most_that(|size| with(part(size)).of(unit) <= beside, plan.spare.size()))
        };
        let fitting = half_of(standing.remaining).or(half_of(standing.cap).at_most(LEAST_SPARE));
        narrowest = Some(narrowest.map_or(fitting, |least| least.at_most(fitting)));
    }
    narrowest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tollgate_meter::{Input, Lesson, PaidTools, PriceTable};

    use super::*;

    fn open(how: OpenInput, most: u64) -> Open {
        let input = Input { bound: 10, likely: 5, fixed: 0, is_open: true };
        let price = Price { max_input_tokens: Some(most), ..Price::of_tokens(1, 1) };
        let scan = Scan {
            model: "m".to_owned(),
            stream: false,
            input,
            max_output_tokens: None,
            choices: 1,
            audio: None,
            dearer: None,
            thinks: false,
            tools: PaidTools::default(),
        };
        let closed = Scan { input: Input { is_open: false, ..input }, ..scan.clone() };
        assert!(Open::of(&closed, how, Some(&price)).is_none(), "its body has it all");
        Open::of(&scan, how, Some(&price)).expect("it is open")
    }

    proptest! {
        #[test]
        fn what_is_held_is_no_less_than_such_requests_read_and_no_more_than_the_model_can(
            read in prop::collection::vec(1_u64..1 << 20, 0..60),
            sent in 0_u64..10_000,
            most in 10_000_u64..1 << 20,
        ) {
            let mut learned = Learned::default();
            for input_tokens in read.iter().map(|tokens| (*tokens).min(most)) {
                let lesson = Lesson { opened: input_tokens, ..Lesson::default() };
                learned.note("ann", "m", &lesson);
                let held =
                    |how| sent + open(how, most).spare(sent, &learned, "ann", "m").tokens;
                prop_assert_eq!(held(OpenInput::Maximum), most);
                prop_assert!((input_tokens..=most).contains(&held(OpenInput::Learned)));
                prop_assert_eq!(held(OpenInput::Bytes), sent);
            }
            if read.len() < 8 {
                let spare = open(OpenInput::Learned, most).spare(sent, &learned, "ann", "m");
                prop_assert_eq!(sent + spare.tokens, most, "nobody knows yet");
            }
        }
    }

    #[test]
    fn a_model_whose_maximum_is_in_doubt_is_taken_to_read_as_much_as_any() {
        let tiered = PriceTable::builtin().price("", "claude-sonnet-4-5-20250929-v1:0");
        let listed = tiered.expect("a price");
        assert!(listed.max_input_tokens.is_some_and(|most| most < ASSUMED_INPUT_TOKENS));
        assert_eq!(listed.input_bound(), None, "it has prices for more");
        let plain = PriceTable::builtin().price("", "claude-opus-4-5").expect("a price");
        assert_eq!(plain.input_bound(), Some(200_000));
    }
}
