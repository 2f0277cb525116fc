//! The gateway under measurement: the `assistant` policy's seven limits with amounts that
//! refuse nothing, the embedded ledger (or none), metrics and logging.

use std::{fs, net::SocketAddr, path::Path};

use anyhow::Result;

use super::process::{self, Process};

/// Where the gateway keeps its accounts, and whether it keeps answers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kept {
    InLedger,
    InMemory,
    /// In the ledger, and answers in memory.
    WithAnswers,
    /// In the ledger, and no alert is looked for.
    Unwatched,
}

/// All alerts off.
const UNWATCHED: &str = r#"store = { kind = "embedded", path = "unwatched.db" }
cache = { enabled = false }

[alerts]
circuit_open = { enabled = false }
failure_rate = { enabled = false }
nodes_disagree = { enabled = false }
queue_filling = { enabled = false }
redis_memory = { enabled = false }
cost_spike = { enabled = false }
low_tokens = { enabled = false }
utilisation = { enabled = false }
refused = { enabled = false }
budget = { enabled = false }
budget_exhausted = { enabled = false }
fail_open = { enabled = false }
critical_health = { enabled = false }"#;

/// Writes the policy and starts the gateway before this upstream.
pub(super) fn start(folder: &Path, upstream: SocketAddr, kept: Kept) -> Result<Process> {
    start_with(folder, upstream, process::free_address()?, kept)
}

/// The same, with its control plane there.
pub(super) fn start_with(
    folder: &Path,
    upstream: SocketAddr,
    admin: SocketAddr,
    kept: Kept,
) -> Result<Process> {
    let (name, kept) = match kept {
        Kept::InLedger => (
            "gateway",
            "store = { kind = \"embedded\", path = \"ledger.db\" }\ncache = { enabled = false }",
        ),
        Kept::InMemory => {
            ("forgetful", "store = { kind = \"memory\" }\ncache = { enabled = false }")
        }
        Kept::WithAnswers => (
            "caching",
            "store = { kind = \"embedded\", path = \"caching.db\" }\ncache = { enabled = true }",
        ),
        Kept::Unwatched => ("unwatched", UNWATCHED),
    };
    let file = format!("{name}.toml");
    Process::start(name, folder, |listen| {
        let policy = policy([listen, admin, upstream], kept);
        fs::write(folder.join(&file), policy)?;
        process::tollgate(["serve", "--policy", &file])
    })
}

fn policy([listen, admin, upstream]: [SocketAddr; 3], kept: &str) -> String {
    format!(
        r#"extends = "assistant"
{kept}

[server]
listen = "{listen}"
admin_listen = "{admin}"

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
