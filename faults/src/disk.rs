//! What is watched and what shall fail.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
    time::SystemTime,
};

use parking_lot::{Mutex, MutexGuard};

use crate::shim;

/// One thing that happened to the files of a disk, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A file was made.
    Made {
        /// Its name in the folder.
        file: Arc<str>,
    },
    /// Bytes were handed to the system.
    Write {
        /// The file.
        file: Arc<str>,
        /// Where.
        offset: u64,
        /// What.
        bytes: Arc<[u8]>,
    },
    /// A file was cut.
    Truncate {
        /// The file.
        file: Arc<str>,
        /// To how many bytes.
        size: u64,
    },
    /// The system said that everything written to a file is on the disk.
    Synced {
        /// The file.
        file: Arc<str>,
    },
    /// The system said that it could not, and forgot what it had not written.
    SyncFailed {
        /// The file.
        file: Arc<str>,
    },
    /// An operation of another kind failed as it was told to.
    Failed {
        /// Its kind.
        operation: Operation,
    },
    /// A file was removed.
    Removed {
        /// Its name.
        file: Arc<str>,
    },
    /// What was made and removed is on the disk.
    FolderSynced,
    /// The test says something; see [`Disk::note`].
    Note(u64),
}

/// What a disk is asked to do and can fail to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Write bytes.
    Write,
    /// Make durable what was written.
    Sync,
    /// Cut a file.
    Truncate,
}

/// How it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// `EIO`.
    Broken,
    /// `ENOSPC`.
    Full,
}

/// What shall fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Which kind of operation.
    pub operation: Operation,
    /// How many of them go well before.
    pub after: u64,
    /// How it fails.
    pub failure: Failure,
    /// Whether all later ones of its kind fail too, or just the one.
    pub lasts: bool,
}

/// The files of one folder, watched as long as this lives.
#[derive(Debug)]
pub struct Disk(Arc<Watch>);

/// What the shim and the test share.
#[derive(Debug)]
pub(crate) struct Watch {
    folder: PathBuf,
    inner: Mutex<Inner>,
    /// Held while an operation is done and written down, so that no write looks as if a sync
    /// that had begun before had made it safe.
    one_at_a_time: Mutex<()>,
}

#[derive(Debug, Default)]
struct Inner {
    /// How often each file is open. One that is not was stamped when it was closed, so that
    /// it shows whether somebody else has written it since.
    open: BTreeMap<Arc<str>, usize>,
    tape: Vec<Event>,
    fault: Option<Fault>,
}

/// When files that were closed say they were written last.
const STAMP: SystemTime = SystemTime::UNIX_EPOCH;

/// All disks that are watched.
static DISKS: LazyLock<Mutex<Vec<Arc<Watch>>>> = LazyLock::new(Mutex::default);

impl Disk {
    /// Watches the files of a folder that are opened by [`VFS`](crate::VFS) from now on.
    pub fn at(folder: &Path) -> Self {
        shim::register();
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
        let (inner, one_at_a_time) = (Mutex::default(), Mutex::default());
        let watch = Arc::new(Watch { folder, inner, one_at_a_time });
        DISKS.lock().push(Arc::clone(&watch));
        Self(watch)
    }

    /// Puts a number among the events: whatever happened before stands before it.
    pub fn note(&self, number: u64) {
        self.0.record(Event::Note(number));
    }

    /// What has happened so far.
    pub fn events(&self) -> Vec<Event> {
        self.0.inner.lock().tape.clone()
    }

    /// How many events there were so far.
    pub fn happened(&self) -> usize {
        self.0.inner.lock().tape.len()
    }

    /// Lets an operation fail, counted from now; nothing for a disk that works again.
    pub fn fail(&self, fault: Option<Fault>) {
        self.0.inner.lock().fault = fault;
    }
}

impl Event {
    /// Whether an operation failed as it was told to.
    pub const fn is_failure(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::SyncFailed { .. })
    }

    /// Whether it changes what is on the disk or would be.
    pub const fn is_change(&self) -> bool {
        !self.is_failure() && !matches!(self, Self::Note(_))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        DISKS.lock().retain(|watch| !Arc::ptr_eq(watch, &self.0));
    }
}

impl Watch {
    /// Who watches the file of that path.
    pub(crate) fn of(path: &Path) -> Option<Arc<Self>> {
        let folder = path.parent()?;
        DISKS.lock().iter().find(|watch| watch.folder == folder).cloned()
    }

    /// Keeps other operations from beginning until the guard is dropped.
    pub(crate) fn begin(&self) -> MutexGuard<'_, ()> {
        self.one_at_a_time.lock()
    }

    /// Counts a file as open. Whatever else than SQLite has written an old one before has
    /// written all of it again and synced it: that it did sync is taken on trust.
    pub(crate) fn opened(&self, file: &Arc<str>, is_new: bool) {
        let mut inner = self.inner.lock();
        let before = inner.open.get(file).copied();
        inner.open.insert(Arc::clone(file), before.unwrap_or_default() + 1);
        if is_new {
            inner.tape.push(Event::Made { file: Arc::clone(file) });
        } else if before == Some(0) {
            let path = self.folder.join(&**file);
            let modified = fs::metadata(&path).and_then(|data| data.modified());
            if modified.is_ok_and(|at| at != STAMP)
                && let Ok(bytes) = fs::read(&path)
            {
                let (file, bytes) = (Arc::clone(file), bytes.into());
                inner.tape.push(Event::Write { file: Arc::clone(&file), offset: 0, bytes });
                inner.tape.push(Event::Synced { file });
            }
        }
    }

    /// Counts a file as closed.
    pub(crate) fn closed(&self, file: &Arc<str>) {
        let mut inner = self.inner.lock();
        let open = inner.open.entry(Arc::clone(file)).or_insert(1);
        *open -= 1;
        if *open == 0
            && let Ok(file) = File::options().write(true).open(self.folder.join(&**file))
        {
            // Where it can't be stamped, the next opening takes it for written.
            let _ = file.set_modified(STAMP);
        }
    }

    pub(crate) fn record(&self, event: Event) {
        self.inner.lock().tape.push(event);
    }

    /// Whether this operation shall fail, and how.
    pub(crate) fn judge(&self, operation: Operation) -> Option<Failure> {
        let mut inner = self.inner.lock();
        let fault = inner.fault.as_mut().filter(|fault| fault.operation == operation)?;
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        let failure = fault.failure;
        if !fault.lasts {
            inner.fault = None;
        }
        Some(failure)
    }
}
