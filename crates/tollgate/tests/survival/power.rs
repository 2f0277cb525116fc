//! Power that goes at any instant: what was acknowledged is there, and nothing twice.

use std::sync::Arc;

use faults::{Event, Loss, Platter};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::{
    books::Books,
    scenario::{Load, Notes, Redo, use_store},
    world::{World, folder, is_long, redo},
};

const LOSSES: [Loss; 5] =
    [Loss::Everything, Loss::Nothing, Loss::Writes, Loss::Sectors(512), Loss::Sectors(4096)];

/// Where the power goes: half of the times just before or after a sync.
fn cuts(events: &[Event], count: usize, dice: &mut StdRng) -> Vec<usize> {
    let is_sync = |event: &Event| matches!(event, Event::Synced { .. } | Event::FolderSynced);
    let syncs: Vec<usize> =
        events.iter().enumerate().filter(|(_, event)| is_sync(event)).map(|(at, _)| at).collect();
    let mut cuts: Vec<usize> = (0..count)
        .map(|nth| match nth % 4 {
            0 => syncs[dice.random_range(0..syncs.len())],
            1 => syncs[dice.random_range(0..syncs.len())] + 1,
            _ => dice.random_range(0..=events.len()),
        })
        .collect();
    cuts.sort_unstable();
    cuts
}

/// Cuts the power of what has happened that many times; how many acknowledged ends there were
/// to lose in all.
pub(crate) async fn cut_power(
    events: &[Event],
    notes: &Notes,
    (count, seed): (usize, u64),
    context: &str,
) -> usize {
    let mut dice = StdRng::seed_from_u64(seed);
    let (mut platter, mut books) = (Platter::default(), Books::default());
    let (notes, redos) = (notes.all(), notes.redos());
    let (mut done, mut said, mut at_stake) = (0, 0, 0);
    for (nth, cut) in cuts(events, count, &mut dice).into_iter().enumerate() {
        for event in &events[done..cut] {
            platter.apply(event);
            if let Event::Note(number) = event {
                books.enter(&notes[*number as usize]);
                said = *number as usize;
            }
        }
        done = cut;
        at_stake += books.ended();
        let loss = LOSSES[nth % LOSSES.len()];
        let folder = folder();
        platter.image(loss, &mut dice).write(folder.path()).expect("a copy");
        if let Some(left) = left(&redos, said, &mut dice) {
            std::fs::write(redo(folder.path()), left).expect("a redo file");
        }
        let context =
            format!("{context}, seed {seed}, {loss:?} after {cut} of {} events", events.len());
        books.hold(folder.path(), &context).await;
    }
    at_stake
}

/// What is on the disk of a file that is never synced: what it was at some instant before, or
/// parts of that.
fn left(redos: &[Redo], said: usize, dice: &mut StdRng) -> Option<Vec<u8>> {
    let before = redos.partition_point(|redo| redo.after <= said);
    let redos = &redos[before.saturating_sub(3)..before];
    let mut left = redos.get(dice.random_range(0..redos.len().max(1)))?.bytes.clone();
    match dice.random_range(0..4) {
        0 => left.truncate(dice.random_range(0..=left.len())),
        1 => {
            for sector in left.chunks_mut(512).filter(|_| dice.random_bool(0.2)) {
                sector.fill(0);
            }
        }
        2 => {
            for (sector, older) in left.chunks_mut(512).zip(redos[0].bytes.chunks_exact(512)) {
                if sector.len() == older.len() && dice.random_bool(0.5) {
                    sector.copy_from_slice(older);
                }
            }
        }
        _ => {}
    }
    Some(left)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_acknowledged_survives_a_loss_of_power() {
    let (seeds, images) = if is_long() { (20, 500) } else { (1, 120) };
    let mut at_stake = 0;
    for seed in 0..seeds {
        let (world, notes) = (Arc::new(World::new()), Arc::new(Notes::default()));
        for lifetime in 0..3 {
            let opened = world.open().expect("a ledger");
            let load = Load { workers: 4, steps: 60, checkpoints: lifetime > 0 };
            let seed = seed << 8 | lifetime;
            let (store, said) = use_store((&world, &notes), opened, load, seed).await;
            assert_eq!(said, None, "the disk is well");
            drop(store);
        }
        at_stake += cut_power(&world.disk.events(), &notes, (images, seed), "no failure").await;
    }
    println!("{} images, {at_stake} acknowledged ends held", seeds * images as u64);
    assert!(at_stake > 1_000, "{at_stake} acknowledged ends were at stake");
}
