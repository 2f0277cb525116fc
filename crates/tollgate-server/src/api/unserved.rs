//! Why no model would serve a request now, whatever its limits say.

use serde::Serialize;
use tollgate_core::{Attribute, Attributes, Now};

use super::Instant;
use crate::{guards::Circuit, live::Live};

/// The circuits that let nothing through, of the models that may serve a request.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Circuits {
    open: Vec<Circuit>,
    /// Whether none of the models is left.
    #[serde(skip)]
    pub(super) is_all: bool,
}

impl Circuits {
    /// Those before the provider's model that a request names, or before the models behind the
    /// name. It is not looked at who speaks which dialect.
    pub(super) fn of(live: &Live, who: &Attributes, now: Now) -> Self {
        let named = |attribute| who.value(&attribute);
        let (provider, model) = (named(Attribute::Provider), named(Attribute::Model));
        let behind = model.and_then(|name| live.settings.models.get(name));
        let models: Vec<(&str, Option<&str>)> = match behind {
            Some(several) => {
                let paths = several.models.iter().map(|one| &one.model);
                paths.map(|path| (path.provider.as_str(), Some(path.model.as_str()))).collect()
            }
            None => provider.map(|provider| (provider, model)).into_iter().collect(),
        };
        let guards = models.iter().map(|(provider, model)| {
            live.providers.named(provider)?.guard.open_circuit(*model, now)
        });
        let open: Vec<Circuit> = guards.flatten().collect();
        Self { is_all: !models.is_empty() && open.len() == models.len(), open }
    }

    /// When the first of them is tried again, where that is known of all.
    pub(super) fn until(&self) -> Option<Instant> {
        let untils: Option<Vec<Instant>> = self.open.iter().map(Circuit::until).collect();
        untils.and_then(|all| all.into_iter().min())
    }
}
