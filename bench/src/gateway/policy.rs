//! The gateway under measurement: the `assistant` policy's seven limits with amounts that
//! refuse nothing, the embedded ledger (or none), metrics and logging.

use std::{fs, net::SocketAddr, path::Path};

use anyhow::Result;

use super::process::{self, Process};

/// Where the gateway keeps its accounts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kept {
    InLedger,
    InMemory,
}

/// Writes the policy and starts the gateway before this upstream.
pub(super) fn start(folder: &Path, upstream: SocketAddr, kept: Kept) -> Result<Process> {
    let (name, store) = match kept {
        Kept::InLedger => ("gateway", "kind = \"embedded\"\npath = \"ledger.db\""),
        Kept::InMemory => ("forgetful", "kind = \"memory\""),
    };
    let file = format!("{name}.toml");
    Process::start(name, folder, |listen| {
        let policy = policy([listen, process::free_address()?, upstream], store);
        fs::write(folder.join(&file), policy)?;
        process::tollgate(["serve", "--policy", &file])
    })
}

fn policy([listen, admin, upstream]: [SocketAddr; 3], store: &str) -> String {
    format!(
        r#"extends = "assistant"

[server]
listen = "{listen}"
admin_listen = "{admin}"

[store]
{store}

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
