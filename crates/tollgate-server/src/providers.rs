//! Where requests go: the providers of a policy, each with its client.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use anyhow::Context as _;
use compact_str::CompactString;
use foldhash::fast::RandomState;
use tollgate::Clock;
use tollgate_core::policy::{
    Settings,
    settings::{self, Dialect, Mount, Routes},
};
use tollgate_meter::gemini;

use crate::{
    credentials::Credentials,
    guards::{Guard, GuardSettings, Watch},
    net::{Upstream, UpstreamSettings},
    sandbox::{Sandbox, SandboxSettings},
};

/// The providers of a policy, found by the first segment of a path.
#[derive(Debug)]
pub(crate) struct Providers {
    by_name: HashMap<CompactString, Arc<Provider>, RandomState>,
    at_root: Option<Arc<Provider>>,
    /// What their guards share, whatever the policy.
    pub(crate) watch: Watch,
}

/// One provider.
#[derive(Debug)]
pub(crate) struct Provider {
    /// As the policy names it.
    pub(crate) name: CompactString,
    /// What it speaks; the simulated model speaks whatever a path is of.
    pub(crate) dialect: Dialect,
    /// Who sells its models, as the table of prices calls them: the first that has a price
    /// of its own counts.
    pub(crate) sellers: Vec<String>,
    /// How it is reached.
    pub(crate) reach: Reach,
    /// What it is shown, instead of what the caller has.
    pub(crate) credentials: Credentials,
    /// The bound of a request's body in bytes.
    pub(crate) max_body_bytes: Option<u64>,
    /// What its paths are, where it is an application.
    pub(crate) routes: Routes,
    /// What the models of its deployments are called elsewhere.
    pub(crate) deployments: BTreeMap<String, String>,
    /// What stands before its models.
    pub(crate) guard: Arc<Guard>,
}

/// How a provider is reached.
#[derive(Debug)]
pub(crate) enum Reach {
    /// By its address.
    Remote(Upstream),
    /// By a call: the simulated model of this process.
    Sandbox(SandboxSettings, Arc<Sandbox>),
}

/// The name of the simulated model's provider.
pub(crate) const SANDBOX: &str = "sandbox";

/// What decides the chances of the simulated model in this process.
const SANDBOX_SEED: u64 = 0;

impl Providers {
    /// The providers of a policy, with the `previous` ones' clients where nothing changed.
    ///
    /// # Errors
    /// When the client towards one cannot be made.
    pub(crate) fn new(
        settings: &Settings,
        previous: Option<&Self>,
        clock: &Clock,
    ) -> anyhow::Result<Self> {
        let watch =
            previous.map_or_else(|| Watch::new(clock.clone()), |previous| previous.watch.clone());
        let mut providers = Self { by_name: HashMap::default(), at_root: None, watch };
        let watch = &providers.watch;
        let before = |name: &str| previous?.by_name.get(name);
        if settings.sandbox.enabled {
            let sandbox = Provider::sandbox(settings, before(SANDBOX), watch);
            providers.by_name.insert(SANDBOX.into(), Arc::new(sandbox));
        }
        for (name, its) in &settings.providers {
            let provider = Arc::new(Provider::remote(name, its, settings, before(name), watch)?);
            if its.mount == Mount::AtRoot {
                providers.at_root = Some(Arc::clone(&provider));
            }
            providers.by_name.insert(name.into(), provider);
        }
        Ok(providers)
    }

    /// Has all of them simulated from here on, each by models of its own; applications stay what
    /// they are.
    pub(crate) fn simulate(&mut self, settings: &SandboxSettings, seed: u64) {
        for provider in self.by_name.values_mut().filter_map(Arc::get_mut) {
            if provider.dialect != Dialect::Http {
                let sandbox = Sandbox::new(settings.clone(), seed, self.watch.clock.clone());
                provider.reach = Reach::Sandbox(settings.clone(), Arc::new(sandbox));
            }
        }
    }

    /// The provider that a path leads to, and what is left of the path for it.
    pub(crate) fn route<'a>(&self, path_and_query: &'a str) -> Option<(&Arc<Provider>, &'a str)> {
        let within = path_and_query.strip_prefix('/').unwrap_or(path_and_query);
        let end = within.find(['/', '?']).unwrap_or(within.len());
        match self.by_name.get(&within[..end]) {
            Some(provider) => Some((provider, &within[end..])),
            None => Some((self.at_root.as_ref()?, path_and_query)),
        }
    }

    /// The provider of that name.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Provider>> {
        self.by_name.get(name)
    }

    /// All of them, in no order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.by_name.values()
    }

    /// Every provider's name, in the order of the alphabet.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.by_name.keys().map(CompactString::as_str).collect();
        names.sort_unstable();
        names
    }
}

impl Provider {
    fn sandbox(settings: &Settings, before: Option<&Arc<Self>>, watch: &Watch) -> Self {
        let sandbox = match before.map(|provider| &provider.reach) {
            Some(Reach::Sandbox(same, sandbox)) if *same == settings.sandbox => Arc::clone(sandbox),
            _ => {
                Arc::new(Sandbox::new(settings.sandbox.clone(), SANDBOX_SEED, watch.clock.clone()))
            }
        };
        Self {
            name: SANDBOX.into(),
            dialect: Dialect::Openai,
            sellers: Vec::new(),
            reach: Reach::Sandbox(settings.sandbox.clone(), sandbox),
            credentials: Credentials::Callers,
            max_body_bytes: Some(settings.server.max_body),
            routes: Routes::default(),
            deployments: BTreeMap::new(),
            guard: guard(SANDBOX, GuardSettings::none(), before, watch),
        }
    }

    fn remote(
        name: &str,
        its: &settings::Provider,
        settings: &Settings,
        before: Option<&Arc<Self>>,
        watch: &Watch,
    ) -> anyhow::Result<Self> {
        let wanted = UpstreamSettings {
            base: its.base_url.uri().clone(),
            connect_timeout: its.connect_timeout,
            read_timeout: its.read_timeout,
            max_connections: its.max_connections,
        };
        // Elsewhere nothing is known of how it does.
        let same_place = before.filter(|before| match &before.reach {
            Reach::Remote(upstream) => upstream.settings().base == wanted.base,
            Reach::Sandbox(..) => false,
        });
        let upstream = match before.map(|provider| &provider.reach) {
            Some(Reach::Remote(same)) if *same.settings() == wanted => same.clone(),
            _ => Upstream::new(wanted)
                .with_context(|| format!("cannot make a client for the provider `{name}`"))?,
        };
        Ok(Self {
            name: name.into(),
            dialect: its.dialect,
            sellers: sellers(name, its),
            reach: Reach::Remote(upstream),
            credentials: Credentials::of(name, its)?,
            max_body_bytes: its.body_bound(settings),
            routes: its.routes.clone(),
            deployments: its.deployments.clone(),
            guard: guard(name, GuardSettings::of(its), same_place, watch),
        })
    }

    /// Where it is: nothing where that is in this process.
    pub(crate) fn address(&self) -> String {
        match &self.reach {
            Reach::Remote(upstream) => upstream.settings().base.to_string(),
            Reach::Sandbox(..) => String::new(),
        }
    }

    /// What it speaks at this path, which stands without its name.
    pub(crate) fn dialect_at(&self, path: &str) -> Dialect {
        if self.is_sandbox() { sandbox_dialect(path) } else { self.dialect }
    }

    /// Whether it is the provider of simulated models, which cost nothing; others may be
    /// simulated too, and are priced as what they stand for.
    pub(crate) fn is_sandbox(&self) -> bool {
        self.name == SANDBOX
    }
}

/// Who sells the models of a provider. OpenAI's dialect is spoken by many; Bedrock has other
/// prices in some regions.
fn sellers(name: &str, its: &settings::Provider) -> Vec<String> {
    let vendor = match its.dialect {
        Dialect::Openai | Dialect::Http => None,
        dialect => Some(dialect.name()),
    };
    let region = its.aws_region().filter(|_| its.dialect == Dialect::Bedrock);
    let regional = vendor.zip(region).map(|(vendor, region)| format!("{vendor}/{region}"));
    [name.to_owned()].into_iter().chain(regional).chain(vendor.map(str::to_owned)).collect()
}

/// Dialects by the names that may stand before the simulated models' paths.
const NAMES: [(&str, Dialect); 6] = [
    ("/anthropic", Dialect::Anthropic),
    ("/azure", Dialect::Azure),
    ("/bedrock", Dialect::Bedrock),
    ("/deepgram", Dialect::Deepgram),
    ("/gemini", Dialect::Gemini),
    ("/openai", Dialect::Openai),
];

/// The dialect whose paths look like this, or whose name stands before.
fn sandbox_dialect(path: &str) -> Dialect {
    let path = path.split('?').next().unwrap_or_default();
    // Names of OpenAI's tuned models have colons too.
    let asks_gemini = || {
        path.starts_with("/v1/models/")
            && (gemini::Target::of(path, None).is_some() || path.ends_with(":countTokens"))
    };
    let begins = |with: &str| {
        path.strip_prefix(with).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let named = || NAMES.into_iter().find(|(name, _)| begins(name)).map(|(_, dialect)| dialect);
    // Azure's own place begins with the name of another.
    if begins("/openai/deployments") {
        Dialect::Azure
    } else if let Some(dialect) = named() {
        dialect
    } else if begins("/model") {
        Dialect::Bedrock
    } else if begins("/v1beta") || asks_gemini() {
        Dialect::Gemini
    } else if begins("/v1/messages") {
        Dialect::Anthropic
    } else if begins("/v1/listen") {
        Dialect::Deepgram
    } else {
        Dialect::Openai
    }
}

/// What stands before a provider: what stood there, under what the policy says of it now.
fn guard(
    name: &str,
    settings: GuardSettings,
    before: Option<&Arc<Provider>>,
    watch: &Watch,
) -> Arc<Guard> {
    match before.map(|provider| &provider.guard) {
        Some(same) if *same.settings() == settings => Arc::clone(same),
        Some(other) => Arc::new(other.under(settings)),
        None => Arc::new(Guard::new(name, settings, watch.clone())),
    }
}
