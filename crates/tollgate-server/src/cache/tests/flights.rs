//! The first goes, the others wait: nobody waits for nothing, whoever fails or goes away.

use std::{cell::Cell, rc::Rc, time::Duration};

use proptest::prelude::*;
use tokio::task::{JoinHandle, LocalSet, spawn_local, yield_now};

use super::{Answers, Errand, LONG, Looked, bring, goes, look};
use crate::cache::Selector;

const MAX: u64 = 1 << 20;

/// Lets every task go on until none can.
async fn settle() {
    for _ in 0..64 {
        yield_now().await;
    }
}

fn following(answers: &Answers, wait: Duration) -> JoinHandle<Looked> {
    let answers = answers.clone();
    tokio::spawn(async move { look(&answers, "b", wait).await })
}

#[tokio::test(start_paused = true)]
async fn those_who_ask_the_same_at_once_get_the_answer_of_the_first() {
    let answers = Answers::of_bytes(MAX);
    let first = goes(look(&answers, "a", LONG).await);
    let others = [(); 3].map(|()| following(&answers, LONG));
    settle().await;
    assert!(others.iter().all(|other| !other.is_finished()));
    assert!(bring(first, 5));
    for other in others {
        let Looked::Brought(kept) = other.await.unwrap() else { panic!("it went by itself") };
        assert_eq!(kept.usage.requests, 5);
    }
    let Looked::Kept(_) = look(&answers, "c", LONG).await else { panic!("it is kept") };
}

#[tokio::test(start_paused = true)]
async fn where_the_first_fails_each_goes_by_itself() {
    let answers = Answers::of_bytes(MAX);
    let first = goes(look(&answers, "a", LONG).await);
    let others = [(); 3].map(|()| following(&answers, LONG));
    settle().await;
    first.fail();
    let mut errands = Vec::new();
    for other in others {
        errands.push(goes(other.await.unwrap()));
    }
    assert!(bring(errands.pop().unwrap(), 1), "what it brings is kept all the same");
}

#[tokio::test(start_paused = true)]
async fn where_the_first_goes_away_the_next_one_goes_for_all() {
    let answers = Answers::of_bytes(MAX);
    let first = goes(look(&answers, "a", LONG).await);
    let [gone, next, last] = [(); 3].map(|()| following(&answers, LONG));
    settle().await;
    gone.abort();
    settle().await;
    drop(first);
    let errand = goes(next.await.unwrap());
    settle().await;
    assert!(!last.is_finished());
    assert!(bring(errand, 2));
    assert!(matches!(last.await.unwrap(), Looked::Brought(kept) if kept.usage.requests == 2));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_its_patience() {
    let answers = Answers::of_bytes(MAX);
    let first = goes(look(&answers, "a", LONG).await);
    goes(look(&answers, "b", Duration::ZERO).await);
    goes(look(&answers, "b", Duration::from_secs(5)).await);
    drop(first);
    let next = goes(look(&answers, "b", LONG).await);
    assert!(next.leads.is_some(), "nobody is on the way any more");
}

#[tokio::test(start_paused = true)]
async fn what_is_cleared_is_not_brought_by_who_went_before() {
    let answers = Answers::of_bytes(MAX);
    let stale = goes(look(&answers, "a", LONG).await);
    let waits = following(&answers, LONG);
    settle().await;
    answers.clear(&Selector { user: Some("a".into()), ..Selector::default() });
    let fresh = goes(waits.await.unwrap());
    assert!(!bring(stale, 1), "it began before");
    let waits = following(&answers, LONG);
    settle().await;
    assert!(bring(fresh, 2));
    assert!(matches!(waits.await.unwrap(), Looked::Brought(kept) if kept.usage.requests == 2));
    // Handed over, and cleared before it was taken.
    answers.clear(&Selector::default());
    let errand = goes(look(&answers, "a", LONG).await);
    let waits = following(&answers, LONG);
    settle().await;
    bring(errand, 3);
    answers.clear(&Selector::default());
    goes(waits.await.unwrap());
}

#[derive(Debug, Clone)]
enum Step {
    Ask(u8),
    Abort(prop::sample::Index),
    Bring(prop::sample::Index),
    Fail(prop::sample::Index),
    Drop(prop::sample::Index),
    Clear(Option<u8>),
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    let which = any::<prop::sample::Index>;
    prop_oneof![
        6 => (0_u8..3).prop_map(Step::Ask),
        2 => which().prop_map(Step::Abort),
        2 => which().prop_map(Step::Bring),
        1 => which().prop_map(Step::Fail),
        2 => which().prop_map(Step::Drop),
        1 => prop::option::of(0_u8..3).prop_map(Step::Clear),
        4 => Just(Step::Settle),
    ]
}

/// Requests that run, and what is known of those that are on their way.
#[derive(Default)]
struct World {
    step: Rc<Cell<u64>>,
    asking: Vec<JoinHandle<(u64, Looked)>>,
    /// Each with the step at which it went at the latest, and whose it is.
    errands: Vec<(u64, Errand)>,
    /// The step before which what was brought went, by its number.
    brought: Vec<u64>,
    cleared: Vec<(u64, Option<u8>)>,
}

impl World {
    fn ask(&mut self, answers: &Answers, user: u8) {
        let (answers, step) = (answers.clone(), Rc::clone(&self.step));
        self.asking.push(spawn_local(async move {
            let looked = look(&answers, &user.to_string(), LONG).await;
            (step.get(), looked)
        }));
    }

    /// Takes what has come out of those that asked.
    async fn gather(&mut self) -> Result<(), TestCaseError> {
        settle().await;
        for place in (0..self.asking.len()).rev() {
            if !self.asking[place].is_finished() {
                continue;
            }
            match self.asking.swap_remove(place).await {
                Ok((at, Looked::Go(errand))) => self.errands.push((at, errand)),
                Ok((at, Looked::Kept(kept) | Looked::Brought(kept))) => {
                    let went = self.brought[kept.usage.requests as usize];
                    let is_stale = self.cleared.iter().any(|(when, whose)| {
                        let user = whose.map(|user| user.to_string().into());
                        went < *when && *when < at && (user.is_none() || user == kept.labels.user)
                    });
                    prop_assert!(!is_stale, "{kept:?} was cleared");
                }
                Err(_) => {}
            }
        }
        let leading = self.errands.iter().filter(|(went, errand)| {
            errand.leads.is_some() && self.cleared.iter().all(|(when, _)| when < went)
        });
        prop_assert!(leading.count() <= 1, "two lead at once");
        Ok(())
    }

    async fn run(&mut self, answers: &Answers, step: Step) -> Result<(), TestCaseError> {
        self.step.set(self.step.get() + 1);
        match step {
            Step::Ask(user) => self.ask(answers, user),
            Step::Abort(which) if !self.asking.is_empty() => {
                self.asking[which.index(self.asking.len())].abort();
            }
            Step::Bring(which) if !self.errands.is_empty() => {
                let (went, errand) = self.errands.remove(which.index(self.errands.len()));
                bring(errand, self.brought.len() as u64);
                self.brought.push(went);
            }
            Step::Fail(which) if !self.errands.is_empty() => {
                self.errands.remove(which.index(self.errands.len())).1.fail();
            }
            Step::Drop(which) if !self.errands.is_empty() => {
                self.errands.remove(which.index(self.errands.len()));
            }
            Step::Clear(whose) => {
                let user = whose.map(|user| user.to_string().into());
                answers.clear(&Selector { user, ..Selector::default() });
                self.cleared.push((self.step.get(), whose));
            }
            Step::Settle => self.gather().await?,
            _ => {}
        }
        Ok(())
    }

    /// With nobody on the way any more, nobody waits any more, though no time has passed.
    async fn end(&mut self) -> Result<(), TestCaseError> {
        self.gather().await?;
        while !self.errands.is_empty() {
            self.errands.clear();
            self.gather().await?;
        }
        prop_assert!(self.asking.is_empty(), "{} were forgotten", self.asking.len());
        Ok(())
    }
}

proptest! {
    #[test]
    fn nobody_is_forgotten_or_given_what_was_cleared_whoever_goes_away_when(
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        LocalSet::new().block_on(&runtime, async move {
            let (answers, mut world) = (Answers::of_bytes(MAX), World::default());
            for step in steps {
                world.run(&answers, step).await?;
            }
            world.end().await
        })?;
    }
}
