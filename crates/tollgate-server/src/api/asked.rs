//! What permits are asked for: who, for what, and how much of it.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, Hash},
    time::Duration,
};

use foldhash::fast::FixedState;
use serde::{Deserialize, Deserializer, de};
use tollgate::Patience;
use tollgate_core::{Attribute, Attributes, Demand, NanoUsd, Now, Unit};
use uuid::Uuid;

use super::{
    Problem,
    input::{Count, Dollars, Millis},
};
use crate::{
    live::Live,
    prices::{Rate, counts},
};

/// What a permit is asked for.
#[derive(Debug, Clone, Default, Deserialize, Hash, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// Chosen by the caller, so that an answer that was lost can be asked for again.
    pub(super) id: Option<Uuid>,
    user: Option<Name>,
    session: Option<Name>,
    team: Option<Name>,
    customer: Option<Name>,
    tag: Option<Name>,
    tier: Option<Name>,
    provider: Option<Name>,
    model: Option<Name>,
    task: Option<Name>,
    priority: Option<Name>,
    /// The piece of work that it is for; `job_id` means the same.
    #[serde(alias = "job_id")]
    job: Option<Name>,
    /// Attributes of the operator's own, by name.
    #[serde(default)]
    attributes: BTreeMap<Name, Name>,
    /// What it expects to use at most; one request if not given.
    demand: Option<Amount>,
    /// How long it waits for its turn at most, where a limit has a queue; as long as the
    /// policy lets it if not given.
    wait_ms: Option<Count>,
}

/// How much is asked for, or more of it.
#[derive(Debug, Clone, Copy, Default, Deserialize, Hash, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Amount {
    requests: Option<Count>,
    input_tokens: Option<Count>,
    output_tokens: Option<Count>,
    usd: Option<Dollars>,
    seconds: Option<Millis>,
}

/// The name or the value of an attribute: 1 to 256 bytes without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, utoipa::ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 256)]
pub(super) struct Name(pub(super) String);

/// The longest name or value, in bytes.
pub(super) const MAX_NAME: usize = 256;

/// Attributes of the operator's own.
const MAX_ATTRIBUTES: usize = 32;

impl Asked {
    /// Tells apart what is asked for under one id.
    pub(super) fn fingerprint(&self) -> u64 {
        FixedState::default().hash_one(self)
    }

    /// How long it is ready to wait.
    pub(super) fn patience(&self) -> Patience {
        let most = self.wait_ms.map(|Count(millis)| Duration::from_millis(millis));
        Patience::POLICY.and(most)
    }

    /// Who asks for what.
    ///
    /// # Errors
    /// When an attribute is given twice, or there are too many.
    pub(super) fn attributes(&self) -> Result<Attributes, Problem> {
        if self.attributes.len() > MAX_ATTRIBUTES {
            return Err(Problem::invalid(format!(
                "`attributes` has {} members, at most {MAX_ATTRIBUTES} are kept.",
                self.attributes.len()
            )));
        }
        let named = [
            (Attribute::User, &self.user),
            (Attribute::Session, &self.session),
            (Attribute::Team, &self.team),
            (Attribute::Customer, &self.customer),
            (Attribute::Tag, &self.tag),
            (Attribute::Tier, &self.tier),
            (Attribute::Provider, &self.provider),
            (Attribute::Model, &self.model),
            (Attribute::Task, &self.task),
            (Attribute::Priority, &self.priority),
            (Attribute::named("job"), &self.job),
        ];
        let mut attributes = Attributes::new();
        for (name, value) in &self.attributes {
            attributes.set(Attribute::named(&name.0), value.0.as_str());
        }
        for (attribute, value) in named {
            let Some(Name(value)) = value else { continue };
            if attributes.value(&attribute).is_some() {
                return Err(Problem::invalid(format!(
                    "`{0}` is given twice, as a member and in `attributes`: leave one out.",
                    attribute.name()
                )));
            }
            attributes.set(attribute, value.as_str());
        }
        Ok(attributes)
    }

    /// What it demands: one request unless it says otherwise, and what its tokens cost
    /// where it does not say so itself.
    pub(super) fn demand(&self, rate: Option<&Rate>) -> Demand {
        let asked = self.demand.unwrap_or_default();
        let requests = asked.requests.map_or(1, |Count(n)| n);
        let demand = asked.demand(rate);
        if asked.usd.is_some() {
            return Demand { requests, ..demand };
        }
        let each = rate.and_then(Rate::price).map_or(0, |price| price.request);
        let NanoUsd(used) = demand.cost;
        Demand {
            requests,
            cost: NanoUsd(used.saturating_add(each.saturating_mul(requests))),
            ..demand
        }
    }

    /// The price of the model that is asked for; nothing where none is named or the cost is
    /// given.
    ///
    /// # Errors
    /// When the model has no price and the policy lets none pass.
    pub(super) fn rate(
        &self,
        live: &Live,
        who: &Attributes,
        now: Now,
    ) -> Result<Option<Rate>, Problem> {
        let Some(model) = who.value(&Attribute::Model) else { return Ok(None) };
        let provider = who.value(&Attribute::Provider).unwrap_or_default();
        let its = live.providers.named(provider).map(AsRef::as_ref);
        let known = live.prices.known(provider, its, model);
        if known.is_some() || self.demand.is_some_and(|demand| demand.usd.is_some()) {
            return Ok(known);
        }
        let is_budgeted = || counts(&live.policy, who, now, &[Unit::Usd]);
        live.prices.unpriced(is_budgeted).map(Some).ok_or_else(|| {
            Problem::unpriced(format!(
                "The model `{model}` has no price, so its cost can't be counted: give `demand.usd`, or a price in `[prices.models]` of the policy."
            ))
        })
    }
}

impl Amount {
    /// How much it is; no request unless it says so.
    pub(super) fn demand(&self, rate: Option<&Rate>) -> Demand {
        let [requests, input_tokens, output_tokens] =
            [self.requests, self.input_tokens, self.output_tokens]
                .map(|count| count.map_or(0, |Count(n)| n));
        let priced = || rate.and_then(Rate::price).map(|p| p.ceiling(input_tokens, output_tokens));
        let cost = self.usd.map_or_else(|| priced().unwrap_or(NanoUsd(0)), |Dollars(usd)| usd);
        let millis = self.seconds.map_or(0, |Millis(millis)| millis);
        Demand { requests, input_tokens, output_tokens, cost, millis }
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl Name {
    /// # Errors
    /// With a sentence, when it is empty, too long or has control characters.
    pub(super) fn parse(text: String) -> Result<Self, String> {
        match text.len() {
            0 => Err("it is empty: leave it out where it is not known".to_owned()),
            1..=MAX_NAME if text.chars().any(char::is_control) => {
                Err("it has control characters".to_owned())
            }
            1..=MAX_NAME => Ok(Self(text)),
            long => Err(format!("it has {long} bytes, at most {MAX_NAME} are kept")),
        }
    }
}
