//! The query of a question, taken apart name by name.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;

use super::span::{Asked, Cut};
use crate::api::Problem;

/// What the query says and nobody has looked at yet.
#[derive(Debug, Default)]
pub(super) struct Given {
    values: BTreeMap<String, String>,
    /// The names that were looked for.
    known: Vec<&'static str>,
}

impl<S: Send + Sync> FromRequestParts<S> for Given {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query: Result<Query<Vec<(String, String)>>, _> =
            Query::from_request_parts(parts, state).await;
        let Query(pairs) =
            query.map_err(|_| Problem::invalid("The query is no list of NAME=VALUE."))?;
        let mut given = Self::default();
        for (name, value) in pairs {
            if given.values.insert(name.clone(), value).is_some() {
                return Err(Problem::invalid(format!("The query says `{name}` twice.")));
            }
        }
        Ok(given)
    }
}

impl Given {
    /// What it says under this name.
    pub(super) fn take(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        self.values.remove(name)
    }

    /// The same, as one of a few words.
    ///
    /// # Errors
    /// When it is none of them.
    pub(super) fn word<T: Copy>(
        &mut self,
        name: &'static str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.take(name) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, meant)| Some(*meant)).ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            Problem::invalid(format!("`{name}` is `{text}`: choose one of {}.", words.join(", ")))
        })
    }

    /// The time that it is about.
    pub(super) fn time(&mut self) -> Asked {
        Asked {
            from: self.take("from"),
            to: self.take("to"),
            since: self.take("since"),
            time_zone: self.take("time_zone"),
        }
    }

    /// How that time is cut.
    ///
    /// # Errors
    /// When it is cut into something else than hours, days or months.
    pub(super) fn bucket(&mut self) -> Result<Option<Cut>, Problem> {
        let words = [("hour", Cut::Hour), ("day", Cut::Day), ("month", Cut::Month)];
        self.word("bucket", &words)
    }

    /// Sees that nothing is left over.
    ///
    /// # Errors
    /// When something is.
    pub(super) fn end(self) -> Result<(), Problem> {
        match self.values.keys().next() {
            None => Ok(()),
            Some(name) => Err(Problem::invalid(format!(
                "The query says `{name}`, which is not known here: known are {}.",
                self.known.join(", ")
            ))),
        }
    }
}
