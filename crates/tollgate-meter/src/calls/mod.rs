//! Calls of a provider's own tools that are charged by the call: searches of the web.
//!
//! A request tells which it enables ([`PaidTools`]), an answer how many were made. Where
//! usage tells them, that counts; elsewhere the answer's own parts are counted as they pass.

mod finds;
#[cfg(test)]
mod tests;

use finds::Finds;

use crate::{Basis, Counts};

/// Tools of the provider's that a request enables and that are charged by the call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PaidTools {
    /// How often the web may be searched: so often as the request says at most, or
    /// [`ALLOWED_SEARCHES`] times where it does not say.
    pub searches: u64,
    /// The member that enables others, of which no price is known, or that may: what a provider
    /// has kept may have whatever tools.
    pub others: Option<&'static str>,
}

/// How often a request is taken to search that sets no bound.
pub const ALLOWED_SEARCHES: u64 = 5;

/// More searches than any request makes: a provider that tells more is not believed.
pub const MAX_TOLD_SEARCHES: u64 = 10_000;

impl PaidTools {
    /// The web may be searched, so often at most if that is known.
    pub(crate) fn search(&mut self, most: Option<u64>) {
        let most = most.unwrap_or(ALLOWED_SEARCHES).min(MAX_TOLD_SEARCHES);
        self.searches = self.searches.saturating_add(most);
    }
}

/// How the searches of an answer in one piece are counted.
#[derive(Debug)]
pub(crate) enum Searches {
    /// As its usage tells them.
    Told,
    /// Each answer makes so many.
    Fixed(u64),
    /// As many as there are of the first in it, without those of the second, which are free.
    Parts(Finds, Finds),
    /// As many as it names queries; where answers are charged and not queries, one at most.
    Queries(Finds, bool),
}

impl Searches {
    /// Of OpenAI's responses: calls of the tool, but for those that only read a page.
    pub(crate) fn of_responses() -> Self {
        let calls = Finds::new(&["output", "*", "type"], &[CALL]);
        Self::Parts(calls, Finds::new(&["output", "*", "action", "type"], &READS))
    }

    /// Of Google's answers.
    pub(crate) fn of_gemini(model: &str) -> Self {
        const QUERIES: [&str; 5] =
            ["candidates", "*", "groundingMetadata", "webSearchQueries", "*"];
        Self::Queries(Finds::new(&QUERIES, &[]), is_charged_by_answer(model))
    }

    pub(crate) fn push(&mut self, chunk: &[u8]) {
        match self {
            Self::Told | Self::Fixed(_) => {}
            Self::Parts(calls, reads) => {
                calls.push(chunk);
                reads.push(chunk);
            }
            Self::Queries(queries, _) => queries.push(chunk),
        }
    }

    /// How many there were, where usage told `counts` or was estimated. An answer that did not
    /// come whole is taken to have made all that were `allowed`.
    pub(crate) fn count(&self, counts: &Counts, told: (Basis, bool), allowed: u64) -> u64 {
        let (basis, is_whole) = told;
        let seen = match self {
            Self::Fixed(searches) => return *searches,
            Self::Told if basis == Basis::Told => return counts.searches,
            Self::Told => allowed,
            Self::Parts(calls, reads) => calls.count().saturating_sub(reads.count()),
            Self::Queries(queries, by_answer) => charged(queries.count(), *by_answer),
        };
        if is_whole { seen } else { seen.max(allowed) }
    }
}

/// A call of the tool that searches, in responses.
pub(crate) const CALL: &str = "web_search_call";

/// What such a call does where it does not search.
pub(crate) const READS: [&str; 2] = ["open_page", "find_in_page"];

/// Whether Google charges an answer that searched, and not each of its queries: so it does for
/// its models before the third generation.
pub(crate) fn is_charged_by_answer(model: &str) -> bool {
    let generation = model.strip_prefix("gemini-").and_then(|rest| rest.bytes().next());
    matches!(generation, Some(b'1' | b'2'))
}

/// What so many queries count as.
pub(crate) const fn charged(queries: u64, by_answer: bool) -> u64 {
    if by_answer && queries > 1 { 1 } else { queries }
}
