//! `tollgate keys`: keys for callers.

use std::{
    io::{BufRead as _, IsTerminal as _, stdin},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use serde_json::json;

use crate::{identity::KEY_PREFIX, output};

/// Makes keys for callers, and the hashes that a policy keeps of them.
#[derive(Debug, clap::Args)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, clap::Subcommand)]
enum KeysCommand {
    /// Makes a new key, or hashes the one that is piped in; shows what to put into the policy.
    Hash(HashArgs),
}

#[derive(Debug, clap::Args)]
struct HashArgs {
    /// The key's public name in the policy.
    #[arg(long, value_name = "NAME", default_value = "my-key")]
    id: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// A key that is shown once.
struct Key {
    text: String,
    is_new: bool,
}

/// The bytes of a new key that are random.
const RANDOM_BYTES: usize = 32;

/// The longest key that is read, in bytes.
const MAX_BYTES: usize = 512;

/// Does what the subcommand says.
pub(crate) fn run(args: &KeysArgs) -> anyhow::Result<ExitCode> {
    let KeysCommand::Hash(args) = &args.command;
    let key = if stdin().is_terminal() { None } else { piped()? };
    let key = key.unwrap_or_else(Key::new);
    let hash = format!("blake3:{}", blake3::hash(key.text.as_bytes()).to_hex());
    if args.json {
        let shown = key.is_new.then_some(&key.text);
        output::line(json!({ "id": args.id, "key": shown, "hash": hash }));
        return Ok(ExitCode::SUCCESS);
    }
    if key.is_new {
        output::note("The key, shown this once; give it to the caller as the API key:");
        output::line(&key.text);
        output::note("");
    }
    output::note("For the policy, which keeps the hash only:");
    output::line(format_args!("[[keys]]\nid = {}\nhash = \"{hash}\"", json!(args.id)));
    Ok(ExitCode::SUCCESS)
}

/// The key that is piped in; nothing where nothing is.
fn piped() -> anyhow::Result<Option<Key>> {
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
    Ok(Some(Key { text: text.to_owned(), is_new: false }))
}

impl Key {
    fn new() -> Self {
        let random: [u8; RANDOM_BYTES] = rand::random();
        let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { text: format!("{KEY_PREFIX}{digits}"), is_new: true }
    }
}
