//! What is on the disk for certain, what may be, and what a loss of power could leave.
//!
//! What was synced stays. Of what was written to a file since its last good sync, each
//! write and each cut is there or not, by itself, whole or torn. A sync that fails leaves
//! what it should have written *adrift*: the system takes it for written and never tries
//! again, so that no later sync makes it safe. A name that was made or removed counts when
//! its folder was synced, and may or may not before.

use std::{collections::BTreeMap, fs, io, path::Path, sync::Arc};

use rand::{Rng, RngExt as _};

use crate::disk::Event;

/// The state of a disk after some events.
#[derive(Debug, Clone, Default)]
pub struct Platter {
    /// What may be found under each name: first what is certain, last what is now.
    names: BTreeMap<Arc<str>, Vec<Option<Content>>>,
}

#[derive(Debug, Clone, Default)]
struct Content {
    /// What is on the disk for certain, before the changes.
    bytes: Vec<u8>,
    changes: Vec<Change>,
}

#[derive(Debug, Clone)]
struct Change {
    what: What,
    fate: Fate,
}

#[derive(Debug, Clone)]
enum What {
    Write { offset: usize, bytes: Arc<[u8]> },
    Cut { size: usize },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Not synced yet.
    Open,
    /// Should have been, and the sync failed.
    Adrift,
    /// On the disk.
    Safe,
}

/// What the loss of power takes of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// All of it.
    Everything,
    /// None of it.
    Nothing,
    /// Any of the writes, each whole.
    Writes,
    /// Any sectors of that many bytes.
    Sectors(usize),
}

/// The files of a disk after a loss of power.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The files by name.
    pub files: BTreeMap<Arc<str>, Vec<u8>>,
}

impl Platter {
    /// Takes the next event.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Made { file } => self.name(file).push(Some(Content::default())),
            Event::Removed { file } => self.name(file).push(None),
            Event::FolderSynced => {
                for versions in self.names.values_mut() {
                    versions.drain(..versions.len().saturating_sub(1));
                }
            }
            Event::Write { file, offset, bytes } => {
                let (offset, bytes) = (*offset as usize, Arc::clone(bytes));
                self.change(file, What::Write { offset, bytes });
            }
            Event::Truncate { file, size } => self.change(file, What::Cut { size: *size as usize }),
            Event::Synced { file } => self.now(file, Content::synced),
            Event::SyncFailed { file } => self.now(file, Content::adrift),
            Event::Failed { .. } | Event::Note(_) => {}
        }
    }

    /// What a loss of power leaves now.
    pub fn image(&self, loss: Loss, dice: &mut impl Rng) -> Image {
        let mut files = BTreeMap::new();
        for (name, versions) in &self.names {
            let version = match loss {
                Loss::Everything => versions.first(),
                Loss::Nothing => versions.last(),
                Loss::Writes | Loss::Sectors(_) => {
                    versions.get(dice.random_range(0..versions.len()))
                }
            };
            if let Some(Some(content)) = version {
                files.insert(Arc::clone(name), content.after(loss, dice));
            }
        }
        Image { files }
    }

    fn name(&mut self, file: &Arc<str>) -> &mut Vec<Option<Content>> {
        self.names.entry(Arc::clone(file)).or_insert_with(|| vec![None])
    }

    fn now(&mut self, file: &Arc<str>, change: impl FnOnce(&mut Content)) {
        if let Some(Some(content)) = self.name(file).last_mut() {
            change(content);
        }
    }

    fn change(&mut self, file: &Arc<str>, what: What) {
        self.now(file, |content| content.changes.push(Change { what, fate: Fate::Open }));
    }
}

impl Content {
    fn synced(&mut self) {
        for change in self.changes.iter_mut().filter(|change| change.fate == Fate::Open) {
            change.fate = Fate::Safe;
        }
        let adrift = self.changes.iter().position(|change| change.fate == Fate::Adrift);
        for change in self.changes.drain(..adrift.unwrap_or(self.changes.len())) {
            change.what.make(&mut self.bytes);
        }
    }

    fn adrift(&mut self) {
        for change in self.changes.iter_mut().filter(|change| change.fate == Fate::Open) {
            change.fate = Fate::Adrift;
        }
    }

    fn after(&self, loss: Loss, dice: &mut impl Rng) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        // Sometimes nearly all is there, sometimes next to nothing.
        let share = dice.random_range(0.0..1.0);
        for Change { what, fate } in &self.changes {
            match (fate, loss, what) {
                (Fate::Safe, ..) | (_, Loss::Nothing, _) => what.make(&mut bytes),
                (_, Loss::Everything, _) => {}
                (_, Loss::Sectors(size), What::Write { offset, bytes: written }) => {
                    for (offset, part) in sectors(*offset, written, size) {
                        if dice.random_bool(share) {
                            put(&mut bytes, offset, part);
                        }
                    }
                }
                (_, Loss::Writes | Loss::Sectors(_), _) => {
                    if dice.random_bool(share) {
                        what.make(&mut bytes);
                    }
                }
            }
        }
        bytes
    }
}

impl What {
    fn make(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => put(to, *offset, bytes),
            Self::Cut { size } => to.resize(*size, 0),
        }
    }
}

impl Image {
    /// Writes the files into a folder.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        self.files.iter().try_for_each(|(name, bytes)| fs::write(folder.join(&**name), bytes))
    }
}

fn put(to: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    to[offset..end].copy_from_slice(bytes);
}

/// The parts of a write that lie in different sectors of the file.
fn sectors(offset: usize, bytes: &[u8], size: usize) -> impl Iterator<Item = (usize, &[u8])> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(from..).filter(|rest| !rest.is_empty())?;
        let at = offset + from;
        let part = &rest[..rest.len().min(size - at % size)];
        from += part.len();
        Some((at, part))
    })
}

#[cfg(test)]
mod tests;
