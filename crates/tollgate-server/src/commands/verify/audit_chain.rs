//! Whether the audit beside a ledger is whole.

use std::path::Path;

use anyhow::bail;
use serde::Serialize;

use crate::{
    output,
    roster::{Chain, Trail},
};

/// What was found.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    #[serde(flatten)]
    chain: Chain,
    /// What is wrong, as a sentence.
    wrong: Option<String>,
}

impl Found {
    pub(super) const fn is_whole(&self) -> bool {
        self.wrong.is_none()
    }
}

/// Checks the audit; nothing where there is no roster. `noted` is the hash of a row that must
/// still be there.
///
/// # Errors
/// When its file cannot be read, or a row was noted and there is none.
pub(super) fn of(ledger: &Path, noted: Option<&blake3::Hash>) -> anyhow::Result<Option<Found>> {
    let Some(trail) = Trail::beside(ledger)? else {
        if let Some(noted) = noted {
            bail!(
                "there is no audit beside {} that could have a row of the hash {noted}: the roster's file was removed, or --ledger names another",
                ledger.display()
            );
        }
        return Ok(None);
    };
    let chain = trail.verify()?;
    let mut wrong = None;
    if let Some(seq) = chain.broken_at {
        let told = trail.row(seq)?.map_or_else(String::new, |row| {
            format!(" ({} by {} at {})", row.what, row.who, row.at)
        });
        wrong = Some(format!(
            "row #{seq} of the audit{told} does not follow from the one before it: somebody changed the roster's file by hand"
        ));
    } else if let Some(noted) = noted
        && !trail.has(noted)?
    {
        wrong = Some(format!(
            "the audit has no row of the hash {noted}: its end was cut off, or it was made anew"
        ));
    }
    Ok(Some(Found { chain, wrong }))
}

/// Tells people.
pub(super) fn tell(found: Option<&Found>) {
    let Some(Found { chain, wrong }) = found else { return };
    match wrong {
        Some(wrong) => output::line(format_args!("wrong: {wrong}")),
        None if chain.rows == 0 => output::line("the audit is empty"),
        None => output::line(format_args!(
            "the audit is whole: {} changes; the last one's hash is {}",
            chain.rows, chain.head
        )),
    }
}
