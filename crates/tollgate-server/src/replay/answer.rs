//! Reads the usage from an answer, plain or streamed, by itself and within bounds.

use serde::Deserialize;

use super::{outcome::Loss, price::Tokens};

/// Takes an answer in as it arrives.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A JSON document, read when it is whole.
    Plain(Vec<u8>),
    /// Server-sent events, read line by line.
    Stream(Lines),
}

/// A stream of lines of which the last is not whole yet.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    unfinished: Vec<u8>,
    used: Option<Tokens>,
    terminated: bool,
    failed: bool,
}

#[derive(Deserialize)]
struct Document {
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    error: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
}

/// The longest plain answer, and the longest line of a stream, in bytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;

impl Answer {
    /// An answer whose response head says that it is a stream, or not.
    pub(crate) fn new(stream: bool) -> Self {
        if stream { Self::Stream(Lines::default()) } else { Self::Plain(Vec::new()) }
    }

    /// Takes what has arrived.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), Loss> {
        match self {
            Self::Plain(document) => append(document, bytes),
            Self::Stream(lines) => lines.push(bytes),
        }
    }

    /// What was used, by the answer's own words, now that it is whole.
    pub(crate) fn finish(self) -> Result<Option<Tokens>, Loss> {
        match self {
            Self::Plain(document) => {
                let document: Document =
                    serde_json::from_slice(&document).map_err(|_| Loss::Unreadable)?;
                Ok(document.usage.map(Tokens::from))
            }
            Self::Stream(lines) if lines.terminated && !lines.failed => Ok(lines.used),
            Self::Stream(_) => Err(Loss::Unterminated),
        }
    }
}

impl Lines {
    fn push(&mut self, mut bytes: &[u8]) -> Result<(), Loss> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            if self.unfinished.is_empty() {
                self.line(line)?;
            } else {
                append(&mut self.unfinished, line)?;
                let whole = std::mem::take(&mut self.unfinished);
                self.line(&whole)?;
            }
            bytes = &rest[1..];
        }
        append(&mut self.unfinished, bytes)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Loss> {
        let Some(data) = line.strip_prefix(b"data:") else { return Ok(()) };
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            self.terminated = true;
            return Ok(());
        }
        let chunk: Chunk = serde_json::from_slice(data).map_err(|_| Loss::Unreadable)?;
        self.failed |= chunk.error.is_some();
        if let Some(usage) = chunk.usage {
            self.used = Some(usage.into());
        }
        Ok(())
    }
}

impl From<Usage> for Tokens {
    fn from(usage: Usage) -> Self {
        Self { input: usage.prompt_tokens, output: usage.completion_tokens }
    }
}

fn append(held: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Loss> {
    if held.len() + bytes.len() > MAX_BYTES {
        return Err(Loss::Unreadable);
    }
    held.extend_from_slice(bytes);
    Ok(())
}
