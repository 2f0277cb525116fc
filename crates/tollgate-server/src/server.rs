//! The process while it serves: two listeners, one app, and what runs beside them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::Router;
use futures_util::{FutureExt as _, future::BoxFuture};
use http::{Request, Response};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tollgate::{
    AnyStore, Clock, Embedded, Memory, Store as _,
    store::{embedded::EmbeddedBounds, redis::Local},
};
use tollgate_core::{
    Time,
    policy::{
        Config,
        settings::{Server as Settings, Store as StoreSettings, StoreKind},
    },
};
use tower::ServiceExt as _;

use crate::{
    alerts, api,
    app::{App, Stage},
    beside::watched,
    browser, control, dials, emergency, gateway, guards, learned,
    net::{self, Body, Drained, Peer, Serving, Timeouts},
    nodes::{self, Group},
    roster, sessions,
    warnings::Warnings,
};

/// A process that is about to serve.
#[derive(Debug)]
pub(crate) struct Server {
    app: Arc<App>,
    data: TcpListener,
    control: TcpListener,
}

/// What answers at the data plane.
#[derive(Debug)]
struct DataPlane {
    app: Arc<App>,
    /// `/v1`, health and the browsers' paths.
    public: Router,
}

/// How often reservations and sessions are looked through for those whose time is over.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(1);

impl Server {
    /// Takes its addresses and opens its store. `clock` makes the clock from the latest
    /// instant that the store knows.
    ///
    /// # Errors
    /// When an address or the ledger is not to be had.
    pub(crate) async fn bind(
        config: Config,
        clock: impl FnOnce(Time) -> Clock,
    ) -> anyhow::Result<Self> {
        let data = listen(config.settings.server.listen).await?;
        let control = listen(config.settings.server.admin_listen).await?;
        let addresses = (data.local_addr()?, control.local_addr()?);
        let (local, clock) = open(&config.settings.store, clock)?;
        let group = join(&config.settings.store, addresses.0, &clock).await?;
        let store: AnyStore = match (&group, local) {
            (Some(group), local) => group.store(local, &config.policy, &clock).into(),
            (None, Local::Memory(memory)) => memory.into(),
            (None, Local::Embedded(embedded)) => embedded.into(),
        };
        let app = Arc::new(App::new(config, store, clock, addresses)?.among(group));
        app.gate.store().note_policy(&app.live().policy);
        Ok(Self { app, data, control })
    }

    /// What it serves from.
    pub(crate) fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Serves until `stop` is ready, then lets what runs end within the grace.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) -> Drained {
        let Self { app, data, control } = self;
        let settings = app.live().settings.server.clone();
        let mut beside = beside(&app);
        let controls = control::router(Arc::clone(&app));
        let public = api::router(Arc::clone(&app)).merge(browser::router());
        // The control plane goes last, so that the drain can be watched.
        let (done, until_done) = watch::channel(());
        beside.spawn(serve_control(control, serving(&settings), controls, until_done));
        let handler = {
            let plane = Arc::new(DataPlane { app: Arc::clone(&app), public });
            move |request, peer| Arc::clone(&plane).answer(request, peer)
        };
        let stop = std::pin::pin!(stop.shared());
        if let Some(group) = &app.group {
            tokio::select! {
                () = group.meet() => {}
                () = stop.clone() => {}
            }
        }
        app.enter(Stage::Serving);
        let stop = async {
            stop.await;
            app.enter(Stage::Draining);
        };
        let drained = net::serve(data, serving(&settings), stop, handler).await;
        nodes::tell_the_last(&app).await;
        if let Err(error) = app.gate.store().durable().await {
            tracing::error!(%error, "the last settlements are not on the disk");
        }
        Warnings::collect(&app);
        guards::keep(&app).await;
        learned::keep(&app).await;
        if let Some(group) = &app.group {
            group.leave().await;
        }
        drop(done);
        beside.shutdown().await;
        app.alerts.close(&app.live(), app.gate.clock().now()).await;
        drained
    }
}

impl DataPlane {
    /// Answers a request: Tollgate's own paths, or a provider's.
    async fn answer(self: Arc<Self>, request: Request<Body>, peer: Peer) -> Response<Body> {
        if is_own(request.uri().path()) {
            return routed(self.public.clone(), request, peer).await;
        }
        if let Some(alias) = self.app.live().alias(request.uri().path()) {
            return api::answer_alias(&self.app, alias, request.headers()).await.map(net::boxed);
        }
        gateway::answer(Arc::clone(&self.app), request).await
    }
}

/// Whether a path is Tollgate's own, whatever providers there are.
fn is_own(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    matches!(first, "v1" | "tollgate") || matches!(path, "/livez" | "/readyz")
}

async fn routed(router: Router, mut request: Request<Body>, peer: Peer) -> Response<Body> {
    request.extensions_mut().insert(peer);
    let Ok(response) = router.oneshot(request.map(axum::body::Body::new)).await;
    response.map(net::boxed)
}

async fn serve_control(
    listener: TcpListener,
    serving: Serving,
    router: Router,
    mut until: watch::Receiver<()>,
) {
    let stop = async move {
        // Ready when the sender is gone.
        while until.changed().await.is_ok() {}
    };
    let handler = move |request, peer| routed(router.clone(), request, peer);
    net::serve(listener, serving, stop, handler).await;
}

/// What runs beside the listeners.
fn beside(app: &Arc<App>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let mut spawn = |name, part: BoxFuture<'static, ()>| {
        tasks.spawn(watched(Arc::clone(app), name, part));
    };
    spawn("expiry", Box::pin(expire(Arc::clone(app))));
    spawn("sessions", Box::pin(sessions::attend(Arc::clone(app))));
    spawn("roster", Box::pin(roster::attend(Arc::clone(app))));
    spawn("guards", Box::pin(guards::attend(Arc::clone(app))));
    spawn("learned", Box::pin(learned::attend(Arc::clone(app))));
    spawn("dials", Box::pin(dials::attend(Arc::clone(app))));
    spawn("alerts", Box::pin(alerts::attend(Arc::clone(app))));
    spawn("emergency", Box::pin(emergency::attend(Arc::clone(app))));
    let renewing = Arc::clone(app);
    spawn("renewals", Box::pin(async move { renewing.renewals.run(&renewing.gate).await }));
    if app.group.is_some() {
        spawn("nodes", Box::pin(nodes::attend(Arc::clone(app))));
        spawn("releases", Box::pin(nodes::listen(Arc::clone(app))));
        spawn("store", Box::pin(nodes::watch_over(Arc::clone(app))));
    }
    tasks
}

/// Ends what is over, and sees which budgets that took to a threshold.
async fn expire(app: Arc<App>) {
    loop {
        tokio::time::sleep(EXPIRY_INTERVAL).await;
        app.metrics.remember(app.gate.clock().now().wall);
        match app.gate.expire().await {
            Ok(0) => {}
            Ok(count) => tracing::warn!(count, "reservations expired unsettled"),
            Err(error) => tracing::warn!(%error, "nothing could be expired"),
        }
        Warnings::collect(&app);
    }
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: choose another with --listen or --admin-listen")
    })
}

/// The books of this process: all there are, or its own of those that several nodes share.
fn open(
    settings: &StoreSettings,
    clock: impl FnOnce(Time) -> Clock,
) -> anyhow::Result<(Local, Clock)> {
    let Some(path) = settings.ledger() else {
        return Ok((Memory::default().into(), clock(Time::ZERO)));
    };
    let bounds = match settings.kind {
        StoreKind::Redis => EmbeddedBounds::beside_shared(),
        _ => EmbeddedBounds::default(),
    };
    let bounds = EmbeddedBounds { retention: Some(settings.retention), ..bounds };
    let (store, clock) = Embedded::open(path, bounds, clock)?;
    let restored = store.restored();
    tracing::info!(
        path = %store.path().display(),
        entries = restored.entries,
        keys = restored.keys,
        expired = restored.expired,
        "the ledger is open",
    );
    Ok((store.into(), clock))
}

/// Joins the other nodes, where numbers are shared with any.
async fn join(
    settings: &StoreSettings,
    listen: SocketAddr,
    clock: &Clock,
) -> anyhow::Result<Option<Group>> {
    if settings.kind != StoreKind::Redis {
        return Ok(None);
    }
    let joined = Group::join(settings, listen, clock).await;
    let group = joined.context("the store of this policy cannot be used: correct its [store]")?;
    if let Some((_, why)) = group.away() {
        tracing::error!(%why, "Redis is away: this node begins by itself");
    }
    Ok(Some(group))
}

const fn serving(settings: &Settings) -> Serving {
    Serving {
        timeouts: Timeouts {
            header: settings.header_timeout,
            body_idle: settings.body_idle_timeout,
            keep_alive: settings.keep_alive_timeout,
        },
        max_connections: settings.max_connections,
        grace: settings.shutdown_grace,
    }
}
