//! One hot account before a real Redis: every decision there, against leases, in one run.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use tokio::{sync::watch, task::JoinSet};
use tollgate::{
    Clock, Store,
    store::redis::{Leases, LeasesSettings, Link, LinkSettings, Shared, SharedSettings},
};
use tollgate_core::{
    Amounts, Attributes, Decision, Policy, ReservationId, Unit,
    lease::Terms,
    policy::{Limit, Measure, settings::SyncMode},
};

use crate::table::{Row, Summary};

/// What is measured.
#[derive(Args)]
pub(crate) struct Leased {
    /// An empty Redis.
    #[arg(long, default_value = "redis://127.0.0.1:6379/0")]
    url: String,
    /// Who asks at once.
    #[arg(long, default_value_t = 32)]
    clients: u64,
    /// Seconds for each side.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
}

/// Decisions in a second, each reserved and settled.
#[derive(Serialize)]
pub(crate) struct Report {
    exact_per_second: f64,
    leased_per_second: f64,
}

/// Measures both sides, one after the other.
///
/// # Errors
/// When Redis cannot be reached, or somebody was refused.
pub(crate) fn run(args: &Leased) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let exact = asked(args, Arc::new(shared(args, 1).await?)).await?;
        let settings = LeasesSettings {
            clock: Clock::system(),
            terms: Terms::default(),
            nodes: watch::channel(1).1,
            max_reservations: 1_000_000,
        };
        let leases = Leases::new(shared(args, 2).await?, &settings);
        let policy = policy()?;
        let modes = policy.limits().iter().map(|limit| (limit.id, SyncMode::Leased));
        leases.set_modes(modes.collect());
        let leased = asked(args, Arc::new(leases)).await?;
        Ok(Report { exact_per_second: exact, leased_per_second: leased })
    })
}

fn policy() -> Result<Policy> {
    let minute = Measure::Window { length: Duration::from_secs(60), cap: 1_000_000_000 };
    Policy::new(vec![Limit::new("all", &[], Unit::Requests, minute)]).context("a policy")
}

async fn shared(args: &Leased, owner: u64) -> Result<Shared> {
    let mut link = LinkSettings::of(&args.url)?;
    link.timeout = Duration::from_secs(5);
    let settings = SharedSettings { owner, prefix: "tgbench".into(), ..SharedSettings::default() };
    Ok(Shared::new(Link::connect(&link).await?, &settings))
}

async fn asked(args: &Leased, store: Arc<impl Store + 'static>) -> Result<f64> {
    let (ended, clock) = (Arc::new(AtomicU64::new(0)), Clock::system());
    let length = Duration::from_secs(args.seconds);
    let began = clock.now().time;
    let mut clients = JoinSet::new();
    for client in 0..args.clients {
        let (store, clock, ended) = (Arc::clone(&store), clock.clone(), Arc::clone(&ended));
        let policy = policy()?;
        clients.spawn(async move {
            let who = Attributes::new();
            let first = u128::from(clock.now().time.as_nanos()) << 64 | u128::from(client) << 40;
            for nth in 0_u128.. {
                let (id, now) = (ReservationId(first | nth), clock.now());
                let expires = now.time.after(Duration::from_secs(60));
                let order = policy.order(id, &who, &Amounts::ONE_REQUEST, now, expires);
                if !matches!(store.reserve(&order, now).await?, Decision::Admit(_)) {
                    bail!("a limit that is far away has refused");
                }
                store.settle(id, &Amounts::ONE_REQUEST, clock.now()).await?;
                ended.fetch_add(1, Ordering::Relaxed);
                if nth % 64 == 0 {
                    tokio::task::yield_now().await;
                    if now.time.since(began) > length {
                        break;
                    }
                }
            }
            anyhow::Ok(())
        });
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(ended.load(Ordering::Relaxed) as f64 / clock.now().time.since(began).as_secs_f64())
}

impl Summary for Report {
    fn rows(&self) -> Vec<Row> {
        let per_second = |rate: f64| format!("{rate:.0}/s");
        vec![
            Row::new(
                "decisions on a hot account: leased / each in Redis",
                per_second(self.leased_per_second),
                per_second(self.exact_per_second),
            )
            .at_least(self.leased_per_second / self.exact_per_second, 20.0, "×"),
        ]
    }
}
