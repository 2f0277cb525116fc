//! Token counts, where the vocabulary of a model is published.

mod words;

use std::{
    fmt,
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::PriceTable;
use words::Words;

/// A published vocabulary. Its tables are made when it is first used and kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tokenizer {
    /// Of GPT-4, GPT-3.5 and the text embeddings.
    Cl100k,
    /// Of GPT-4o, GPT-4.1, GPT-5 and the o-series.
    O200k,
}

static CL100K: LazyLock<Words> = LazyLock::new(|| Words::of(bpe_openai::cl100k_base()));
static O200K: LazyLock<Words> = LazyLock::new(|| Words::of(bpe_openai::o200k_base()));

/// Whose tables are made.
static READY: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];

/// The longest beginning decides. The mapping is that of OpenAI's `tiktoken`.
const MODELS: [(&str, Tokenizer); 14] = [
    ("gpt-4o", Tokenizer::O200k),
    ("chatgpt-4o", Tokenizer::O200k),
    ("gpt-4.1", Tokenizer::O200k),
    ("gpt-4.5", Tokenizer::O200k),
    ("gpt-5", Tokenizer::O200k),
    ("gpt-oss-", Tokenizer::O200k),
    ("o1", Tokenizer::O200k),
    ("o3", Tokenizer::O200k),
    ("o4-mini", Tokenizer::O200k),
    ("gpt-4", Tokenizer::Cl100k),
    ("gpt-3.5-turbo", Tokenizer::Cl100k),
    ("gpt-35-turbo", Tokenizer::Cl100k),
    ("text-embedding-3-", Tokenizer::Cl100k),
    ("text-embedding-ada-002", Tokenizer::Cl100k),
];

/// Beginnings of models that think before they write, beside those that the price table knows:
/// what they think is charged and not sent, so it cannot be metered while it is made.
const THINKERS: [&str; 8] =
    ["o1", "o3", "o4-mini", "gpt-5", "gemini-2.5", "gemini-3", "grok-4", "grok-3-mini"];

/// What stands before the name of the model that another was made from.
const FINE_TUNED: &str = "ft:";

impl Tokenizer {
    /// The vocabulary of a model, if it is published.
    pub fn of_model(model: &str) -> Option<Self> {
        let model = base(model);
        let matching = MODELS.iter().filter(|(name, _)| model.starts_with(name));
        matching.max_by_key(|(name, _)| name.len()).map(|(_, tokenizer)| *tokenizer)
    }

    /// How many tokens a text is, in time linear in its length.
    pub fn count(self, text: &str) -> u64 {
        let words = match self {
            Self::Cl100k => &*CL100K,
            Self::O200k => &*O200K,
        };
        READY[self as usize].store(true, Ordering::Relaxed);
        words.count(text) as u64
    }

    /// Whether its tables are made; the first count makes them, which takes a while.
    pub fn is_ready(self) -> bool {
        READY[self as usize].load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cl100k => "cl100k",
            Self::O200k => "o200k",
        })
    }
}

/// Whether a model is known to think before it writes, without being asked to.
pub(crate) fn is_thinker(model: &str) -> bool {
    let model = base(model);
    PriceTable::builtin().reasons(model) || THINKERS.iter().any(|name| model.starts_with(name))
}

/// The name without where it is served and what it was made into.
fn base(model: &str) -> &str {
    let model = model.rsplit('/').next().unwrap_or(model);
    model.strip_prefix(FINE_TUNED).unwrap_or(model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_counted_by_its_own_vocabulary() {
        let of = Tokenizer::of_model;
        assert_eq!(of("gpt-4o-mini"), Some(Tokenizer::O200k));
        assert_eq!(of("openai/gpt-4.1"), Some(Tokenizer::O200k));
        assert_eq!(of("ft:gpt-3.5-turbo:acme::1"), Some(Tokenizer::Cl100k));
        assert_eq!(of("gpt-4-turbo"), Some(Tokenizer::Cl100k));
        assert_eq!(of("text-embedding-3-small"), Some(Tokenizer::Cl100k));
        assert_eq!(of("Llama-3.2-3B-Instruct"), None);
    }

    #[test]
    fn models_think_that_the_price_table_or_their_names_say_so_of() {
        for model in [
            "o3-pro",
            "gemini-2.5-flash",
            "gemini-2.5-flash-made-later",
            "models/gemini-flash-latest",
            "gemini-pro-latest",
            "grok-4-0709",
            "x/grok-4.5",
            "magistral-medium-latest",
            "ft:o4-mini:acme::1",
        ] {
            assert!(is_thinker(model), "{model}");
        }
        // Claude thinks where it is asked to.
        for model in ["gpt-4o", "claude-opus-4-5", "grok-3", "gemini-2.0-flash", "unheard-of"] {
            assert!(!is_thinker(model), "{model}");
        }
    }

    #[test]
    fn counts_are_those_that_openai_publishes() {
        // The examples of OpenAI's cookbook, "How to count tokens with tiktoken".
        let text = "antidisestablishmentarianism";
        assert_eq!((Tokenizer::Cl100k.count(text), Tokenizer::O200k.count(text)), (6, 6));
        let sum = "2 + 2 = 4";
        assert_eq!((Tokenizer::Cl100k.count(sum), Tokenizer::O200k.count(sum)), (7, 7));
        let birthday = "お誕生日おめでとう";
        assert_eq!((Tokenizer::Cl100k.count(birthday), Tokenizer::O200k.count(birthday)), (9, 8));
    }
}
