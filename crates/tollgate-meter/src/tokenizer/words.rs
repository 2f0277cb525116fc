//! Counts by a vocabulary, at a fraction of what its expression and its automaton take for each
//! piece: both alike for any text.
//!
//! A vocabulary splits a text by an expression, and counts each piece by itself. Most pieces are
//! words of ASCII letters behind a space, which is seen without the expression; and a piece that
//! is in the vocabulary is one token, which is seen without the automaton.

use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// A vocabulary, and which words are in it.
pub(super) struct Words {
    all: &'static bpe_openai::Tokenizer,
    /// The numbers of those tokens that are words.
    known: HashTable<u32>,
}

impl Words {
    pub(super) fn of(all: &'static bpe_openai::Tokenizer) -> Self {
        let bytes = |token: u32| all.bpe.token_bytes(token);
        let tokens = (0..).take(all.bpe.num_tokens());
        let words = tokens.filter(|token| word(bytes(*token)) == Some(bytes(*token).len()));
        let words: Vec<u32> = words.collect();
        let mut known = HashTable::with_capacity(words.len());
        for word in words {
            known.insert_unique(hash(bytes(word)), word, |other| hash(bytes(*other)));
        }
        Self { all, known }
    }

    /// How many tokens a text is.
    pub(super) fn count(&self, text: &str) -> usize {
        let Some(expression) = &self.all.pre else { return self.all.count(text) };
        let (mut left, mut tokens) = (text, 0);
        while !left.is_empty() {
            if let Some(length) = word(left.as_bytes()) {
                let (word, after) = left.split_at(length);
                tokens += self.count_word(word.as_bytes());
                left = after;
            } else if let Some(piece) = expression.split(left).next() {
                tokens += self.all.bpe.count(piece.as_bytes());
                left = &left[piece.len()..];
            } else {
                break;
            }
        }
        tokens
    }

    fn count_word(&self, word: &[u8]) -> usize {
        let is_it = |token: &u32| self.all.bpe.token_bytes(*token) == word;
        match self.known.find(hash(word), is_it) {
            Some(_) => 1,
            None => self.all.bpe.count(word),
        }
    }
}

/// The length of the word that a text begins with, with the one character before its letters
/// that belongs to it: as much as the expression of any vocabulary here takes as one piece. Left
/// to the expression is what they part differently (`camelCase`), what goes on beyond ASCII, and
/// whatever has to do with an apostrophe.
fn word(text: &[u8]) -> Option<usize> {
    let before = usize::from(text.first().is_some_and(|byte| belongs_to_a_word(*byte)));
    let upper = count_while(&text[before..], u8::is_ascii_uppercase);
    let lower = count_while(&text[before + upper..], u8::is_ascii_lowercase);
    let length = before + upper + lower;
    let ends = |next: &u8| next.is_ascii() && !next.is_ascii_alphabetic() && *next != b'\'';
    (length > before && text.get(length).is_none_or(ends)).then_some(length)
}

const fn belongs_to_a_word(before: u8) -> bool {
    before.is_ascii() && !before.is_ascii_alphanumeric() && !matches!(before, b'\r' | b'\n' | b'\'')
}

fn count_while(bytes: &[u8], is_one: impl Fn(&u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| is_one(byte)).count()
}

fn hash(word: &[u8]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(word);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{CL100K, O200K};

    /// Texts like those of people, of programs, and of whoever looks for a difference.
    fn text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            8 => "[ ]?[a-z]{1,12}",
            2 => "[ .,\"(\t]?[A-Z]{0,3}[a-z]{0,6}",
            2 => "[a-z]{1,3}'(s|t|re|ve|m|ll|d|S|LL|x)?[a-z]{0,2}",
            2 => "[ ]{1,3}|[\r\n\t ]{1,4}",
            2 => "[0-9]{1,5}|[!-/:-@]{1,3}",
            1 => "\\PC{1,3}",
            1 => "[a-z]{0,2}(\u{301}|é|ß|ǅ|ʰ|漢|\u{a0}|\u{2028}|ſ|K)[a-zA-Z]{0,3}",
            1 => any::<char>().prop_map(String::from),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn a_text_is_as_many_tokens_as_its_vocabulary_says(text in text()) {
            for words in [&CL100K, &O200K] {
                prop_assert_eq!(words.count(&text), words.all.count(&text), "{:?}", text);
            }
        }
    }

    #[test]
    fn every_word_of_a_vocabulary_is_one_token() {
        for words in [&CL100K, &O200K] {
            assert!(words.known.len() > 10_000, "{}", words.known.len());
            for token in &words.known {
                assert_eq!(words.all.bpe.count(words.all.bpe.token_bytes(*token)), 1);
            }
        }
    }
}
