//! `tollgate serve`: the gateway.

use std::{net::SocketAddr, process::ExitCode};

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tollgate::Clock;
use tollgate_core::policy::{
    Config, Settings,
    settings::{Dialect, StoreKind},
};

use crate::{
    app::{App, VERSION},
    config::{self, Locations, PolicyArgs},
    logging, output,
    providers::SANDBOX,
    reload::Reloader,
    server::Server,
};

/// Serves the gateway, /v1 and the control plane.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    policy: PolicyArgs,
    /// Where gateway and /v1 listen, instead of what the policy says; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where the control plane listens, instead of what the policy says.
    #[arg(long, value_name = "ADDR")]
    admin_listen: Option<SocketAddr>,
}

/// The signals that a serving process minds.
struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

/// Serves until it is interrupted or terminated. Failure is a bad policy, or requests that
/// had to be cut at the end.
pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let locations = args.locations();
    let config = match config::load(&locations) {
        Ok(config) => config,
        Err(errors) => {
            output::note(config::rendered(&errors, false));
            return Ok(ExitCode::FAILURE);
        }
    };
    logging::start(&config.settings.log);
    for warning in &config.warnings {
        tracing::warn!("{}", warning.on_one_line());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(config, locations))
}

async fn serve(config: Config, locations: Locations) -> anyhow::Result<ExitCode> {
    // Minded from the start: an early signal must not end the process in its own way.
    let Signals { mut hangup, mut interrupt, mut terminate } = Signals::new()?;
    let server = Server::bind(config, Clock::no_earlier_than).await?;
    let app = std::sync::Arc::clone(server.app());
    greet(&app);
    let reloader = Reloader::new(app, locations);
    let reloading = tokio::spawn(reloader.run(async move || hangup.recv().await));
    let stop = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("finishing: running requests are let end, no new ones are taken");
    };
    let drained = server.run(stop).await;
    reloading.abort();
    let _ = reloading.await;
    if drained.cut > 0 {
        tracing::warn!(cut = drained.cut, "requests were cut because the grace was over");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

impl ServeArgs {
    /// What the command line says stands before the environment, also at a reload.
    fn locations(&self) -> Locations {
        let mut locations = Locations::of_process(&self.policy);
        let overlays = [
            ("TOLLGATE_SERVER_LISTEN", self.listen),
            ("TOLLGATE_SERVER_ADMIN_LISTEN", self.admin_listen),
        ];
        for (name, address) in overlays {
            let Some(address) = address else { continue };
            locations.environment.retain(|(known, _)| known != name);
            locations.environment.push((name.to_owned(), address.to_string()));
        }
        locations
    }
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let mind = |kind| signal(kind).context("cannot mind signals");
        Ok(Self {
            hangup: mind(SignalKind::hangup())?,
            interrupt: mind(SignalKind::interrupt())?,
            terminate: mind(SignalKind::terminate())?,
        })
    }
}

/// Says where it listens and what to try.
fn greet(app: &App) {
    let live = app.live();
    let base = format!("http://{}", app.listen);
    output::line(format_args!("Tollgate {VERSION} listening on {base}"));
    output::line(format_args!("control plane listening on http://{}", app.admin_listen));
    let limits = live.policy.limits().len();
    output::line(format_args!("policy: {limits} limits; numbers: {}", numbers(&live.settings)));
    let names = live.providers.names();
    let provider = if names.contains(&SANDBOX) { SANDBOX } else { "openai" };
    let key = if live.allows_anonymous { "" } else { " \\\n    -H 'authorization: Bearer tg_…'" };
    output::line(format_args!(
        "\nTry it:\n  curl {base}/{provider}/v1/chat/completions -H 'content-type: application/json'{key} \\\n    -d '{{\"model\":\"sandbox\",\"messages\":[{{\"role\":\"user\",\"content\":\"hello\"}}]}}'"
    ));
    output::line("\nPoint a client at a provider:");
    for name in names {
        let pointed = live.providers.named(name).and_then(|provider| pointer(provider.dialect));
        if let Some((variable, version)) = pointed {
            output::line(format_args!("  export {variable}={base}/{name}{version}"));
        }
    }
}

/// The variable that points clients of a dialect somewhere, and what stands at the end there.
const fn pointer(dialect: Dialect) -> Option<(&'static str, &'static str)> {
    match dialect {
        Dialect::Openai => Some(("OPENAI_BASE_URL", "/v1")),
        Dialect::Azure => Some(("AZURE_OPENAI_ENDPOINT", "")),
        Dialect::Anthropic => Some(("ANTHROPIC_BASE_URL", "")),
        Dialect::Gemini => Some(("GOOGLE_GEMINI_BASE_URL", "")),
        Dialect::Bedrock => Some(("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "")),
        Dialect::Deepgram | Dialect::Http => None,
    }
}

fn numbers(settings: &Settings) -> String {
    let own = settings.store.ledger();
    let own = own.map_or_else(
        || "in memory, gone when it ends".to_owned(),
        |ledger| format!("in {}", ledger.display()),
    );
    match settings.store.kind {
        StoreKind::Memory | StoreKind::Embedded => own,
        StoreKind::Redis => format!("in Redis, this node's own {own}"),
    }
}
