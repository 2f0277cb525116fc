//! What is kept so that nobody need ask for it again: answers of providers, and the entries of
//! applications.
//!
//! The promise: an answer goes only to who may have it and asked exactly that; nothing is given
//! beyond its time, nor once it was cleared, not even by a request that was under way then; and
//! all of it together takes no more bytes than the policy allows.

mod answers;
mod digest;
mod entries;
mod errand;
mod file;
mod flights;
mod index;
mod key;
mod labels;
mod recording;
mod row;
mod shelf;
mod tally;
#[cfg(test)]
mod tests;

use std::{path::Path, sync::Arc, time::Duration};

use http::HeaderValue;
use serde::Serialize;
use tollgate::Clock;
use tollgate_core::{Now, policy::settings};

pub(crate) use answers::{Answers, Kept, Looked};
pub(crate) use digest::{Digest, digest};
pub(crate) use entries::{Entries, Entry};
pub(crate) use errand::Errand;
pub(crate) use file::Unwritten;
pub(crate) use index::{Index, Vector};
pub(crate) use key::{Audience, Key, Question};
pub(crate) use labels::{Labels, Selector};
pub(crate) use recording::{Recorded, Recorder, Whole};
pub(crate) use shelf::Holding;
pub(crate) use tally::{CacheTotals, Outcome, Tally};

use file::File;
use recording::{Desk, Page};

/// All that is kept in the process.
#[derive(Debug)]
pub(crate) struct Cache {
    pub(crate) answers: Answers,
    pub(crate) entries: Entries,
    /// Questions by their meaning.
    pub(crate) index: Index,
    pub(crate) tally: Arc<Tally>,
    desk: Arc<Desk>,
    /// Where answers are written, if they outlive the process.
    file: Option<File>,
}

/// What was cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Cleared {
    /// Answers of providers.
    pub(crate) answers: Holding,
    /// Entries of applications.
    pub(crate) entries: Holding,
}

/// How an answer is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keeping {
    /// For how long.
    pub(crate) lasts: Duration,
    /// For how much longer, where there is no other.
    pub(crate) stale: Duration,
    /// The most bytes that it may have.
    pub(crate) max_bytes: u64,
}

/// Of what answers take together, what those may take that are still coming.
const DESK_SHARE: u64 = 2;

impl Cache {
    /// A cache of a policy, with what an earlier process has kept beside the ledger, if there
    /// is one, and which stays for so much longer than its time.
    ///
    /// # Errors
    /// When its file cannot be used.
    pub(crate) fn open(
        settings: &settings::Cache,
        stale: Duration,
        ledger: Option<&Path>,
        now: Now,
    ) -> anyhow::Result<Self> {
        let answers = Answers::of_bytes(settings.max_bytes);
        let file = match ledger.map(File::beside) {
            Some(path) if settings.enabled && settings.persist => {
                let (file, kept) =
                    File::open(&path, (settings.max_bytes, stale), now, answers.mark())?;
                tracing::info!(path = %path.display(), answers = kept.len(), "the cache is open");
                answers.resume(kept, file.teller());
                Some(file)
            }
            Some(path) => {
                File::forget(&path)?;
                None
            }
            None => None,
        };
        Ok(Self {
            answers,
            entries: Entries::of_bytes(settings.max_bytes),
            index: Index::default(),
            tally: Arc::default(),
            desk: Arc::new(Desk::of_bytes(settings.max_bytes / DESK_SHARE)),
            file,
        })
    }

    /// What writes the answer down that an errand goes for, and where it is told that the
    /// answer came whole.
    pub(crate) fn record(
        &self,
        errand: Errand,
        content_type: Option<HeaderValue>,
        keeping: Keeping,
        clock: Clock,
    ) -> (Recorder, Whole) {
        let (whole, page) = (Whole::default(), Page::on(Arc::clone(&self.desk)));
        let (told, tally) = (Arc::clone(&whole), Arc::clone(&self.tally));
        (Recorder { errand, content_type, keeping, clock, tally, whole, page }, told)
    }

    /// Takes away what is meant of both, for good.
    ///
    /// # Errors
    /// When it is gone from memory and may still be on the disk.
    pub(crate) async fn clear(&self, selector: &Selector) -> Result<Cleared, Unwritten> {
        let cleared = Cleared {
            answers: self.answers.clear(selector),
            entries: self.entries.clear(selector),
        };
        tracing::info!(
            answers = cleared.answers.entries,
            entries = cleared.entries.entries,
            "cleared the cache"
        );
        if let Some(file) = &self.file {
            file.clear(selector).await?;
        }
        Ok(cleared)
    }

    /// Takes over the bounds of another policy.
    pub(crate) fn adopt(&self, settings: &settings::Cache) {
        self.answers.resize(settings.max_bytes);
        self.entries.resize(settings.max_bytes);
        self.desk.resize(settings.max_bytes / DESK_SHARE);
    }
}
