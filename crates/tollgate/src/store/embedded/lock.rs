//! The lock beside a ledger: whoever writes it, or what was left beside it, holds that.

use std::{
    fs::{File, TryLockError},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use super::LedgerError;

/// For how long, and how often, a start asks again.
const TIMES: u32 = 40;
const APART: Duration = Duration::from_millis(50);

/// Waits a little for somebody who reads a ledger after a crash and writes down what that left.
#[allow(clippy::disallowed_methods, reason = "nothing tells when a lock is free")]
pub(super) fn wait(path: &Path) -> Result<File, LedgerError> {
    for _ in 0..TIMES {
        match lock(path) {
            Err(LedgerError::InUse { .. }) => thread::sleep(APART),
            locked => return locked,
        }
    }
    lock(path)
}

/// Makes sure that no other process writes this ledger, as long as the file is held.
pub(super) fn lock(path: &Path) -> Result<File, LedgerError> {
    hold(path, File::options().create(true).truncate(false).write(true).open(lock_of(path)))
}

/// The same for somebody who may have no right to write there.
pub(super) fn lock_to_read(path: &Path) -> Result<File, LedgerError> {
    match File::open(lock_of(path)) {
        Err(error) if error.kind() == ErrorKind::NotFound => lock(path),
        file => hold(path, file),
    }
}

fn lock_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn hold(path: &Path, lock: io::Result<File>) -> Result<File, LedgerError> {
    let lock = lock.map_err(|error| LedgerError::unusable(path, &error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(LedgerError::InUse { path: path.to_path_buf() }),
        Err(TryLockError::Error(error)) => Err(LedgerError::unusable(path, &error)),
    }
}
