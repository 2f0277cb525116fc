//! Answers on the disk, for the next start: an SQLite file beside the ledger, its owner's alone.
//!
//! Memory answers; the file follows. What is kept is written soon after, and is lost where the
//! process is killed before that or the disk cannot keep up. What is cleared is gone from the
//! disk before anybody is told so.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Context as _;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::{mpsc, oneshot};
use tollgate_core::Now;

use super::{
    Kept, Key,
    labels::{Mark, Selector},
    row,
};

/// The file, written by a thread of its own until it is dropped.
#[derive(Debug)]
pub(super) struct File {
    tell: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
}

/// Where answers are told that are to be written.
#[derive(Debug, Clone)]
pub(super) struct Teller(mpsc::WeakSender<Job>);

/// What the file could not do.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the cache's file can't be written: what was cleared may come back at the next start")]
pub(crate) struct Unwritten;

#[derive(Debug)]
enum Job {
    Keep(Key, Arc<Kept>),
    Clear(Selector, oneshot::Sender<Result<(), Unwritten>>),
}

struct Writer {
    connection: Connection,
    /// Bytes of all answers in the file, and the most there may be.
    bytes: u64,
    max_bytes: u64,
}

/// Answers that wait to be written; more are not.
const MAX_WAITING: usize = 64;

/// How long another process that writes is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Marks an SQLite file as a cache: "Tolc".
const APPLICATION_ID: i64 = 0x546f_6c63;

/// The format that this version reads and writes.
const FORMAT: i64 = 1;

/// Rows in the order in which they were written. Times are nanoseconds of the wall.
const SCHEMA: &str = "CREATE TABLE answers (
    place INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, user TEXT, model TEXT, tag TEXT,
    content_type BLOB, body BLOB NOT NULL, input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, nanos INTEGER NOT NULL, made INTEGER NOT NULL,
    expires INTEGER NOT NULL
)";

impl File {
    /// Opens the file, or makes it, and reads what it has kept, the newest last.
    ///
    /// # Errors
    /// When it cannot be used, or is something else.
    pub(super) fn open(
        path: &Path,
        (max_bytes, stale): (u64, Duration),
        now: Now,
        mark: Mark,
    ) -> anyhow::Result<(Self, Vec<(Key, Kept)>)> {
        let mut writer = Writer { connection: connect(path)?, bytes: 0, max_bytes };
        let kept = writer.load(now, mark, stale).with_context(|| failed(path))?;
        let (tell, jobs) = mpsc::channel(MAX_WAITING);
        let thread = thread::Builder::new().name("cache".to_owned());
        let writer = thread.spawn(move || writer.run(jobs))?;
        Ok((Self { tell: Some(tell), writer: Some(writer) }, kept))
    }

    /// Empties the file of an earlier process, if there is one, which this one does not follow:
    /// what is cleared from now on would come back at a start that does.
    ///
    /// # Errors
    /// When it cannot be used, or is something else.
    pub(super) fn forget(path: &Path) -> anyhow::Result<()> {
        if path.exists() {
            let emptied = connect(path)?.execute("DELETE FROM answers", []);
            emptied.with_context(|| failed(path))?;
        }
        Ok(())
    }

    /// The file beside a ledger.
    pub(super) fn beside(ledger: &Path) -> PathBuf {
        let mut name = ledger.as_os_str().to_owned();
        name.push("-cache");
        name.into()
    }

    pub(super) fn teller(&self) -> Option<Teller> {
        self.tell.as_ref().map(|tell| Teller(tell.downgrade()))
    }

    /// Takes what is meant off the disk.
    ///
    /// # Errors
    /// When it may still be there.
    pub(super) async fn clear(&self, selector: &Selector) -> Result<(), Unwritten> {
        let (done, is_done) = oneshot::channel();
        let tell = self.tell.as_ref().ok_or(Unwritten)?;
        tell.send(Job::Clear(selector.clone(), done)).await.map_err(|_| Unwritten)?;
        is_done.await.unwrap_or(Err(Unwritten))
    }
}

impl Drop for File {
    /// Waits until what is kept is written.
    fn drop(&mut self) {
        drop(self.tell.take());
        if let Some(writer) = self.writer.take() {
            // One that panicked has written what it could.
            let _ = writer.join();
        }
    }
}

impl Teller {
    /// Has an answer written, unless too many wait for that.
    pub(super) fn keep(&self, key: Key, kept: &Arc<Kept>) {
        if let Some(tell) = self.0.upgrade() {
            let _ = tell.try_send(Job::Keep(key, Arc::clone(kept)));
        }
    }
}

fn failed(path: &Path) -> String {
    format!("the cache's file {} can't be used", path.display())
}

fn connect(path: &Path) -> anyhow::Result<Connection> {
    if !path.exists() {
        crate::roster::private(path).with_context(|| failed(path))?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags);
    let mut connection = connection.with_context(|| failed(path))?;
    begin(&mut connection, path).with_context(|| failed(path))?;
    Ok(connection)
}

fn begin(connection: &mut Connection, path: &Path) -> anyhow::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    let tx = connection.transaction()?;
    let number = |name| tx.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if number("schema_version")? == 0 {
        tx.execute_batch(SCHEMA)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", FORMAT)?;
    } else if number("application_id")? != APPLICATION_ID {
        anyhow::bail!("{} is no cache but some other file: move it away", path.display());
    } else if number("user_version")? != FORMAT {
        anyhow::bail!("it was made by another version of Tollgate: move it away");
    }
    Ok(tx.commit()?)
}

impl Writer {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut group = vec![first];
            while group.len() < MAX_WAITING
                && let Ok(next) = jobs.try_recv()
            {
                group.push(next);
            }
            let written = self.write(&group);
            if let Err(error) = &written {
                tracing::error!(%error, "the cache's file can't be written");
            }
            for job in group {
                if let Job::Clear(_, done) = job {
                    // Who has gone away meanwhile need not know.
                    let _ = done.send(if written.is_ok() { Ok(()) } else { Err(Unwritten) });
                }
            }
        }
    }

    fn write(&mut self, group: &[Job]) -> rusqlite::Result<()> {
        let (tx, mut bytes) = (self.connection.transaction()?, self.bytes);
        for job in group {
            match job {
                Job::Keep(key, kept) => bytes += row::write(&tx, key, kept)?,
                Job::Clear(selector, _) => row::clear(&tx, selector)?,
            }
        }
        // What was replaced or cleared is counted still, so there are no more than that.
        if bytes > self.max_bytes {
            bytes = row::bound(&tx, self.max_bytes)?;
        }
        tx.commit()?;
        self.bytes = bytes;
        Ok(())
    }

    fn load(
        &mut self,
        now: Now,
        mark: Mark,
        stale: Duration,
    ) -> rusqlite::Result<Vec<(Key, Kept)>> {
        let tx = self.connection.transaction()?;
        row::expire(&tx, now, stale)?;
        self.bytes = row::bound(&tx, self.max_bytes)?;
        let kept = row::all(&tx, now, mark, stale)?;
        tx.commit()?;
        Ok(kept)
    }
}
