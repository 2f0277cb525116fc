//! Trees of budgets, held against a model that counts everything anew at every question.
//!
//! Sixty-four tenants spend from budgets of three levels: their own, their parent's, and all
//! the parents' together, each for a day, a week, a month of some time zone or for ever. After
//! every operation no budget is over, each account has reserved what was settled, released,
//! expired or is still held, and each decision is the model's.

mod books;
mod model;
mod play;
mod steps;

use std::cell::Cell;

use proptest::test_runner::{Config, TestRunner};
use tollgate::{
    Clock, Embedded, Memory,
    core::Time,
    store::{
        embedded::{EmbeddedBounds, audit},
        memory::{Bounds, Journal},
    },
};

use self::{
    books::{Balance, Books},
    model::Model,
    play::Play,
    steps::{Step, Tree, steps, trees},
};

/// Operations of each history.
const STEPS: usize = 1_000;

/// Histories: ten thousand operations, or more than a million.
fn histories() -> u32 {
    if std::env::var_os("TOLLGATE_LONG").is_some() { 1_050 } else { 10 }
}

/// Plays so many histories; each is a tree and its operations.
fn for_each(histories: u32, steps_each: usize, play: impl Fn(&Tree, &[Step])) {
    let config = Config { cases: histories, failure_persistence: None, ..Config::default() };
    let drawn = (trees(), steps(steps_each));
    let played = TestRunner::new(config).run(&drawn, |(tree, steps)| {
        play(&tree, &steps);
        Ok(())
    });
    if let Err(failed) = played {
        panic!("{failed}");
    }
}

#[test]
fn no_tree_of_budgets_is_ever_overspent() {
    let (admitted, refused) = (Cell::new(0), Cell::new(0));
    for_each(histories(), STEPS, |tree, steps| {
        let store = Memory::new(Bounds::default(), Books::default());
        let mut play = Play::new(&store, tree);
        for step in steps {
            play.step(step);
            for account in play.touched() {
                let told = store.journal().balance(account);
                assert_eq!(told, play.model.balance(account), "{account:?} after {step:?}");
                assert!(told.is_conserved(), "{account:?}: {told:?}");
            }
        }
        admitted.set(admitted.get() + play.admitted);
        refused.set(refused.get() + play.refused);
    });
    let (admitted, refused) = (admitted.get(), refused.get());
    println!("{admitted} admitted, {refused} refused");
    assert!(admitted > 0 && refused > 0, "the histories tried both");
}

#[test]
fn a_ledger_of_budget_trees_says_what_the_model_says() {
    for_each(histories() / 10, STEPS, |tree, steps| {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let path = folder.as_ref().expect("a folder").path().join("tollgate.db");
        let bounds = EmbeddedBounds { max_replay: 100, ..EmbeddedBounds::default() };
        let clock = |floor: Time| Clock::set_at(floor);
        let (store, _) = Embedded::open(&path, bounds, clock).expect("a ledger");
        store.note_policy(&tree.policy());
        let model = played(store.memory(), tree, steps);
        drop(store);
        let found = audit(&path).expect("a ledger");
        assert!(found.is_clean(), "{:#?}", found.findings);
        for limit in &found.limits {
            let sums = model.balance_of_limit(&limit.limit);
            let told = limit.balance;
            let told = Balance {
                reserved: told.reserved,
                settled: told.settled,
                released: told.released,
                expired: told.expired,
                held: told.held,
                overrun: told.overrun,
            };
            assert_eq!(told, sums, "{}", limit.limit);
            assert!(told.is_conserved(), "{}: {told:?}", limit.limit);
        }
    });
}

fn played<J: Journal>(store: &Memory<J>, tree: &Tree, steps: &[Step]) -> Model {
    let mut play = Play::new(store, tree);
    for step in steps {
        play.step(step);
    }
    play.model
}
