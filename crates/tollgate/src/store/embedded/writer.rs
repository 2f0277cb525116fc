//! The one thread that writes. Rows go to the redo file as they come, and a group of them is a
//! transaction of the ledger's; with groups goes the state of accounts.

use std::sync::Arc;

use super::{
    ledger::Ledger,
    log,
    mirror::Changes,
    queue::{FULL_GROUP, Queue, Woken},
    redo::Redo,
    rows::Rows,
    tables::{Due, Mark, Tables},
};
use crate::store::memory::{Memory, Progress};

/// Owns the file and writes it until the queue is closed or the disk fails.
pub(super) struct Writer {
    pub(super) queue: Arc<Queue>,
    pub(super) memory: Arc<Memory<Ledger>>,
    pub(super) tables: Tables,
    pub(super) redo: Redo,
    pub(super) group: Group,
    /// The number of the last entry on the disk.
    pub(super) committed: u64,
    /// The first entry that a restart would read again.
    pub(super) replay_from: u64,
    /// Entries after which accounts are written down, so that a restart reads few again.
    pub(super) max_replay: u64,
}

/// Rows that are not in the ledger yet.
#[derive(Debug)]
pub(super) struct Group {
    rows: Rows,
    /// The last entry of it, or before it.
    last: u64,
    /// How often rows were asked for since the last transaction, and how often at most.
    rounds: u32,
    most_rounds: u32,
    /// What was taken last.
    taken: Rows,
}

/// A checkpoint in the making.
struct Pass {
    progress: Progress,
    from: u64,
    changes: Changes,
}

/// Entries that are worth a checkpoint when nothing else is to do.
const PASS_IDLE: u64 = 1_000;

/// Cells that are written down with one group, even if it has fewer rows.
const CELLS_PER_GROUP: usize = 1_024;

/// Rows that are worth summing up while others wait to be written.
const ROLL_BUSY: u64 = 32_768;

/// Rows that are summed up with one group, even if it has fewer.
const ROLL_PER_GROUP: u64 = 512;

/// Rows that are looked at with one group whether they are old, even if it has fewer.
const OLD_PER_GROUP: u64 = 128;

/// Steps that a stop does of what is old.
const LAST_STEPS: u32 = 16;

impl Writer {
    pub(super) fn run(mut self) {
        let queue = Arc::clone(&self.queue);
        let _ended = FailOnDrop(&queue);
        if queue.has_failed() {
            return;
        }
        give_way();
        let mut pass: Option<Pass> = None;
        let mut last_steps = LAST_STEPS;
        loop {
            let woken = queue.gather(self.group.is_begun());
            if woken == Woken::Rows && self.has_time() && self.keep() {
                continue;
            }
            let done = self.committed + 1 - self.replay_from;
            let is_due = match woken {
                Woken::Rows | Woken::Haste => done >= self.max_replay,
                Woken::Idle => done >= PASS_IDLE.min(self.max_replay),
                Woken::Closed => done > 0,
            };
            if pass.is_none() && is_due {
                pass = Some(self.begin());
            }
            let mark = pass.take_if(|pass| !self.advance(pass, woken)).map(|pass| Mark {
                from: pass.from,
                latest: self.tables.latest,
                changes: pass.changes,
            });
            let (roll, old) = (self.roll(woken), self.old(woken, &mut last_steps));
            let (redo, told) = (self.redo.epoch(), self.queue.told());
            let due = Due { mark, roll, old, redo, told };
            let nothing_left = pass.is_none() && due.is_nothing();
            match woken {
                Woken::Idle if nothing_left => {
                    queue.sleep();
                    continue;
                }
                Woken::Closed if nothing_left => return self.close(),
                _ => {}
            }
            if let Err(error) = self.write(&due) {
                let reason = error.to_string();
                tracing::error!(%error, "ledger not written: nothing is admitted any more that has a budget, until a restart");
                queue.fail(&reason);
                return;
            }
        }
    }

    /// Whether the ledger need not have the rows yet.
    const fn has_time(&mut self) -> bool {
        self.group.rounds += 1;
        self.group.rounds < self.group.most_rounds && self.group.rows.len() < FULL_GROUP
    }

    /// Takes rows that wait and sees to it that they outlast the process; whether they do.
    fn keep(&mut self) -> bool {
        let Group { rows, taken, last, .. } = &mut self.group;
        let before = *last;
        *last = self.queue.take_rows(taken);
        let is_kept = taken.is_empty() || self.redo.append(taken, (before, *last));
        rows.append(taken);
        if is_kept {
            self.queue.outlasts(*last);
        }
        is_kept
    }

    fn write(&mut self, due: &Due) -> rusqlite::Result<()> {
        let Group { rows, taken, last, rounds, .. } = &mut self.group;
        let seq = self.queue.take(taken);
        rows.append(taken);
        if !rows.is_empty() || !due.is_nothing() {
            self.tables.write(rows, due, seq)?;
        }
        (*last, *rounds) = (seq, 0);
        self.redo.restart();
        if let Some(mark) = &due.mark {
            self.replay_from = mark.from;
        }
        self.committed = seq;
        self.queue.committed(seq);
        Ok(())
    }

    /// How many rows may be read again to sum up now, if it is time to. It is not while the
    /// store is closing, unless rows shall go that are not in the sums: whoever asks reads the
    /// rows after the sums.
    fn roll(&self, woken: Woken) -> Option<u64> {
        let rolled = self.tables.roll.rolled;
        let (worth, most) = match woken {
            Woken::Rows | Woken::Haste => (ROLL_BUSY, ROLL_PER_GROUP.max(self.rows() as u64)),
            Woken::Idle => (1, 4 * ROLL_PER_GROUP),
            Woken::Closed if self.is_anything_old(self.committed) => (1, 4 * ROLL_PER_GROUP),
            Woken::Closed => return None,
        };
        let is_worth = self.committed >= rolled + worth || self.tables.roll.is_full();
        is_worth.then_some(most)
    }

    /// Before which row to look for old ones, and at how many: as many as are written, so that
    /// the file grows no more. A stop does a few steps, and leaves the rest to the next start.
    fn old(&self, woken: Woken, last_steps: &mut u32) -> Option<(u64, u64)> {
        // A restart reads the rows from there on, questions read those that are not in sums, and
        // the newest row has the number that the next ones go on from.
        let end = self.replay_from.min(self.tables.roll.rolled + 1);
        let end = end.min(self.committed.saturating_sub(1));
        if !self.is_anything_old(end) {
            return None;
        }
        let most = match woken {
            Woken::Rows | Woken::Haste => OLD_PER_GROUP.max(self.rows() as u64),
            Woken::Idle => 8 * OLD_PER_GROUP,
            Woken::Closed => {
                *last_steps = last_steps.checked_sub(1)?;
                8 * OLD_PER_GROUP
            }
        };
        Some((end, most))
    }

    /// How many rows the next transaction has, about.
    fn rows(&self) -> usize {
        self.group.rows.len() + self.queue.depth()
    }

    fn is_anything_old(&self, end: u64) -> bool {
        self.tables.retention.is_due(end, self.tables.latest)
    }

    /// Lets the file be left in good order: every write went well, so no grant is needed.
    fn close(&mut self) {
        if let Err(error) = self.tables.connection.execute("DELETE FROM grants", []) {
            tracing::warn!(%error, "the ledger's grants are left, and count as used");
            return;
        }
        if let Err(error) = self.tables.note_told(self.queue.told()) {
            tracing::warn!(%error, "what the shared store was told is told again at the next start");
        }
        if let Err(error) = log::may_close(&self.tables.connection) {
            tracing::warn!(%error, "the ledger's log is left for the next start");
        }
        self.redo.remove();
    }

    /// Begins a checkpoint of everything that has been written so far.
    fn begin(&mut self) -> Pass {
        let changes = self.tables.mirror.changes(self.tables.latest);
        Pass { progress: Progress::default(), from: self.committed + 1, changes }
    }

    /// Writes down some more cells; whether there are more.
    fn advance(&self, pass: &mut Pass, woken: Woken) -> bool {
        // As much as the group has rows, so that neither makes the other late.
        let mut budget = match woken {
            Woken::Rows | Woken::Haste => self.rows().max(CELLS_PER_GROUP),
            Woken::Idle | Woken::Closed => 16 * CELLS_PER_GROUP,
        };
        loop {
            let Some(cells) = self.memory.write_down(&mut pass.progress) else { return false };
            // Looking through a block costs about as much as writing four cells.
            let Some(left) = budget.checked_sub(cells + 4) else { return true };
            budget = left;
        }
    }
}

impl Group {
    /// Rows that follow this entry; they wait for so many rounds of the queue's at most.
    pub(super) fn after(last: u64, most_rounds: u32) -> Self {
        let [rows, taken] = [Rows::default(), Rows::default()];
        Self { rows, last, rounds: 0, most_rounds, taken }
    }

    const fn is_begun(&self) -> bool {
        self.rounds > 0
    }
}

impl Due {
    const fn is_nothing(&self) -> bool {
        self.mark.is_none() && self.roll.is_none() && self.old.is_none()
    }
}

/// How much less of a scarce core the writer asks for than those who serve.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// Lets those who serve go first where cores are scarce: the group that forms meanwhile is
/// larger and costs less, as long as the writer gets a fourth of a core, which is plenty.
fn give_way() {
    // Of this thread alone, which is how Linux counts. Where it fails, groups are smaller.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICE);
}

/// A writer that panics must not leave a store that admits what is never written.
struct FailOnDrop<'a>(&'a Queue);

impl Drop for FailOnDrop<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.0.has_failed() {
            self.0.fail("its writer has ended");
        }
    }
}
