//! The log: to stderr, for people or for programs.

use tollgate_core::policy::settings::{Log, LogFormat, LogLevel};
use tracing_subscriber::EnvFilter;

/// Begins to log. A second time changes nothing.
pub(crate) fn start(settings: &Log) {
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter(settings.level))
        .with_writer(std::io::stderr);
    // It fails where something logs already.
    let _ = match settings.format {
        LogFormat::Text => log.with_ansi(is_terminal()).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
}

/// Tollgate's own lines from that level on; of the libraries, only what is wrong.
fn filter(level: LogLevel) -> EnvFilter {
    let of_others = match level {
        LogLevel::Error => "error",
        LogLevel::Warn | LogLevel::Info | LogLevel::Debug | LogLevel::Trace => "warn",
    };
    EnvFilter::new(format!("{of_others},tollgate={}", level.name()))
}

fn is_terminal() -> bool {
    use std::io::IsTerminal as _;
    std::io::stderr().is_terminal()
}
