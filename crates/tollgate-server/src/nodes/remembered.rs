//! How many nodes there were, for a process that starts while Redis is away.
//!
//! It stands in a small file beside the node's ledger. What a node shares by then is the most that
//! lived at once while it last ran: too many make its part smaller, too few would pass the limits.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The file, and what is in it.
#[derive(Debug)]
pub(super) struct Remembered {
    path: Option<PathBuf>,
    written: u64,
}

impl Remembered {
    /// Of the node with this ledger; without one, nothing is remembered.
    pub(super) fn beside(ledger: Option<&Path>) -> Self {
        let path = ledger.map(|ledger| {
            let mut path = ledger.as_os_str().to_owned();
            path.push("-nodes");
            PathBuf::from(path)
        });
        Self { path, written: 0 }
    }

    /// How many there were when it was written last.
    pub(super) fn read(&self) -> Option<u64> {
        let text = fs::read_to_string(self.path.as_ref()?).ok()?;
        text.trim().parse().ok().filter(|live| *live > 0)
    }

    /// So many live now.
    pub(super) fn note(&mut self, live: u64) {
        let Some(path) = self.path.as_ref().filter(|_| live > self.written) else { return };
        // Whatever comes of it, it is not tried again with each beat.
        self.written = live;
        if let Err(error) = write(path, live) {
            tracing::warn!(
                %error,
                path = %path.display(),
                "how many nodes there are cannot be written down: a start without Redis shares as before",
            );
        }
    }
}

/// The old number or the new one stands there, whatever happens.
fn write(path: &Path, live: u64) -> io::Result<()> {
    let mut anew = path.as_os_str().to_owned();
    anew.push(".new");
    fs::write(&anew, format!("{live}\n"))?;
    fs::rename(&anew, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_of_the_last_process_are_remembered() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = folder.path().join("node.db");
        let mut first = Remembered::beside(Some(&ledger));
        assert_eq!(first.read(), None);
        for live in [1, 3, 2] {
            first.note(live);
        }
        let mut next = Remembered::beside(Some(&ledger));
        assert_eq!(next.read(), Some(3));
        next.note(2);
        assert_eq!(next.read(), Some(2), "there are fewer by now");
        fs::write(folder.path().join("node.db-nodes"), "0").expect("written");
        assert_eq!(next.read(), None, "nobody is no number");
        let mut nowhere = Remembered::beside(None);
        nowhere.note(5);
        assert_eq!(nowhere.read(), None);
    }
}
