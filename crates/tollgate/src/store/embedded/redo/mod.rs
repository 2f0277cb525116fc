//! The redo file: rows that outlast this process before SQLite has them.
//!
//! A transaction costs several writes for each page and a sync, so one every few milliseconds
//! would cost more than its rows. But `kill -9` takes only what a process has in its own
//! memory: what it has written to a file, synced or not, stays. So each group of rows goes with
//! one write to a small file beside the ledger, several groups later all of them go to SQLite in
//! one transaction, and the file begins anew. The start after a crash writes what is left in it
//! to the ledger ([`recover`]), before anything else.
//!
//! It is never synced: what must outlast a loss of power waits for its transaction, as
//! [`durable`](crate::Store::durable) and [`held`](crate::Store::held) do. So after one it may
//! hold anything. Each frame has a checksum, says which frames it belongs to and which entry
//! it follows, and whatever does not fit ends what is read. What is read is thus always what was
//! written after the last transaction, up to some group.

mod recover;

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use bytes::{Buf as _, BufMut as _};

pub(super) use recover::{Recovered, bring_in, recover};

use super::rows::{ROOM, Rows};

/// The file, as the writer has it.
#[derive(Debug)]
pub(super) struct Redo {
    path: PathBuf,
    /// Nothing once it can't be written: each group is a transaction then.
    file: Option<File>,
    /// Which frames are written: those between two transactions have the same number, one more
    /// than the ledger knows of.
    epoch: u64,
    /// Where the next frame goes.
    end: u64,
    /// Whether anything was written, or might have been, since the last transaction.
    is_begun: bool,
}

/// What a frame says before its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    format: u64,
    epoch: u64,
    /// The last entry before its rows, and the last of them.
    after: u64,
    last: u64,
}

/// Bytes of a frame before its rows: their length, the checksum of all that follows it, the head.
const HEAD: usize = ROOM;

/// How rows are written: what another version has left is not taken for something else.
const FORMAT: u64 = 2;

/// What a file has at most; the writer commits instead of writing more.
const MAX_BYTES: u64 = 1 << 28;

/// Where the redo file of a ledger is.
fn path_of(ledger: &Path) -> PathBuf {
    let mut name = ledger.as_os_str().to_owned();
    name.push("-redo");
    PathBuf::from(name)
}

impl Redo {
    /// Begins the file of a ledger that knows of the frames of that number and all before.
    pub(super) fn begin(ledger: &Path, known: u64) -> Self {
        let path = path_of(ledger);
        let file = create(&path, ledger).inspect_err(|error| not_used(&path, error)).ok();
        Self { path, file, epoch: known + 1, end: 0, is_begun: false }
    }

    /// Leaves the file as it is, since what it has can't be written to the ledger now.
    pub(super) fn left(ledger: &Path, known: u64) -> Self {
        Self { path: path_of(ledger), file: None, epoch: known + 1, end: 0, is_begun: false }
    }

    /// Writes rows that follow the entry `after`, the last of which is `last`; whether they
    /// outlast this process now. Otherwise they have to be committed.
    pub(super) fn append(&mut self, rows: &mut Rows, (after, last): (u64, u64)) -> bool {
        let Some(file) = &self.file else { return false };
        let frame = frame(rows, Head { format: FORMAT, epoch: self.epoch, after, last });
        if self.end + frame.len() as u64 > MAX_BYTES {
            return false;
        }
        self.is_begun = true;
        if let Err(error) = file.write_all_at(frame, self.end) {
            not_used(&self.path, &error);
            self.file = None;
            return false;
        }
        self.end += frame.len() as u64;
        true
    }

    /// The number of the frames that there are, if there are any: the ledger has to learn it
    /// with their rows.
    pub(super) fn epoch(&self) -> Option<u64> {
        self.is_begun.then_some(self.epoch)
    }

    /// Begins anew, since all that was written is in the ledger.
    pub(super) const fn restart(&mut self) {
        if self.is_begun {
            (self.epoch, self.end, self.is_begun) = (self.epoch + 1, 0, false);
        }
    }

    /// Removes the file, of which nothing is needed any more.
    pub(super) fn remove(&self) {
        remove(&self.path);
    }
}

/// A new file, that may be read by whom the ledger may.
fn create(path: &Path, ledger: &Path) -> io::Result<File> {
    let file = File::options().create(true).truncate(true).write(true).open(path)?;
    if file.metadata()?.is_file() {
        file.set_permissions(fs::metadata(ledger)?.permissions())?;
    }
    Ok(file)
}

fn not_used(path: &Path, error: &io::Error) {
    let path = path.display();
    tracing::warn!(%path, %error, "the redo file can't be written: each group of rows is a transaction of the ledger's until a restart");
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != ErrorKind::NotFound
    {
        let path = path.display();
        tracing::warn!(%path, %error, "the redo file is left; the next start passes over it");
    }
}

/// Rows with what is said before them.
fn frame(rows: &mut Rows, head: Head) -> &[u8] {
    let frame = rows.with_room();
    let length = (frame.len() - HEAD) as u32;
    let mut said = &mut frame[8..HEAD];
    said.put_u64_le(head.format);
    said.put_u64_le(head.epoch);
    said.put_u64_le(head.after);
    said.put_u64_le(head.last);
    let sum = crc32fast::hash(&frame[8..]);
    let mut said = &mut frame[..8];
    said.put_u32_le(length);
    said.put_u32_le(sum);
    frame
}

/// Takes the first frame off some bytes: what it says, and its rows. Nothing if it is damaged.
fn read_frame<'a>(bytes: &mut &'a [u8]) -> Option<(Head, &'a [u8])> {
    let (mut start, rest) = bytes.split_at_checked(HEAD)?;
    let (length, sum) = (start.get_u32_le() as usize, start.get_u32_le());
    let (rows, rest) = rest.split_at_checked(length)?;
    if crc32fast::hash(bytes.get(8..HEAD + length)?) != sum {
        return None;
    }
    *bytes = rest;
    let [format, epoch, after, last] = [(); 4].map(|()| start.get_u64_le());
    let head = Head { format, epoch, after, last };
    Some((head, rows))
}

/// Everything that was written after the transaction that a ledger knows as its last, and after
/// its last entry; and the last entry of that. A tear ends it; what is whole and can't be read is
/// another version's, which is an error.
fn read_all(mut bytes: &[u8], (known, mut last): (u64, u64)) -> Result<(Rows, u64), String> {
    let mut all = Rows::default();
    while let Some((head, rows)) = read_frame(&mut bytes) {
        let Head { format, epoch, after, last: next } = head;
        if (epoch, after) != (known.saturating_add(1), last) || next < last {
            break;
        }
        let rows = Rows::read(rows).filter(|_| format == FORMAT).ok_or_else(|| {
            format!("another version of tollgate has left rows there (format {format}, this one reads {FORMAT}): start that version once, or remove the file and what it has")
        });
        all.append(&mut rows?);
        last = next;
    }
    Ok((all, last))
}

#[cfg(test)]
mod tests;
