//! The `tollgate` process: gateway, API, control plane and commands.

mod cli;
mod commands;
mod config;
mod metrics;
mod net;
mod output;
mod replay;
mod sandbox;

fn main() -> std::process::ExitCode {
    cli::run()
}
