//! `tollgate keys hash`: keys that stand in the policy, by their hashes.

use std::{
    io::{BufRead as _, IsTerminal as _, stdin},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use serde_json::json;

use crate::{identity::KEY_PREFIX, output, roster::KeyText};

#[derive(Debug, clap::Args)]
pub(super) struct HashArgs {
    /// The key's public name in the policy.
    #[arg(long, value_name = "NAME", default_value = "my-key")]
    id: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// The longest key that is read, in bytes.
const MAX_BYTES: usize = 512;

/// Makes a key or hashes the one that is piped in, and shows what to put into the policy.
pub(super) fn run(args: &HashArgs) -> anyhow::Result<ExitCode> {
    let given = if stdin().is_terminal() { None } else { piped()? };
    let new = given.is_none().then(KeyText::random);
    let new = new.as_ref().map(KeyText::expose);
    let text = new.or(given.as_deref()).unwrap_or_default();
    let hash = format!("blake3:{}", blake3::hash(text.as_bytes()).to_hex());
    if args.json {
        output::line(json!({ "id": args.id, "key": new, "hash": hash }));
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(new) = new {
        output::note("The key, shown this once; give it to the caller as the API key:");
        output::line(new);
        output::note("");
    }
    output::note("For the policy, which keeps the hash only:");
    output::line(format_args!("[[keys]]\nid = {}\nhash = \"{hash}\"", json!(args.id)));
    Ok(ExitCode::SUCCESS)
}

/// The key that is piped in; nothing where nothing is.
fn piped() -> anyhow::Result<Option<String>> {
    let mut line = String::new();
    stdin().lock().read_line(&mut line).context("cannot read the key from stdin")?;
    let text = line.trim();
    if text.is_empty() {
        return Ok(None);
    }
    // What is wrong is said without the key.
    if !text.starts_with(KEY_PREFIX) || text.len() > MAX_BYTES || text.contains(char::is_whitespace)
    {
        bail!(
            "this is no Tollgate key: it begins with {KEY_PREFIX}, has no spaces and at most {MAX_BYTES} bytes"
        );
    }
    Ok(Some(text.to_owned()))
}
