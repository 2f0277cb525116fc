//! Power that goes while old rows become sums: all of a step is there, or nothing of it.

use std::{sync::Arc, time::Duration};

use faults::{Event, Loss, Platter};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tollgate::store::embedded::{Audit, audit};

use crate::{
    scenario::{Load, Notes, use_store},
    world::{MORNING, World, folder, is_long, open_at, path},
};

const TWO_DAYS: Duration = Duration::from_secs(2 * 86_400);

/// Rows that ever were, reservations, and money that was settled.
fn sums(found: &Audit) -> (u64, u64, u64) {
    (found.entries + found.compacted, found.reservations, found.settled.cost.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_loss_of_power_halves_no_step() {
    let mut steps = std::collections::BTreeSet::new();
    for seed in 0..if is_long() { 20 } else { 1 } {
        let (world, notes) = (Arc::new(World::new()), Arc::new(Notes::default()));
        let load = Load { workers: 4, steps: 300, checkpoints: false };
        let (store, said) =
            use_store((&world, &notes), world.open().expect("a ledger"), load, seed).await;
        assert_eq!(said, None, "the disk is well");
        drop(store);
        let first = world.disk.events().len();
        // A copy is audited: reading makes files that the watch would not know of.
        let copy = folder();
        std::fs::copy(path(world.folder.path()), path(copy.path())).expect("a copy");
        let before = audit(&path(copy.path())).expect("a ledger");
        assert_eq!(before.compacted, 0);

        // Ten days later all of that is old, and more comes.
        let later = MORNING.after(Duration::from_secs(10 * 86_400));
        let opened = world.open_keeping(later, TWO_DAYS).expect("a ledger");
        let load = Load { steps: 40, ..load };
        let (store, said) = use_store((&world, &notes), opened, load, seed | 1 << 32).await;
        assert_eq!(said, None, "the disk is well");
        drop(store);

        let events = world.disk.events();
        let mut platter = Platter::default();
        events[..first].iter().for_each(|event| platter.apply(event));
        let mut dice = StdRng::seed_from_u64(seed);
        let images = if is_long() { 300 } else { 60 };
        let mut cuts: Vec<usize> =
            (0..images).map(|_| dice.random_range(first..=events.len())).collect();
        cuts.sort_unstable();
        let mut done = first;
        for (nth, cut) in cuts.into_iter().enumerate() {
            events[done..cut].iter().for_each(|event: &Event| platter.apply(event));
            done = cut;
            let loss = [Loss::Everything, Loss::Writes, Loss::Sectors(512)][nth % 3];
            let folder = folder();
            platter.image(loss, &mut dice).write(folder.path()).expect("a copy");
            // What the power has left is brought in order by a start.
            drop(open_at(folder.path(), None, later, None).expect("a ledger"));
            let found = audit(&path(folder.path())).expect("a ledger");
            let context = format!("seed {seed}, {loss:?} after {cut} of {} events", events.len());
            assert!(found.is_clean(), "{context}: {:#?}", found.findings);
            let (now, then) = (sums(&found), sums(&before));
            let is_whole = now.0 >= then.0 && now.1 >= then.1 && now.2 >= then.2;
            assert!(is_whole, "{context}: {then:?} became {now:?}");
            steps.insert(found.compacted);
        }
    }
    assert!(steps.len() > 2, "the power went between steps: {steps:?}");
}
