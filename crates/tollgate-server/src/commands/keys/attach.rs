//! `tollgate keys attach` and `detach`: a provider's key of the caller's own.
//!
//! It is piped in or named by its variable, so that it stands in no list of processes and in
//! no history.

use std::{
    io::{IsTerminal as _, Read as _, stdin},
    process::ExitCode,
};

use anyhow::Context as _;

use super::show;
use crate::{
    commands::roster::{RosterArgs, at_desk},
    roster::{ProviderKey, check_provider},
};

#[derive(Debug, clap::Args)]
pub(super) struct AttachArgs {
    /// The Tollgate key's id
    #[arg(value_name = "ID")]
    id: String,
    /// The provider, as the policy names it
    provider: String,
    /// The environment variable that holds the provider's key; it is read from the input if
    /// not given
    #[arg(long, value_name = "VARIABLE")]
    from_env: Option<String>,
    #[command(flatten)]
    roster: RosterArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct DetachArgs {
    /// The Tollgate key's id
    #[arg(value_name = "ID")]
    id: String,
    /// The provider
    provider: String,
    #[command(flatten)]
    roster: RosterArgs,
}

/// The longest input that is read, in bytes.
const MAX_INPUT_BYTES: u64 = 16 * 1024;

/// Attaches a provider's key.
pub(super) fn attach(args: &AttachArgs) -> anyhow::Result<ExitCode> {
    let text = match &args.from_env {
        Some(name) => std::env::var(name)
            .with_context(|| format!("{name}, which --from-env names, can't be read"))?,
        None if stdin().is_terminal() => anyhow::bail!(
            "pipe the provider's key in, or name the variable that holds it with --from-env"
        ),
        None => {
            let mut text = String::new();
            let read = stdin().lock().take(MAX_INPUT_BYTES).read_to_string(&mut text);
            read.context("cannot read the provider's key from the input")?;
            text
        }
    };
    at_desk(&args.roster, |mut desk| {
        check_provider(&args.provider, &desk.config.settings)?;
        let own = ProviderKey::parse(&text)?;
        args.roster.tell(&desk.book.attach(&args.id, &args.provider, &own, &desk.by)?, show::one);
        Ok(ExitCode::SUCCESS)
    })
}

/// Forgets a provider's key.
pub(super) fn detach(args: &DetachArgs) -> anyhow::Result<ExitCode> {
    at_desk(&args.roster, |mut desk| {
        args.roster.tell(&desk.book.detach(&args.id, &args.provider, &desk.by)?, show::one);
        Ok(ExitCode::SUCCESS)
    })
}
