//! One part of the cells, behind one lock.

use compact_str::CompactString;
use hashbrown::HashTable;
use tollgate_core::{Cell, Now, ScopeId};

/// Cells by scope and key, at places that stay the same while they are referred to.
#[derive(Debug, Default)]
pub(super) struct Shard {
    index: HashTable<u32>,
    /// Slots in blocks, so that growing neither copies them nor doubles what they take.
    blocks: Vec<Vec<Slot>>,
    free: Vec<u32>,
}

/// A cell and what the store must know of it.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) scope: ScopeId,
    pub(super) key: CompactString,
    pub(super) cell: Cell,
    /// Reservations that refer to it, live or still to be settled late; it stays in place
    /// until there are none.
    pub(super) references: u32,
    /// Its name in the journal; 0 while the slot is free. The high bit: changed since the
    /// last checkpoint.
    number: u32,
}

const BLOCK: usize = 64;
const DIRTY: u32 = 1 << 31;

/// The most numbers a ledger can name cells with.
pub(super) const MAX_NUMBER: u32 = DIRTY - 1;

impl Slot {
    pub(super) const fn number(&self) -> u32 {
        self.number & !DIRTY
    }

    pub(super) const fn is_dirty(&self) -> bool {
        self.number & DIRTY != 0
    }

    pub(super) const fn set_dirty(&mut self, dirty: bool) {
        self.number = self.number() | if dirty { DIRTY } else { 0 };
    }

    /// Takes over a cell that a ledger had, unless this one is newer.
    pub(super) fn restore(&mut self, number: u32, cell: &mut Cell, dirty: bool) {
        if number > self.number() {
            (self.cell, self.number) = (std::mem::take(cell), number);
            self.set_dirty(dirty);
        }
    }
}

impl Shard {
    pub(super) fn find(&self, scope: ScopeId, key: &str, hash: u64) -> Option<u32> {
        let is_it = |slot: &u32| {
            let slot = self.at(*slot);
            slot.scope == scope && slot.key == key
        };
        self.index.find(hash, is_it).copied()
    }

    pub(super) fn at(&self, slot: u32) -> &Slot {
        &self.blocks[slot as usize / BLOCK][slot as usize % BLOCK]
    }

    pub(super) fn at_mut(&mut self, slot: u32) -> &mut Slot {
        &mut self.blocks[slot as usize / BLOCK][slot as usize % BLOCK]
    }

    /// Whether the cell of that number is still where it was.
    pub(super) fn is_at(&self, slot: u32, number: u32) -> bool {
        let block = self.blocks.get(slot as usize / BLOCK);
        let slot = block.and_then(|block| block.get(slot as usize % BLOCK));
        slot.is_some_and(|slot| slot.number() == number)
    }

    /// An empty one whose index has room, so that it does not grow step by step.
    pub(super) fn with_room(cells: usize) -> Self {
        Self { index: HashTable::with_capacity(cells), ..Self::default() }
    }

    pub(super) fn insert(
        &mut self,
        (scope, key): (ScopeId, CompactString),
        (number, cell): (u32, Cell),
        hash: u64,
        rehash: impl Fn(ScopeId, &str) -> u64,
    ) -> u32 {
        let made = Slot { scope, key, cell, references: 0, number };
        let place = if let Some(place) = self.free.pop() {
            *self.at_mut(place) = made;
            place
        } else {
            if self.blocks.last().is_none_or(|block| block.len() == BLOCK) {
                self.blocks.push(Vec::with_capacity(BLOCK));
            }
            let block = self.blocks.len() - 1;
            self.blocks[block].push(made);
            (block * BLOCK + self.blocks[block].len() - 1) as u32
        };
        let blocks = &self.blocks;
        self.index.insert_unique(hash, place, |place| {
            let slot = &blocks[*place as usize / BLOCK][*place as usize % BLOCK];
            rehash(slot.scope, &slot.key)
        });
        place
    }

    /// Forgets cells that nobody would miss, and says their numbers; how many.
    pub(super) fn forget_idle(&mut self, now: Now, mut forgotten: impl FnMut(u32)) -> usize {
        let (blocks, free) = (&mut self.blocks, &mut self.free);
        let before = self.index.len();
        self.index.retain(|place| {
            let slot = &mut blocks[*place as usize / BLOCK][*place as usize % BLOCK];
            let idle = slot.references == 0 && slot.cell.is_idle(now);
            if idle {
                forgotten(slot.number());
                let gone = CompactString::const_new("");
                *slot = Slot { key: gone, cell: Cell::default(), number: 0, ..*slot };
                free.push(*place);
            }
            !idle
        });
        before - self.index.len()
    }

    /// The cells in use of one block, so that nobody holds the lock for all of them; none
    /// beyond the last block.
    pub(super) fn block_mut(&mut self, block: usize) -> Option<impl Iterator<Item = &mut Slot>> {
        Some(self.blocks.get_mut(block)?.iter_mut().filter(|slot| slot.number() != 0))
    }
}
