//! Files that were damaged anyhow: they open, or one sentence says why not. Never a panic,
//! never a wait without end.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::channel,
    },
    time::Duration,
};

use faults::{Image, Loss, Platter};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tollgate::{
    Store as _,
    store::embedded::{LedgerError, audit},
};

use crate::{
    scenario::{Load, Notes, use_store},
    world::{World, costing, folder, is_long, open, order, path, policy, who},
};

/// Longer than any file of this size takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Panics of any thread, also of the ledger's own.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// A ledger as a running process has it, and as it is after a good end.
async fn images() -> [Image; 2] {
    let (world, notes) = (Arc::new(World::new()), Arc::new(Notes::default()));
    // One worker, so that a seed always damages the same bytes.
    let load = Load { workers: 1, steps: 180, checkpoints: false };
    let opened = world.open().expect("a ledger");
    let (store, said) = use_store((&world, &notes), opened, load, 7).await;
    assert_eq!(said, None, "the disk is well");
    let now = || {
        let mut platter = Platter::default();
        world.disk.events().iter().for_each(|event| platter.apply(event));
        platter.image(Loss::Nothing, &mut StdRng::seed_from_u64(7))
    };
    let running = now();
    drop(store);
    [running, now()]
}

/// Damages one of the files: bits, a stretch of zeroes or of noise, or its end.
fn damage(image: &mut Image, dice: &mut StdRng) -> String {
    let names: Vec<_> = image.files.keys().cloned().collect();
    let name = &names[dice.random_range(0..names.len())];
    let bytes = image.files.get_mut(name).expect("a file");
    if bytes.is_empty() {
        return format!("{name} is empty");
    }
    let at = dice.random_range(0..bytes.len());
    match dice.random_range(0..4) {
        0 => {
            let flips = dice.random_range(1..40);
            for _ in 0..flips {
                let at = dice.random_range(0..bytes.len());
                bytes[at] ^= 1 << dice.random_range(0..8);
            }
            format!("{flips} bits of {name}")
        }
        1 => {
            bytes.truncate(at);
            format!("{name} cut to {at}")
        }
        kind => {
            let end = bytes.len().min(at + dice.random_range(1..5_000));
            bytes[at..end].fill_with(|| if kind == 2 { 0 } else { dice.random() });
            format!("{name} from {at} to {end}")
        }
    }
}

fn expect_sentence(error: &LedgerError, context: &str) {
    let said = error.to_string();
    assert!(said.contains("tollgate.db") && !said.contains(char::is_control), "{context}: {said}");
}

/// Opens the ledger, uses it, ends it and audits it; whether it opened.
async fn use_damaged(folder: &Path, context: &str) -> bool {
    let opened = open(folder, None);
    if let Err(error) = &opened {
        expect_sentence(error, context);
    }
    if let Ok((store, clock)) = &opened {
        let (policy, who, demand) = (policy(), who("ann"), costing(5));
        let order = order(&policy, (u128::MAX, &who, &demand), clock);
        // Damage may show only now, and then as an answer.
        let _ = store.reserve(&order, clock.now()).await;
        let _ = store.settle(order.id, &demand, clock.now()).await;
        let _ = store.durable().await;
    }
    let is_open = opened.is_ok();
    drop(opened);
    if let Err(error) = audit(&path(folder)) {
        expect_sentence(&error, context);
    }
    is_open
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_damaged_file_opens_or_says_why_not() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        usual(panic);
    }));
    let images = images().await;
    let (seeds, mut opened) = (if is_long() { 20_000 } else { 200 }, 0);
    for seed in 0..seeds {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut image = images[dice.random_range(0..2)].clone();
        let context = format!("seed {seed}, {}", damage(&mut image, &mut dice));
        let folder = folder();
        image.write(folder.path()).expect("a copy");
        let (tell, told) = channel();
        let (place, said) = (folder.path().to_owned(), context.clone());
        let runtime = tokio::runtime::Handle::current();
        // A thread of its own, so that one which never ends is seen.
        std::thread::spawn(move || {
            let is_open = runtime.block_on(use_damaged(&place, &said));
            let _ = tell.send(is_open);
        });
        let is_open = told.recv_timeout(PATIENCE);
        opened += u64::from(is_open.unwrap_or_else(|error| panic!("{context}: {error}")));
        assert_eq!(PANICS.load(Ordering::SeqCst), 0, "{context}: a thread has panicked");
    }
    println!("of {seeds} damaged ledgers, {opened} opened");
    assert!((1..seeds).contains(&opened), "{opened} of {seeds} opened");
}
