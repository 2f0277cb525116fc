//! The gateway under overload: with a limit on how many at once, or with none.

use std::{fs, net::SocketAddr, path::Path};

use anyhow::Result;

use crate::gateway::process::{self, Process};

/// Writes the policy and starts the gateway before this upstream.
pub(super) fn start(folder: &Path, upstream: SocketAddr, slots: Option<u32>) -> Result<Process> {
    let (name, limits) = match slots {
        Some(slots) => {
            ("limited", format!("[[limits]]\nname = \"slots\"\nconcurrency = {slots}\n"))
        }
        None => ("unlimited", String::new()),
    };
    let file = format!("{name}.toml");
    Process::start(name, folder, |listen| {
        let admin = process::free_address()?;
        let policy = format!(
            r#"[server]
listen = "{listen}"
admin_listen = "{admin}"

[store]
kind = "embedded"
path = "{name}.db"

[log]
level = "info"
format = "json"

[identity]
trust_headers = true
allow_anonymous = true

[providers.openai]
dialect = "openai"
base_url = "http://{upstream}/v1"
{limits}"#
        );
        fs::write(folder.join(&file), policy)?;
        process::tollgate(["serve", "--policy", &file])
    })
}
