//! The `tollgate` process: gateway, API, control plane and commands.

mod app;
mod cli;
mod commands;
mod config;
mod gateway;
mod headers;
mod identity;
mod live;
mod metrics;
mod net;
mod output;
mod refusal;
mod replay;
mod sandbox;

fn main() -> std::process::ExitCode {
    cli::run()
}
