//! The models that may serve a request, in the order in which they are tried.

use std::sync::Arc;

use compact_str::CompactString;
use tollgate_core::{Time, policy::settings::NamedModel};

use super::{dialect, exchange::Exchange, prepared::Asked, translated};
use crate::{
    guards::{Account, Waiting},
    providers::Provider,
    refusal::{Failure, What},
};

/// A model that may serve a request.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) provider: Arc<Provider>,
    /// As its provider calls it.
    pub(super) model: CompactString,
    /// Whose quota the request counts in there.
    pub(super) account: Account,
    /// Whether it speaks another dialect than the caller, and the request is translated for it.
    pub(super) is_translated: bool,
    /// How often it was sent this request.
    pub(super) tries: u32,
    /// When it may be sent it again.
    pub(super) repeat_at: Option<Time>,
    /// Whether it cannot serve this request at all.
    pub(super) out: bool,
    /// Whether a limit refused it the request before it was ready to wait.
    pub(super) refused: bool,
    /// Its place among those that wait for it.
    pub(super) waiting: Option<Waiting>,
}

impl Candidate {
    pub(super) const fn new(
        provider: Arc<Provider>,
        model: CompactString,
        account: Account,
    ) -> Self {
        Self {
            provider,
            model,
            account,
            is_translated: false,
            tries: 0,
            repeat_at: None,
            out: false,
            refused: false,
            waiting: None,
        }
    }

    /// As people write it.
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.provider.name, self.model)
    }
}

/// The models behind the name that a request asks for, or behind a cheaper one in its place;
/// nothing where it goes to its model as it is.
///
/// # Errors
/// When none of them can be asked as the request asks.
pub(super) fn behind(
    exchange: &Exchange,
    asked: &Asked,
    name: &str,
    cheaper: Option<&str>,
) -> Result<Option<Vec<Candidate>>, Failure> {
    let named = exchange.live.settings.models.get(cheaper.unwrap_or(name));
    // A deployment whose model is called as several others are is not meant for those.
    let is_meant =
        asked.deployment.is_none() || dialect::deployment(&asked.rest) == asked.deployment;
    let Some(named) = named.filter(|_| is_meant) else {
        let provider = &exchange.provider;
        let account = exchange.account(provider);
        let one = |model: &str| Candidate::new(Arc::clone(provider), model.into(), account);
        return Ok(cheaper.map(|model| vec![one(model)]));
    };
    let candidates = of_name(exchange, named, asked);
    if candidates.is_empty() {
        let sentence = format!(
            "None of the models behind `{name}` speaks as this request does: ask for another, or by another API."
        );
        return Err(Failure::new(What::NotFound, sentence).at("model"));
    }
    Ok(Some(candidates))
}

/// The models behind a name that speak as the caller does, or that the request may be translated
/// for, in the order of this request.
fn of_name(exchange: &Exchange, named: &NamedModel, asked: &Asked) -> Vec<Candidate> {
    let order = order(named, || exchange.app.chance.draw());
    let models = order.into_iter().map(|place| &named.models[place].model);
    let found = models.filter_map(|path| {
        let provider = exchange.live.providers.named(&path.provider)?;
        let speaks = provider.dialect_at(&asked.rest) == exchange.dialect;
        let is_translated =
            !speaks && named.translate && translated::is_possible(&asked.target, provider);
        let account = exchange.account(provider);
        (speaks || is_translated).then(|| Candidate {
            is_translated,
            ..Candidate::new(Arc::clone(provider), path.model.clone(), account)
        })
    });
    found.collect()
}

/// As the policy lists them; where any has a weight, drawn by weight one after the other, and
/// those of no weight last.
fn order(named: &NamedModel, mut random: impl FnMut() -> u64) -> Vec<usize> {
    let listed = 0..named.models.len();
    if !named.is_weighted() {
        return listed.collect();
    }
    let weight = |place: usize| u64::from(named.models[place].weight.unwrap_or(1));
    let (mut left, last): (Vec<usize>, Vec<usize>) = listed.partition(|place| weight(*place) > 0);
    let mut order = Vec::with_capacity(named.models.len());
    while !left.is_empty() {
        let all: u64 = left.iter().map(|place| weight(*place)).sum();
        let mut drawn = random() % all;
        let chosen = left.iter().position(|place| {
            let passed = drawn < weight(*place);
            drawn = drawn.saturating_sub(weight(*place));
            passed
        });
        order.push(left.remove(chosen.unwrap_or_default()));
    }
    order.extend(last);
    order
}

#[cfg(test)]
mod tests {
    use tollgate_core::policy::settings::{self, Fallback};

    use super::*;

    fn named(weights: &[Option<u32>]) -> NamedModel {
        let models = weights.iter().enumerate().map(|(nth, weight)| settings::Candidate {
            model: format!("a/m{nth}").parse().expect("a model"),
            weight: *weight,
        });
        NamedModel { models: models.collect(), translate: false, fallback: Fallback::Refuse }
    }

    #[test]
    fn without_weights_the_list_is_the_order() {
        let order = order(&named(&[None, None, None]), || panic!("nothing is drawn"));
        assert_eq!(order, [0, 1, 2]);
    }

    #[test]
    fn the_first_is_drawn_by_weight_and_all_are_there_once() {
        let named = named(&[Some(3), None, Some(0)]);
        let mut firsts = [0; 3];
        for random in 0..400 {
            let order = order(&named, || random);
            firsts[order[0]] += 1;
            let mut all = order.clone();
            all.sort_unstable();
            assert_eq!((all, order[2]), (vec![0, 1, 2], 2));
        }
        assert_eq!(firsts, [300, 100, 0]);
    }
}
