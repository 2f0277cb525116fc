//! The `tollgate` process: gateway, API, control plane and commands.

mod api;
mod app;
mod cli;
mod commands;
mod config;
mod control;
mod gateway;
mod headers;
mod identity;
mod live;
mod logging;
mod metrics;
mod net;
mod output;
mod refusal;
mod reload;
mod replay;
mod sandbox;
mod server;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
