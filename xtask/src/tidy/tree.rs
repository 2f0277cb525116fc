//! The files of the repository, as git knows them: tracked, and new ones not ignored.

use std::{fs, path::Path};

use anyhow::Result;

use crate::run;

/// A text file.
#[derive(Debug)]
pub(super) struct File {
    /// Its path from the root, with `/`.
    pub(super) path: String,
    /// What is in it.
    pub(super) text: String,
}

/// Reads all text files. What is no UTF-8 is no text and is passed over.
pub(super) fn read() -> Result<Vec<File>> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"];
    let paths = run::output(&mut run::command("git", list))?;
    let read = |path: &str| {
        let text = fs::read_to_string(run::root().join(path)).ok()?;
        Some(File { path: path.to_owned(), text })
    };
    Ok(paths.split('\0').filter(|path| !path.is_empty()).filter_map(read).collect())
}

impl File {
    pub(super) fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|have| have == extension)
    }

    /// Whether it holds nothing but tests.
    pub(super) fn is_test(&self) -> bool {
        let mut parts = self.path.split('/');
        self.path.ends_with("/tests.rs") || parts.any(|part| part == "tests")
    }
}
