//! What an entry of `[[limits]]` may say.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    forms::{AttributeName, LaterRead, LimitName, ShortOr, Status, Texts, Zone},
    queue::QueueForm,
    warn::Threshold,
};
use crate::{
    Unit,
    policy::{
        Tighten,
        settings::{OnStoreFailure, SyncMode},
        values::{Decimal, Every, Rate, Span},
    },
};

/// One rule: when it applies, per which attributes it is kept, what it counts, how much.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitEntry {
    /// Its name, by which refusals tell it and overlays find it.
    pub(crate) name: LimitName,
    /// False takes it out of the policy.
    #[serde(default = "yes")]
    pub(crate) enabled: bool,
    /// Attributes that a request must bear for it to apply, each with a text or a list of
    /// texts, in which `*` stands for any run of characters; one with `!` before it is left out.
    #[serde(default)]
    pub(crate) when: BTreeMap<AttributeName, Texts>,
    /// Attributes for whose values it is kept apart; none keeps it for all together.
    #[serde(default)]
    pub(crate) per: Vec<AttributeName>,
    /// How many requests: `10/minute` in any minute.
    pub(crate) requests: Option<ShortOr<Rate, Allowance>>,
    /// How many input and output tokens together.
    pub(crate) tokens: Option<ShortOr<Rate, Allowance>>,
    /// How many input tokens.
    pub(crate) input_tokens: Option<ShortOr<Rate, Allowance>>,
    /// How many output tokens.
    pub(crate) output_tokens: Option<ShortOr<Rate, Allowance>>,
    /// How much money: `5/day` in any calendar day, `500/total` in all.
    pub(crate) usd: Option<ShortOr<Rate, Allowance>>,
    /// How many seconds of audio.
    pub(crate) seconds: Option<ShortOr<Rate, Allowance>>,
    /// A bucket that is refilled at a rate and holds a burst.
    pub(crate) bucket: Option<BucketForm>,
    /// How many requests at once, until the end of their answers' bodies.
    pub(crate) concurrency: Option<Decimal>,
    /// How many sessions at once.
    pub(crate) sessions: Option<ShortOr<Decimal, SessionsForm>>,
    /// The time zone of its calendar, like `Europe/Berlin`; UTC if not given.
    pub(crate) timezone: Option<Zone>,
    /// Other amounts for callers of the tiers named here, each written as the amount itself.
    #[serde(default)]
    #[allow(dead_code, reason = "read again as what the limit counts")]
    pub(crate) tiers: BTreeMap<String, LaterRead>,
    /// Counts and reports, but never refuses.
    #[serde(default)]
    pub(crate) shadow: bool,
    /// A budget that never refuses: it counts and warns.
    #[serde(default)]
    pub(crate) soft: bool,
    /// At which shares of a budget to warn, once in each period: 0.8 and 1.0 for a soft one
    /// if not given, never for another.
    pub(crate) warn_at: Option<Vec<Threshold>>,
    /// What `Retry-After` says where no instant can be promised.
    pub(crate) retry_after: Option<Span>,
    /// The status of its refusals.
    pub(crate) status: Option<Status>,
    /// A waiting room before it.
    pub(crate) queue: Option<QueueForm>,
    /// What is left of it when it is dialed down, and what critical work keeps of it in
    /// emergency mode: one if not given, and all of what counts tokens, money or seconds.
    pub(crate) minimum: Option<Decimal>,
    /// How nodes that share it decide: each in the shared store, or by leases.
    #[serde(default)]
    pub(crate) sync: SyncMode,
    /// What decides about it while the shared store is away; as `[store]` says if not given.
    pub(crate) on_store_failure: Option<OnStoreFailure>,
    /// Dials it down while a budget is used faster than its time passes, and while its
    /// providers fail.
    pub(crate) tighten: Option<Tighten>,
}

/// An amount in full.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Allowance {
    /// How much.
    pub(crate) amount: Decimal,
    /// How often.
    pub(crate) per: Every,
    /// Which way it is counted; by default as the short form would be.
    pub(crate) kind: Option<CountedBy>,
    /// How much a bucket holds; by default as much as it is refilled with.
    pub(crate) burst: Option<Decimal>,
}

/// Ways to count an amount over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CountedBy {
    /// In every interval of that length.
    Window,
    /// In each calendar day, week or month, or in all.
    Period,
    /// Refilled evenly.
    Bucket,
}

/// A bucket.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BucketForm {
    /// How much is refilled how often.
    pub(crate) rate: Rate,
    /// How much it holds, to which `burst` comes on top; if not given, `burst` is all.
    pub(crate) tokens: Option<Decimal>,
    /// How much it holds, or holds beside `tokens`; as much as it is refilled with if neither is
    /// given.
    pub(crate) burst: Option<Decimal>,
    /// What it counts.
    #[serde(default = "requests")]
    #[schemars(with = "UnitName")]
    pub(crate) unit: Unit,
}

/// Sessions in full.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionsForm {
    /// How many at once.
    pub(crate) max: Decimal,
    /// How long a session lives without activity; 30 minutes if not given.
    pub(crate) idle: Option<Span>,
}

/// The names of units, for the schema.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code, reason = "describes `Unit`, which has no schema of its own")]
enum UnitName {
    Requests,
    Tokens,
    InputTokens,
    OutputTokens,
    Usd,
    Seconds,
}

const fn yes() -> bool {
    true
}

const fn requests() -> Unit {
    Unit::Requests
}
