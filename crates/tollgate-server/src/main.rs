//! The `tollgate` process: gateway, API, control plane and commands.

mod alerts;
mod api;
mod app;
mod beside;
mod browser;
mod cache;
mod changes;
mod cli;
mod commands;
mod config;
mod control;
mod credentials;
mod decisions;
mod dials;
mod emergency;
mod gateway;
mod guards;
mod headers;
mod identity;
mod keys;
mod learned;
mod lessons;
mod live;
mod load;
mod logging;
mod metrics;
mod monitor;
mod net;
mod nodes;
mod output;
mod plan;
mod prices;
mod providers;
mod refusal;
mod reload;
mod renewals;
mod replay;
mod roster;
mod sandbox;
mod screen;
mod server;
mod sessions;
mod simulate;
mod warnings;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
