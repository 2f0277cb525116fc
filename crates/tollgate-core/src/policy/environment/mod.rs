//! What the environment changes of a policy.

mod declared;
mod dotenv;
mod names;

use std::collections::BTreeMap;

pub(crate) use declared::{Declared, apply_declared};
pub(crate) use names::apply_names;

use super::PolicyError;

/// Environment variables: those of a `.env` file, and before them the process's own.
///
/// A variable that is empty counts as not set.
#[derive(Clone, Default)]
pub struct Environment {
    values: BTreeMap<String, String>,
}

impl Environment {
    /// The variables of a process, and those that a `.env` file (its name and its text)
    /// adds to them.
    ///
    /// # Errors
    /// Every line of the file that sets nothing.
    pub fn new(
        process: impl IntoIterator<Item = (String, String)>,
        dotenv: Option<(&str, &str)>,
    ) -> Result<Self, Vec<PolicyError>> {
        let written =
            dotenv.map_or_else(|| Ok(Vec::new()), |(name, text)| dotenv::parse(name, text))?;
        let set = |(_, value): &(String, String)| !value.is_empty();
        Ok(Self { values: written.into_iter().chain(process).filter(set).collect() })
    }

    /// The value of a variable that is set.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Shows the names only.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}
