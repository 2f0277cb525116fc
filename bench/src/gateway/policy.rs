//! The gateway under measurement: the `assistant` policy's seven limits with amounts that
//! refuse nothing, the embedded ledger, metrics and logging.

use std::{fs, net::SocketAddr, path::Path};

use anyhow::Result;

use super::process::{self, Process};

/// Writes the policy and starts the gateway before this upstream.
pub(super) fn start(folder: &Path, upstream: SocketAddr) -> Result<Process> {
    Process::start("gateway", folder, |listen| {
        fs::write(folder.join("policy.toml"), policy(listen, process::free_address()?, upstream))?;
        process::tollgate(["serve", "--policy", "policy.toml"])
    })
}

fn policy(listen: SocketAddr, admin: SocketAddr, upstream: SocketAddr) -> String {
    format!(
        r#"extends = "assistant"

[server]
listen = "{listen}"
admin_listen = "{admin}"

[store]
kind = "embedded"
path = "ledger.db"

[log]
level = "info"
format = "json"

[identity]
trust_headers = true

[providers.openai]
dialect = "openai"
base_url = "http://{upstream}/v1"

[[limits]]
name = "user-minute"
requests = "1000000000/minute"

[[limits]]
name = "user-hour"
requests = "1000000000/hour"

[[limits]]
name = "user-day"
requests = "1000000000/day"

[[limits]]
name = "user-spend"
usd = "1000000/day"

[[limits]]
name = "global-slots"
concurrency = 1000000

[[limits]]
name = "global-hour"
requests = "1000000000/hour"

[[limits]]
name = "global-spend"
usd = "1000000/day"
"#
    )
}
