//! What every part of the process shares: the gate, the policy in force, the numbers.

use std::{net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tollgate::{AnyStore, Clock, Tollgate};
use tollgate_core::{Now, policy::Config};

use crate::{gateway::Renewals, live::Live, metrics::Metrics};

/// What every part of the process shares.
#[derive(Debug)]
pub(crate) struct App {
    /// Decides.
    pub(crate) gate: Tollgate<AnyStore>,
    /// What the process counts.
    pub(crate) metrics: Metrics,
    /// The gateway's own reservations, so that none expires while its request runs.
    pub(crate) renewals: Arc<Renewals>,
    /// When the process started.
    pub(crate) started: Now,
    /// Where the data plane really listens.
    pub(crate) listen: SocketAddr,
    /// Where the control plane really listens.
    pub(crate) admin_listen: SocketAddr,
    live: ArcSwap<Live>,
    stage: watch::Sender<Stage>,
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

/// The version of this build.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

impl App {
    /// A process that serves this policy and has not begun to listen.
    ///
    /// # Errors
    /// When the client towards a provider cannot be made.
    pub(crate) fn new(
        config: Config,
        store: AnyStore,
        clock: Clock,
        (listen, admin_listen): (SocketAddr, SocketAddr),
    ) -> anyhow::Result<Self> {
        let hold = config.settings.store.hold_timeout;
        let (policy, live) = Live::new(config, None, &clock)?;
        let started = clock.now();
        let gate = Tollgate::new(policy, store, clock, hold);
        Ok(Self {
            live: ArcSwap::from_pointee(live.under(gate.policy())),
            gate,
            metrics: Metrics::default(),
            renewals: Arc::default(),
            started,
            listen,
            admin_listen,
            stage: watch::Sender::new(Stage::Starting),
        })
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
    /// # Errors
    /// When the client towards a provider cannot be made; the old policy stays in force.
    pub(crate) fn replace(&self, config: Config) -> anyhow::Result<()> {
        let (policy, live) = Live::new(config, Some(&self.live()), self.gate.clock())?;
        self.gate.replace_policy(policy);
        self.live.store(Arc::new(live.under(self.gate.policy())));
        Ok(())
    }

    /// How far the life of the process has come.
    pub(crate) fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Enters a stage; there is no way back.
    pub(crate) fn enter(&self, stage: Stage) {
        self.stage.send_if_modified(|now| {
            let further = stage > *now;
            if further {
                *now = stage;
            }
            further
        });
    }

    /// Returns when the process is told to finish.
    pub(crate) async fn draining(&self) {
        let mut stage = self.stage.subscribe();
        // Nobody drops the sender while there is an app.
        let _ = stage.wait_for(|stage| *stage >= Stage::Draining).await;
    }
}
