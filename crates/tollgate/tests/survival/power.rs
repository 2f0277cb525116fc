//! Power that goes at any instant: what was acknowledged is there, and nothing twice.

use std::sync::Arc;

use faults::{Event, Loss, Platter};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::{
    books::{Books, Note},
    scenario::{Load, Notes, use_store},
    world::{World, folder, is_long},
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
    notes: &[Note],
    (count, seed): (usize, u64),
    context: &str,
) -> usize {
    let mut dice = StdRng::seed_from_u64(seed);
    let (mut platter, mut books) = (Platter::default(), Books::default());
    let (mut done, mut at_stake) = (0, 0);
    for (nth, cut) in cuts(events, count, &mut dice).into_iter().enumerate() {
        for event in &events[done..cut] {
            platter.apply(event);
            if let Event::Note(number) = event {
                books.enter(&notes[*number as usize]);
            }
        }
        done = cut;
        at_stake += books.ended();
        let loss = LOSSES[nth % LOSSES.len()];
        let folder = folder();
        platter.image(loss, &mut dice).write(folder.path()).expect("a copy");
        let context =
            format!("{context}, seed {seed}, {loss:?} after {cut} of {} events", events.len());
        books.hold(folder.path(), &context).await;
    }
    at_stake
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
        at_stake +=
            cut_power(&world.disk.events(), &notes.all(), (images, seed), "no failure").await;
    }
    println!("{} images, {at_stake} acknowledged ends held", seeds * images as u64);
    assert!(at_stake > 1_000, "{at_stake} acknowledged ends were at stake");
}
