//! What every part of the process shares: the gate, the policy in force, the numbers.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use tollgate::{AnyStore, Clock, Memory, Tollgate};
use tollgate_core::{
    Now,
    policy::{Config, settings::StoreKind},
};

use crate::{
    alerts::Alerts,
    beside::Ended,
    cache::Cache,
    decisions::Decisions,
    guards::{self, Accounts, Chance},
    learned,
    lessons::Lessons,
    live::Live,
    metrics::Metrics,
    monitor,
    nodes::Group,
    renewals::Renewals,
    roster::Roster,
    sessions::{CookieKey, Sessions},
    warnings::Warnings,
};

/// What every part of the process shares.
#[derive(Debug)]
pub(crate) struct App {
    /// Who is told that something is wrong.
    pub(crate) alerts: Alerts,
    /// Decides.
    pub(crate) gate: Tollgate<AnyStore>,
    /// What the process counts.
    pub(crate) metrics: Metrics,
    /// What is remembered of how services did.
    pub(crate) monitor: monitor::Watch,
    /// The gateway's own reservations, so that none expires while its request runs.
    pub(crate) renewals: Arc<Renewals>,
    pub(crate) sessions: Sessions,
    /// Who may ask for what, as operators change it meanwhile.
    pub(crate) roster: Roster,
    /// Tells the keys of providers apart.
    pub(crate) accounts: Accounts,
    /// Budgets that reached a threshold.
    pub(crate) warnings: Warnings,
    /// What draws among weighted models and spreads retries.
    pub(crate) chance: Chance,
    /// What answers taught about what requests will use.
    pub(crate) lessons: Lessons,
    /// What is kept so that nobody need ask for it again.
    pub(crate) cache: Cache,
    /// What was refused of late, and why.
    pub(crate) decisions: Decisions,
    /// The other nodes, where numbers are shared with any.
    pub(crate) group: Option<Group>,
    /// What ran beside the listeners and has ended too early.
    pub(crate) ended: Ended,
    /// How often the policy was loaded again.
    pub(crate) reloads: Reloads,
    /// When the process started.
    pub(crate) started: Now,
    /// Where the data plane really listens.
    pub(crate) listen: SocketAddr,
    /// Where the control plane really listens.
    pub(crate) admin_listen: SocketAddr,
    live: ArcSwap<Live>,
    stage: AtomicU8,
}

/// How often the policy was loaded again.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    good: AtomicU64,
    bad: AtomicU64,
}

/// How far the life of the process has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// It does not listen yet.
    Starting,
    /// It serves.
    Serving,
    /// It finishes what runs and takes nothing new.
    Draining,
}

const STARTING: u8 = Stage::Starting as u8;
const SERVING: u8 = Stage::Serving as u8;

/// The version of this build.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

impl App {
    /// A process that serves this policy and has not begun to listen.
    ///
    /// # Errors
    /// When the client towards a provider cannot be made, or a file beside the ledger cannot
    /// be used.
    pub(crate) fn new(
        config: Config,
        store: AnyStore,
        clock: Clock,
        addresses: (SocketAddr, SocketAddr),
    ) -> anyhow::Result<Self> {
        Self::made(config, store, clock, addresses, None)
    }

    /// With other nodes.
    pub(crate) fn among(self, group: Option<Group>) -> Self {
        Self { group, ..self }
    }

    fn made(
        config: Config,
        store: AnyStore,
        clock: Clock,
        (listen, admin_listen): (SocketAddr, SocketAddr),
        simulated: Option<u64>,
    ) -> anyhow::Result<Self> {
        let hold = config.settings.store.hold_timeout;
        let sessions = Sessions::new(CookieKey::of(&config.settings)?);
        let roster = Roster::open(&config.settings)?;
        let ledger = config.settings.store.ledger();
        let cache =
            Cache::open(&config.settings.cache, config.settings.stale(), ledger, clock.now())?;
        let (policy, mut live) = Live::new(config, None, &clock)?;
        if let Some(seed) = simulated {
            live.providers.simulate(&live.settings.sandbox, seed);
        }
        let accounts = roster.accounts();
        let started = clock.now();
        let gate = Tollgate::new(policy, store, clock, hold);
        roster.adopt(gate.policy());
        let app = Self {
            alerts: Alerts::default(),
            live: ArcSwap::from_pointee(live.under(gate.policy())),
            gate,
            metrics: Metrics::default(),
            monitor: monitor::Watch::default(),
            renewals: Arc::default(),
            sessions,
            roster,
            accounts,
            warnings: Warnings::default(),
            chance: simulated.map_or_else(Chance::default, Chance::seeded),
            lessons: Lessons::default(),
            cache,
            decisions: Decisions::default(),
            group: None,
            ended: Ended::default(),
            reloads: Reloads::default(),
            started,
            listen,
            admin_listen,
            stage: AtomicU8::new(STARTING),
        };
        guards::resume(&app.live().providers, &app.roster, started)?;
        learned::resume(&app, started);
        app.force_circuits();
        Ok(app)
    }

    /// A process whose providers are all simulated, each with limits of its own, and whose numbers
    /// are in memory: it sends nothing anywhere and keeps nothing. The seed decides its chances.
    ///
    /// # Errors
    /// When the policy has something that cannot be made ready.
    pub(crate) fn simulated(mut config: Config, clock: Clock, seed: u64) -> anyhow::Result<Self> {
        config.settings.store.kind = StoreKind::Memory;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::made(config, Memory::default().into(), clock, (nowhere, nowhere), Some(seed))
    }

    /// Sees to it that what operators have forced is in force.
    pub(crate) fn force_circuits(&self) {
        let (roster, now) = (self.roster.snapshot(), self.gate.clock().now().time);
        for provider in self.live().providers.all() {
            provider.guard.force(roster.forced(&provider.name), now);
        }
    }

    /// The policy in force and all that was made from it. A request looks once and keeps
    /// what it saw.
    pub(crate) fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// Puts another policy in force, whole.
    ///
    /// Limits keep their accounts where name and `per` stay. Where the process listens and
    /// where it keeps its numbers stays as it was until it starts anew.
    ///
    /// The one that was in force and the one that is.
    ///
    /// # Errors
    /// When the client towards a provider cannot be made; the old policy stays in force.
    pub(crate) fn replace(&self, config: Config) -> anyhow::Result<(Arc<Live>, Arc<Live>)> {
        let old = self.live();
        let (policy, live) = Live::new(config, Some(&old), self.gate.clock())?;
        self.gate.replace_policy(policy);
        let new = Arc::new(live.under(self.gate.policy()));
        self.live.store(Arc::clone(&new));
        let now = self.gate.clock().now().time;
        new.providers.all().for_each(|provider| provider.guard.enforce(now));
        self.roster.adopt(Arc::clone(&new.policy));
        self.force_circuits();
        self.cache.adopt(&new.settings.cache);
        Ok((old, new))
    }

    /// How far the life of the process has come.
    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Relaxed) {
            STARTING => Stage::Starting,
            SERVING => Stage::Serving,
            _ => Stage::Draining,
        }
    }

    /// Enters a stage; there is no way back.
    pub(crate) fn enter(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::Relaxed);
    }
}

impl Reloads {
    /// How often another policy was put in force.
    pub(crate) fn good(&self) -> u64 {
        self.good.load(Ordering::Relaxed)
    }

    /// How often a policy was refused, so that the old one stayed.
    pub(crate) fn bad(&self) -> u64 {
        self.bad.load(Ordering::Relaxed)
    }

    /// Counts another policy in force.
    pub(crate) fn note_good(&self) {
        self.good.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a policy that was refused.
    pub(crate) fn note_bad(&self) {
        self.bad.fetch_add(1, Ordering::Relaxed);
    }
}
