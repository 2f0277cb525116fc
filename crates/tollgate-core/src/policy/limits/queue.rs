//! `queue = { … }`: what a limit says about those who wait for it.

use std::{borrow::Cow, collections::BTreeMap, num::NonZeroU32, str::FromStr, time::Duration};

use compact_str::CompactString;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::forms::AttributeName;
use crate::{
    Attribute,
    policy::{
        Measure, Queue,
        values::{Span, from_text},
    },
    queue::{self, MAX_SIZE, Priority, Rules},
};

/// A waiting room: what would be refused waits for its turn instead.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QueueForm {
    /// How many may wait for each account of the limit, at most 100000; nobody with 0.
    #[schemars(range(max = 100_000))]
    pub(crate) size: usize,
    /// How many of them may be of one tenant; all if not given.
    pub(crate) per_tenant: Option<NonZeroU32>,
    /// How long each may wait, 30 seconds if not given; before sessions, how long a ticket is
    /// kept, 30 minutes if not given.
    pub(crate) timeout: Option<Span>,
    /// What happens when it is full.
    #[serde(default)]
    pub(crate) overflow: Overflow,
    /// After how long unserved a priority counts as one level more urgent, never with `0s`;
    /// a third of the timeout if not given.
    pub(crate) ageing: Option<Span>,
    /// The priority from which requests go before all others, however long those waited:
    /// critical, high, normal, low, or a number from 0, the most urgent, to 9.
    pub(crate) bypass: Option<Urgency>,
    /// The attribute that tells apart whom it treats alike; `user` if not given.
    pub(crate) tenant: Option<AttributeName>,
    /// Greater shares for the tenants of the tiers named here; all others have a share of 1.
    #[serde(default)]
    pub(crate) weights: BTreeMap<String, NonZeroU32>,
    /// The status of a request whose time is up: 408, or 503.
    #[serde(default)]
    pub(crate) status: TimeoutStatus,
    /// Before sessions, how long a place is kept for a ticket whose turn it is; 60 seconds if
    /// not given.
    pub(crate) claim: Option<Span>,
}

/// What happens when a waiting room is full.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Overflow {
    /// The one who comes is refused.
    #[default]
    DropNewest,
    /// The one who has waited the longest is refused.
    DropOldest,
    /// The one who comes waits for a place.
    Block,
}

/// A priority, as it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Urgency(Priority);

/// The status of a request that has waited for too long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeoutStatus(u16);

/// What is wrong with a waiting room: the key, and why.
pub(super) type Wrong = (&'static str, String);

const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a ticket for a session is kept: as long as a session lives unused.
const TICKET_TIMEOUT: Duration = Duration::from_secs(30 * 60);

const CLAIM: Duration = Duration::from_secs(60);

/// With the usual timeout, the usual priority is the most urgent just before time is up.
const AGEINGS_PER_TIMEOUT: u32 = 3;

impl QueueForm {
    /// The waiting room; none if nobody may wait.
    ///
    /// # Errors
    /// The key whose value makes no sense, and why.
    pub(super) fn queue(self, measure: &Measure) -> Result<Option<Queue>, Wrong> {
        let tickets = matches!(measure, Measure::Sessions { .. });
        if self.claim.is_some() && !tickets {
            let why = "only tickets for sessions are claimed: leave it out";
            return Err(("claim", why.to_owned()));
        }
        if self.size > MAX_SIZE {
            return Err(("size", format!("at most {MAX_SIZE} may wait, not {}", self.size)));
        }
        let usual = if tickets { TICKET_TIMEOUT } else { TIMEOUT };
        let timeout = lasting("timeout", self.timeout, usual)?;
        let claim = lasting("claim", self.claim, CLAIM)?;
        let rules = Rules {
            size: self.size,
            per_tenant: self.per_tenant.map(|most| usize::try_from(most.get()).unwrap_or(MAX_SIZE)),
            timeout,
            overflow: self.overflow.into(),
            bypass: self.bypass.map(|Urgency(priority)| priority),
            ageing: self.ageing.map_or(timeout / AGEINGS_PER_TIMEOUT, |Span(ageing)| ageing),
        };
        let weights =
            self.weights.into_iter().map(|(tier, share)| (CompactString::from(tier), share));
        let queue = Queue {
            rules,
            tenant: self.tenant.map_or(Attribute::User, |name| Attribute::named(&name.0)),
            weights: weights.collect(),
            timeout_status: self.status.0,
            claim,
            for_holds: false,
        };
        Ok((rules.size > 0).then_some(queue))
    }
}

/// A length of time that is not over at once.
fn lasting(key: &'static str, given: Option<Span>, usual: Duration) -> Result<Duration, Wrong> {
    match given {
        Some(Span(given)) if given.is_zero() => {
            Err((key, "it would be over at once: write a time above 0".to_owned()))
        }
        Some(Span(given)) => Ok(given),
        None => Ok(usual),
    }
}

impl From<Overflow> for queue::Overflow {
    fn from(overflow: Overflow) -> Self {
        match overflow {
            Overflow::DropNewest => Self::DropNewest,
            Overflow::DropOldest => Self::DropOldest,
            Overflow::Block => Self::Block,
        }
    }
}

impl FromStr for Urgency {
    type Err = queue::ParsePriorityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl<'de> Deserialize<'de> for Urgency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, "a priority like \"high\", or a number from 0 to 9")
    }
}

impl JsonSchema for Urgency {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Urgency".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 0, "maximum": Priority::LEAST.level() },
                { "type": "string", "pattern": "^(critical|high|normal|low|CRITICAL|HIGH|NORMAL|LOW|[0-9])$" },
            ],
        })
    }
}

impl Default for TimeoutStatus {
    fn default() -> Self {
        Self(408)
    }
}

impl<'de> Deserialize<'de> for TimeoutStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u16::deserialize(deserializer)? {
            status @ (408 | 503) => Ok(Self(status)),
            other => Err(de::Error::custom(format!(
                "a request whose time is up is answered 408 or 503, not {other}"
            ))),
        }
    }
}

impl JsonSchema for TimeoutStatus {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TimeoutStatus".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": [408, 503] })
    }
}
