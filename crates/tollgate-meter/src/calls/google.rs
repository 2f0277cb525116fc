//! Calls of Google's tools, by what an answer says of its sources.
//!
//! Searches name their queries, each of which is charged once, and which are those of maps where
//! maps alone are among the sources. Models before the third generation are charged by the
//! answer that had sources, and not by the query.

use super::{Calls, Distinct, Finds, Tool};

/// What the sources of an answer are.
#[derive(Debug, Default)]
pub(crate) struct Grounded {
    /// The queries.
    pub(crate) queries: Distinct,
    /// Whether pages are among the sources, and whether places are.
    pub(crate) web: bool,
    pub(crate) maps: bool,
}

/// The sources of an answer that comes in one piece.
#[derive(Debug)]
pub(crate) struct Grounding {
    queries: Finds,
    sources: Finds,
    by_answer: bool,
}

/// Kinds of sources.
pub(crate) const SOURCES: [&str; 2] = ["web", "maps"];

impl Grounding {
    /// Of the answers of a model.
    pub(crate) fn of(model: &str) -> Self {
        const QUERIES: [&str; 5] =
            ["candidates", "*", "groundingMetadata", "webSearchQueries", "*"];
        const KINDS: [&str; 6] =
            ["candidates", "*", "groundingMetadata", "groundingChunks", "*", ""];
        Self {
            queries: Finds::distinct(&QUERIES),
            sources: Finds::members(&KINDS, &SOURCES),
            by_answer: is_charged_by_answer(model),
        }
    }

    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.queries.push(chunk);
        self.sources.push(chunk);
    }

    pub(super) fn count(&self) -> Calls {
        let [web, maps, _] = self.sources.counts();
        charged(self.queries.distinct_count(), (web > 0, maps > 0), self.by_answer)
    }
}

impl Grounded {
    pub(crate) fn count(&self, by_answer: bool) -> Calls {
        charged(self.queries.count(), (self.web, self.maps), by_answer)
    }
}

/// What so many queries with such sources count as.
fn charged(queries: u64, (web, maps): (bool, bool), by_answer: bool) -> Calls {
    let (searched, mapped) = if maps && !web { (0, queries) } else { (queries, 0) };
    let once = |count: u64| if by_answer { count.min(1) } else { count };
    let mut calls = Calls::NONE;
    calls[Tool::Search] = once(searched);
    calls[Tool::Maps] = if maps { once(mapped.max(1)) } else { 0 };
    calls
}

/// Whether Google charges an answer that had sources, and not each of its queries: so it does for
/// its models before the third generation.
pub(crate) fn is_charged_by_answer(model: &str) -> bool {
    let generation = model.strip_prefix("gemini-").and_then(|rest| rest.bytes().next());
    matches!(generation, Some(b'1' | b'2'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(queries: u64, sources: (bool, bool), by_answer: bool) -> (u64, u64) {
        let calls = charged(queries, sources, by_answer);
        (calls[Tool::Search], calls[Tool::Maps])
    }

    #[test]
    fn generations_are_told_by_the_name() {
        for (model, by_answer) in [
            ("gemini-2.5-pro", true),
            ("gemini-1.5-flash", true),
            ("gemini-3-pro-preview", false),
            ("gemini-flash-latest", false),
            ("other", false),
        ] {
            assert_eq!(is_charged_by_answer(model), by_answer, "{model}");
        }
    }

    #[test]
    fn queries_are_those_of_maps_where_maps_alone_are_sources() {
        for (queries, sources, by_query, by_answer) in [
            (0, (false, false), (0, 0), (0, 0)),
            (3, (false, false), (3, 0), (1, 0)),
            (3, (true, false), (3, 0), (1, 0)),
            (3, (false, true), (0, 3), (0, 1)),
            (0, (false, true), (0, 1), (0, 1)),
            (3, (true, true), (3, 1), (1, 1)),
        ] {
            assert_eq!(counted(queries, sources, false), by_query, "{queries} {sources:?}");
            assert_eq!(counted(queries, sources, true), by_answer, "{queries} {sources:?}");
        }
    }
}
