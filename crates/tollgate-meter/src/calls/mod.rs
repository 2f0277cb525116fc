//! Calls of a provider's own tools that are charged by the call: searches of the web and of files,
//! containers for code, maps.
//!
//! A request tells which it enables ([`PaidTools`]), an answer how many were made. Where
//! usage tells them, that counts; elsewhere the answer's own parts are counted as they pass.

mod distinct;
mod finds;
mod google;
#[cfg(test)]
mod tests;
mod tool;

pub(crate) use distinct::Distinct;
use finds::Finds;
pub(crate) use google::{Grounded, Grounding, is_charged_by_answer};
pub use tool::{Calls, Fees, PerTool, Tool};

use crate::{Basis, Counts};

/// Tools of the provider's that a request enables and that are charged by the call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PaidTools {
    /// How often each may be called: so often as the request says at most, or
    /// [`ALLOWED_CALLS`] times where it does not say.
    pub calls: Calls,
    /// What the provider has kept may bring whatever tools.
    pub kept: Option<Kept>,
    /// The member that enables others, for which no price can be given.
    pub others: Option<&'static str>,
}

/// Something that the provider has kept, tools included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The member that names it.
    pub member: &'static str,
    /// How often it is taken to search the web, where its tools have no price as a whole.
    pub searches: u64,
}

/// How often a request is taken to call a tool if it sets no bound.
pub const ALLOWED_CALLS: u64 = 5;

/// More calls than any request makes: a provider that tells more is not believed.
pub const MAX_TOLD_CALLS: u64 = 10_000;

impl PaidTools {
    /// A tool may be called, so often at most if that is known.
    pub(crate) fn allow(&mut self, tool: Tool, most: Option<u64>) {
        let most = most.unwrap_or(ALLOWED_CALLS).min(MAX_TOLD_CALLS);
        self.calls[tool] = self.calls[tool].saturating_add(most);
    }

    /// What is kept under this member may be used; its searches are bounded so if that is known.
    pub(crate) fn keep(&mut self, member: &'static str, most: Option<u64>) {
        let searches = most.unwrap_or(ALLOWED_CALLS).min(MAX_TOLD_CALLS);
        self.kept = Some(Kept { member, searches });
    }

    /// How often each may be called, whatever enables it.
    #[must_use]
    pub fn allowed(&self) -> Calls {
        let mut calls = self.calls;
        let searches = self.kept.map_or(0, |kept| kept.searches);
        calls[Tool::Search] = calls[Tool::Search].saturating_add(searches);
        calls
    }

    /// The tools of what is kept have a price as a whole, so nothing of them must be guessed.
    pub fn price_kept(&mut self) {
        if let Some(kept) = &mut self.kept {
            kept.searches = 0;
            self.calls[Tool::Kept] = 1;
        }
    }
}

/// How the calls of an answer in one piece are counted.
#[derive(Debug)]
pub(crate) enum Called {
    /// As its usage tells them.
    Told,
    /// Each answer makes all that are allowed.
    Fixed,
    /// By the items of a response.
    Items(Items),
    /// By what Google says of the sources of an answer.
    Grounding(Grounding),
}

/// Calls of tools among the items of a response.
#[derive(Debug)]
pub(crate) struct Items {
    calls: Finds,
    /// Those that only read a page, which is free.
    reads: Finds,
    containers: Finds,
}

/// Calls of tools, by the types of items of a response.
pub(crate) const CALLS: [&str; 3] =
    ["web_search_call", "file_search_call", "code_interpreter_call"];

/// What a search of the web does where it does not search.
pub(crate) const READS: [&str; 2] = ["open_page", "find_in_page"];

impl Called {
    /// Of OpenAI's responses.
    pub(crate) fn in_response() -> Self {
        Self::Items(Items {
            calls: Finds::new(&["output", "*", "type"], &CALLS),
            reads: Finds::new(&["output", "*", "action", "type"], &READS),
            containers: Finds::distinct(&["output", "*", "container_id"]),
        })
    }

    pub(crate) fn push(&mut self, chunk: &[u8]) {
        match self {
            Self::Told | Self::Fixed => {}
            Self::Items(items) => {
                items.calls.push(chunk);
                items.reads.push(chunk);
                items.containers.push(chunk);
            }
            Self::Grounding(grounding) => grounding.push(chunk),
        }
    }

    /// How many there were, where usage told `counts` or was estimated. An answer that did not
    /// come whole is taken to have made all that were `allowed`.
    pub(crate) fn count(&self, counts: &Counts, told: (Basis, bool), allowed: Calls) -> Calls {
        let (basis, is_whole) = told;
        let seen = match self {
            Self::Fixed => return allowed,
            Self::Told if basis == Basis::Told => return counts.calls,
            Self::Told => allowed,
            Self::Items(items) => items.count(),
            Self::Grounding(grounding) => grounding.count(),
        };
        if is_whole { with_kept(seen, allowed) } else { seen.max(allowed) }
    }
}

/// What is kept was used, whatever else is told.
pub(crate) fn with_kept(mut seen: Calls, allowed: Calls) -> Calls {
    seen[Tool::Kept] = allowed[Tool::Kept];
    seen
}

impl Items {
    fn count(&self) -> Calls {
        let [searches, files, codes] = self.calls.counts();
        let reads: u64 = self.reads.counts().iter().sum();
        let mut calls = Calls::NONE;
        calls[Tool::Search] = searches.saturating_sub(reads);
        calls[Tool::FileSearch] = files;
        // Of a call that names no container, nobody knows that it shares one.
        let [named, ..] = self.containers.counts();
        let unnamed = codes.saturating_sub(named);
        calls[Tool::CodeInterpreter] = self.containers.distinct_count().saturating_add(unnamed);
        calls
    }
}
