//! What requests really used, by their ids: a file, made from a provider's bill.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read, Seek as _},
    path::Path,
};

use anyhow::{Context as _, anyhow, bail};
use serde::Deserialize;
use tollgate_core::{Demand, NanoUsd, ReservationId, Usage};
use uuid::Uuid;

/// What is known of one request. What a line leaves out stays as it was reserved; other
/// columns and members are passed over.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Known {
    id: Uuid,
    #[serde(default)]
    usd: Option<NanoUsd>,
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
    #[serde(default)]
    milliseconds: Option<u64>,
}

type Numbered = (u64, anyhow::Result<Known>);

/// What is known of each request that the file names.
pub(super) type Usages = std::collections::HashMap<ReservationId, Known>;

/// Lines of a file.
const MAX_LINES: usize = 1_000_000;

/// The longest line of JSON, in bytes.
const MAX_LINE: u64 = 64 * 1024;

impl Known {
    const fn says_nothing(&self) -> bool {
        let tokens = self.input_tokens.is_none() && self.output_tokens.is_none();
        tokens && self.usd.is_none() && self.milliseconds.is_none()
    }

    /// What was used of what was reserved.
    pub(super) fn of(self, reserved: &Demand) -> Usage {
        Usage {
            requests: reserved.requests,
            input_tokens: self.input_tokens.unwrap_or(reserved.input_tokens),
            output_tokens: self.output_tokens.unwrap_or(reserved.output_tokens),
            cost: self.usd.unwrap_or(reserved.cost),
            millis: self.milliseconds.unwrap_or(reserved.millis),
        }
    }
}

/// Reads CSV with a header, or JSON lines: the first character tells which.
pub(super) fn read(path: &Path) -> anyhow::Result<Usages> {
    let place = || path.display();
    let mut file = File::open(path).with_context(|| format!("{} can't be read", place()))?;
    let mut first = [0];
    let is_json = file.read(&mut first)? == 1 && first == *b"{";
    file.rewind()?;
    let mut usages = Usages::new();
    let lines: Box<dyn Iterator<Item = Numbered>> =
        if is_json { Box::new(json(file)) } else { Box::new(csv(file)) };
    for (number, known) in lines {
        let at = || format!("{}, line {number}", place());
        let known = known.with_context(at)?;
        if known.says_nothing() {
            bail!("{}: give usd, input_tokens, output_tokens or milliseconds", at());
        }
        if usages.insert(ReservationId(known.id.as_u128()), known).is_some() {
            bail!("{}: {} is there twice: keep one of the lines", at(), known.id);
        }
        if usages.len() > MAX_LINES {
            bail!("{} has more than {MAX_LINES} lines: split it", place());
        }
    }
    Ok(usages)
}

fn csv(file: File) -> impl Iterator<Item = Numbered> {
    let csv = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    (2..).zip(csv.into_deserialize()).map(|(number, line)| match line {
        Ok(known) => (number, Ok(known)),
        Err(error) => (error.position().map_or(number, csv::Position::line), Err(told(&error))),
    })
}

/// What is wrong with a line of CSV, without the numbers of bytes and records.
fn told(error: &csv::Error) -> anyhow::Error {
    match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => anyhow!("{}", err.kind()),
        _ => anyhow!("{error}"),
    }
}

fn json(file: File) -> impl Iterator<Item = Numbered> {
    let mut reader = BufReader::new(file);
    let mut number = 0;
    std::iter::from_fn(move || {
        loop {
            let mut line = String::new();
            number += 1;
            match reader.by_ref().take(MAX_LINE).read_line(&mut line) {
                Ok(0) => return None,
                Ok(_) if line.trim().is_empty() => {}
                Ok(_) => return Some((number, serde_json::from_str(&line).map_err(Into::into))),
                Err(error) => return Some((number, Err(error.into()))),
            }
        }
    })
}
