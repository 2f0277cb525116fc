//! What a request's model costs here: the operator's prices first, then the built-in table.

use std::{collections::HashMap, num::NonZeroU64, sync::Arc};

use foldhash::fast::RandomState;
use tollgate_core::{
    Attribute, Attributes, Demand, Now, Policy, ReservationId, Time, Unit,
    policy::{
        Pattern,
        settings::{self, ModelPrice, PricePerCall, PricePerMillion, PricePerMinute, Unpriced},
    },
};
use tollgate_meter::{Fees, PaidTools, Price, PriceTable, Tool};

use crate::providers::Provider;

/// What models cost under a policy.
#[derive(Debug)]
pub(crate) struct Prices {
    own: HashMap<String, Arc<Price>, RandomState>,
    unpriced: Unpriced,
    assumed: Option<Arc<Price>>,
}

/// The price of one request.
#[derive(Debug, Clone)]
pub(crate) enum Rate {
    /// From the built-in table.
    Listed(&'static Price),
    /// From the policy.
    Own(Arc<Price>),
    /// It costs nothing, or nobody knows what and nobody counts it.
    Free,
}

impl Prices {
    pub(crate) fn new(settings: &settings::Prices) -> Self {
        let own =
            settings.models.iter().map(|(name, its)| (name.clone(), Arc::new(price(name, its))));
        let assumed = match &settings.unpriced {
            Unpriced::Assume(its) => {
                let fees = fees(|tool| match tool {
                    Tool::Search => its.search,
                    Tool::FileSearch => its.file_search,
                    Tool::CodeInterpreter => its.code_interpreter,
                    Tool::Maps => its.maps,
                    Tool::Kept => its.kept_tools,
                });
                let seconds = its.minute.map(of_seconds);
                let request = its.request.map_or(0, |PricePerCall(nanos)| nanos.0);
                let tokens = of_tokens(its.input, its.output);
                Some(Arc::new(Price { fees, seconds, request, ..tokens }))
            }
            Unpriced::Deny | Unpriced::Free | Unpriced::DenyWhenBudgeted => None,
        };
        Self { own: own.collect(), unpriced: settings.unpriced.clone(), assumed }
    }

    /// The price of a model at a provider of that name, if there is one. The simulated model
    /// has only the prices that the policy gives it.
    pub(crate) fn known(
        &self,
        name: &str,
        provider: Option<&Provider>,
        model: &str,
    ) -> Option<Rate> {
        if let Some(price) = self.own.get(model) {
            return Some(Rate::Own(Arc::clone(price)));
        }
        if provider.is_some_and(Provider::is_sandbox) {
            return None;
        }
        let table = PriceTable::builtin();
        let listed = match provider {
            Some(provider) => table.price_of(provider.sellers.iter().map(String::as_str), model),
            None => table.price(name, model),
        };
        listed.map(Rate::Listed)
    }

    /// What a model without a price is charged, or `None` where it is refused;
    /// `is_budgeted` tells whether money is counted for the request.
    pub(crate) fn unpriced(&self, is_budgeted: impl FnOnce() -> bool) -> Option<Rate> {
        match &self.unpriced {
            Unpriced::Deny => None,
            Unpriced::Free => Some(Rate::Free),
            Unpriced::DenyWhenBudgeted => (!is_budgeted()).then_some(Rate::Free),
            Unpriced::Assume(_) => self.assumed.clone().map(Rate::Own),
        }
    }
}

impl Prices {
    /// What a request is charged that enables these tools: as [`unpriced`](Self::unpriced) has it
    /// of models where nobody knows what one of them costs.
    ///
    /// # Errors
    /// The first of those, where the request is refused for it.
    pub(crate) fn with_tools(
        &self,
        rate: Rate,
        tools: &PaidTools,
        is_budgeted: impl FnOnce() -> bool,
    ) -> Result<Rate, NoFee> {
        let Some(price) = rate.price() else { return Ok(rate) };
        let Some(missing) = NoFee::of(tools, &price.fees) else { return Ok(rate) };
        match &self.unpriced {
            Unpriced::Deny => Err(missing),
            Unpriced::Free => Ok(rate),
            Unpriced::DenyWhenBudgeted if is_budgeted() => Err(missing),
            Unpriced::DenyWhenBudgeted => Ok(rate),
            Unpriced::Assume(_) => {
                let assumed = self.assumed.as_ref().map(|assumed| assumed.fees).unwrap_or_default();
                let fees = Fees::of(|tool| price.fees[tool].or(assumed[tool]));
                Ok(Rate::Own(Arc::new(Price { fees, ..price.clone() })))
            }
        }
    }
}

/// A tool that a request enables, or may, and of which nobody knows what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoFee {
    /// The member that enables it.
    pub(crate) member: &'static str,
    /// What would have to be priced; nothing where no price could be given.
    pub(crate) tool: Option<Tool>,
}

impl NoFee {
    fn of(tools: &PaidTools, fees: &Fees) -> Option<Self> {
        let kept = tools.kept.map(|kept| Self { member: kept.member, tool: Some(Tool::Kept) });
        let own = Tool::ALL.into_iter().filter(|tool| tools.calls[*tool] > 0);
        let own = own.map(|tool| Self { member: "tools", tool: Some(tool) });
        let lacks = |of: &Self| of.tool.is_some_and(|tool| fees[tool].is_none());
        let others = tools.others.map(|member| Self { member, tool: None });
        others.or_else(|| kept.into_iter().chain(own).find(lacks))
    }
}

impl Prices {
    /// What audio costs by the second, for all of these names together.
    ///
    /// # Errors
    /// The first of them that has no price of audio.
    pub(crate) fn audio<'a>(
        &self,
        provider: &Provider,
        names: &'a [String],
    ) -> Result<Rate, &'a String> {
        let mut all = 0_u64;
        for name in names {
            let rate = self.known(&provider.name, Some(provider), name);
            let its = rate.as_ref().and_then(Rate::price).and_then(|price| price.seconds);
            all = all.saturating_add(its.ok_or(name)?);
        }
        Ok(Rate::Own(Arc::new(Price { seconds: Some(all), ..Price::default() })))
    }

    /// As [`unpriced`](Self::unpriced), of audio: a price of tokens alone is none.
    pub(crate) fn unpriced_audio(&self, is_budgeted: impl Fn() -> bool) -> Option<Rate> {
        let rate = self.unpriced(&is_budgeted)?;
        let lacks_audio = rate.price().is_some_and(|price| price.seconds.is_none());
        if lacks_audio { (!is_budgeted()).then_some(Rate::Free) } else { Some(rate) }
    }
}

impl Rate {
    /// The price, unless it is free.
    pub(crate) fn price(&self) -> Option<&Price> {
        match self {
            Self::Listed(price) => Some(price),
            Self::Own(price) => Some(price),
            Self::Free => None,
        }
    }
}

/// Whether a limit that can refuse counts one of these units for a caller.
pub(crate) fn counts(policy: &Policy, who: &Attributes, now: Now, units: &[Unit]) -> bool {
    // What is charged does not depend on how much is asked.
    let order = policy.order(ReservationId(0), who, &Demand::ONE_REQUEST, now, Time::MAX);
    let mut charges = order.charges.iter();
    charges.any(|charge| !charge.shadow && units.contains(&charge.unit))
}

/// Whether a limit that can refuse counts one of these units for a caller, of whatever model.
pub(crate) fn counts_a_model(policy: &Policy, who: &Attributes, units: &[Unit]) -> bool {
    let mut limits = policy.limits().iter();
    limits.any(|limit| {
        let mut conditions = limit.when.conditions().iter();
        limit.refuses()
            && units.contains(&limit.unit)
            && conditions.all(|(attribute, patterns)| {
                let value = who.value(attribute);
                *attribute == Attribute::Model
                    || value.is_some_and(|value| Pattern::allow(patterns, value))
            })
    })
}

fn price(name: &str, its: &ModelPrice) -> Price {
    let mut price = of_tokens(its.input, its.output);
    // What a model can read does not depend on who prices it.
    let listed = PriceTable::builtin().price("", name).and_then(Price::input_bound);
    price.max_input_tokens = its.max_input_tokens.map(NonZeroU64::get).or(listed);
    price.max_output_tokens = its.max_output_tokens.map(NonZeroU64::get);
    price.tokens.cached_read = its.cached_input.map(|PricePerMillion(nanos)| nanos.0);
    price.fees = fees(|tool| match tool {
        Tool::Search => its.search,
        Tool::FileSearch => its.file_search,
        Tool::CodeInterpreter => its.code_interpreter,
        Tool::Maps => its.maps,
        Tool::Kept => its.kept_tools,
    });
    price.seconds = its.minute.map(of_seconds);
    price
}

/// Per million seconds, rounded up.
const fn of_seconds(PricePerMinute(nanos): PricePerMinute) -> u64 {
    nanos.0.saturating_mul(1_000_000).div_ceil(60)
}

fn fees(of: impl Fn(Tool) -> Option<PricePerCall>) -> Fees {
    Fees::of(|tool| of(tool).map(|PricePerCall(nanos)| nanos.0))
}

fn of_tokens(
    PricePerMillion(input): PricePerMillion,
    PricePerMillion(output): PricePerMillion,
) -> Price {
    Price::of_tokens(input.0, output.0)
}
