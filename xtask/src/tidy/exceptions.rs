//! Files and functions that may be longer, each with its reason, listed in ARCHITECTURE.md.
//!
//! ```text
//! ## Exceptions to the length rules
//! - `path/from/root.rs`: why it is longer
//! - `path/from/root.rs` `function`: why it is longer
//! ```

use super::{Finding, tree::File};

const BOOK: &str = "ARCHITECTURE.md";
const HEADING: &str = "## Exceptions to the length rules";

/// The listed exceptions, and which of them were needed.
#[derive(Debug, Default)]
pub(super) struct Exceptions(Vec<Exception>);

#[derive(Debug)]
struct Exception {
    line: usize,
    path: String,
    function: Option<String>,
    needed: bool,
}

impl Exceptions {
    /// Reads the list; findings are entries that cannot be understood.
    pub(super) fn read(files: &[File]) -> (Self, Vec<Finding>) {
        let (mut list, mut findings) = (Self::default(), Vec::new());
        let Some(book) = files.iter().find(|file| file.path == BOOK) else {
            return (list, findings);
        };
        let section = book
            .text
            .lines()
            .enumerate()
            .skip_while(|(_, text)| text.trim_end() != HEADING)
            .skip(1)
            .take_while(|(_, text)| !text.starts_with("## "))
            .filter(|(_, text)| text.starts_with("- "));
        for (index, text) in section {
            match Exception::parse(index + 1, text) {
                Some(exception) => list.0.push(exception),
                None => findings.push(Finding::new(
                    BOOK,
                    index + 1,
                    "exception",
                    "write it as \"- `path` `function`: reason\"",
                )),
            }
        }
        (list, findings)
    }

    /// Whether this file, or this function in it, may be longer.
    pub(super) fn allow(&mut self, path: &str, function: Option<&str>) -> bool {
        let matches = |e: &&mut Exception| e.path == path && e.function.as_deref() == function;
        let found = self.0.iter_mut().find(matches);
        if let Some(exception) = found {
            exception.needed = true;
            return true;
        }
        false
    }

    /// Finds the exceptions that nothing needs any more.
    pub(super) fn unused(self, findings: &mut Vec<Finding>) {
        for exception in self.0.into_iter().filter(|exception| !exception.needed) {
            let what = exception.function.unwrap_or_else(|| exception.path.clone());
            let advice = format!("`{what}` is within the rule now; take the exception out");
            findings.push(Finding::new(BOOK, exception.line, "exception", advice));
        }
    }
}

impl Exception {
    fn parse(line: usize, text: &str) -> Option<Self> {
        let (place, reason) = text.strip_prefix("- ")?.split_once(": ")?;
        let mut quoted = place.split('`').skip(1).step_by(2).map(str::to_owned);
        let path = quoted.next()?;
        let complete = !reason.trim().is_empty() && place.matches('`').count() % 2 == 0;
        complete.then(|| Self { line, path, function: quoted.next(), needed: false })
    }
}
