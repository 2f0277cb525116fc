//! The gateways under measurement: providers behind witnesses, and no limit of the gateway's
//! own.

use std::{fmt::Write as _, fs, net::SocketAddr, path::Path};

use anyhow::Result;

use crate::gateway::process::{self, Process};

/// A provider, and what the policy says of it beside its address.
pub(super) struct Upstream<'a> {
    pub(super) name: &'a str,
    pub(super) address: SocketAddr,
    pub(super) says: &'a str,
}

/// Starts a gateway; `more` stands at the end of its policy.
///
/// # Errors
/// When it does not start.
pub(super) fn start(
    name: &str,
    folder: &Path,
    upstreams: &[Upstream<'_>],
    more: &str,
) -> Result<Process> {
    let file = format!("{name}.toml");
    Process::start(name, folder, |listen| {
        let admin = process::free_address()?;
        let mut policy = format!(
            "[server]\nlisten = \"{listen}\"\nadmin_listen = \"{admin}\"\n\
             [store]\nkind = \"memory\"\n[log]\nlevel = \"info\"\nformat = \"json\"\n\
             [identity]\ntrust_headers = true\n"
        );
        for Upstream { name, address, says } in upstreams {
            writeln!(
                policy,
                "[providers.{name}]\ndialect = \"openai\"\nbase_url = \"http://{address}/v1\"\n{says}"
            )?;
        }
        policy.push_str(more);
        fs::write(folder.join(&file), policy)?;
        process::tollgate(["serve", "--policy", &file])
    })
}

/// Starts a sandbox with these options.
///
/// # Errors
/// When it does not start.
pub(super) fn sandbox(name: &str, folder: &Path, options: &[&str]) -> Result<Process> {
    Process::start(name, folder, |listen| {
        let listen = listen.to_string();
        process::tollgate(["sandbox", "--listen", &listen].iter().chain(options))
    })
}
