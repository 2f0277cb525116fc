//! What each schedule of arrivals, ends, cancellations and pauses must keep.

use std::{collections::VecDeque, time::Duration};

use proptest::{collection::vec, prelude::*, sample::Index};
use tollgate::{Entered, Memory, Permit, Waiting};

use crate::support::{Gate, all_slots, enter, gate, left, user_slots, who};

#[derive(Debug, Clone)]
enum Step {
    Enter { user: u8 },
    End { which: Index, used: bool },
    Leave { which: Index },
    Pause { ms: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0_u8..4).prop_map(|user| Step::Enter { user }),
        4 => any::<(Index, bool)>().prop_map(|(which, used)| Step::End { which, used }),
        2 => any::<Index>().prop_map(|which| Step::Leave { which }),
        1 => (0_u64..20_000).prop_map(|ms| Step::Pause { ms }),
    ];
    vec(step, 1..80)
}

struct Play {
    gate: Gate,
    running: Vec<(u8, Permit<Memory>)>,
    waiting: VecDeque<(u8, Waiting<Memory>)>,
}

const USER_SLOTS: usize = 2;
const ALL_SLOTS: usize = 4;

impl Play {
    async fn step(&mut self, step: &Step) {
        match step {
            Step::Enter { user } => match enter(&self.gate, &who(&user.to_string())).await {
                Entered::Admit(permit) => self.running.push((*user, permit)),
                Entered::Wait(waiting) => self.waiting.push_back((*user, waiting)),
                Entered::Refuse(_) => {}
            },
            Step::End { which, used } if !self.running.is_empty() => {
                let (_, permit) = self.running.swap_remove(which.index(self.running.len()));
                if *used { drop(permit) } else { permit.end(None) }
            }
            Step::Leave { which } if !self.waiting.is_empty() => {
                self.waiting.remove(which.index(self.waiting.len()));
            }
            Step::End { .. } | Step::Leave { .. } => {}
            Step::Pause { ms } => tokio::time::advance(Duration::from_millis(*ms)).await,
        }
        self.collect();
        self.check().await;
    }

    /// Takes what was told. Of each user, in the order in which they came.
    fn collect(&mut self) {
        let now = self.gate.clock().now().time;
        let mut still = VecDeque::new();
        let mut passed = std::collections::BTreeSet::new();
        while let Some((user, mut waiting)) = self.waiting.pop_front() {
            match waiting.try_turn() {
                Some(Ok(tollgate::Verdict::Admit(permit))) => {
                    assert!(!passed.contains(&user), "{user} was overtaken by itself");
                    self.running.push((user, permit));
                }
                Some(other) => panic!("nothing but a permit is told here: {other:?}"),
                None => {
                    // Nobody starts whose time is up, though it has not looked yet.
                    if waiting.deadline() > now {
                        passed.insert(user);
                    }
                    still.push_back((user, waiting));
                }
            }
        }
        self.waiting = still;
    }

    async fn check(&self) {
        let of = |user: u8| self.running.iter().filter(|(other, _)| *other == user).count();
        assert!(self.running.len() <= ALL_SLOTS && (0..4).all(|user| of(user) <= USER_SLOTS));
        assert_eq!(self.gate.waiting(), self.waiting.len());
        let free = left(&self.gate, &who("nobody"), "all-slots").await;
        assert_eq!(free as usize, ALL_SLOTS - self.running.len(), "nothing leaks");
        // Nobody waits for what is free.
        let now = self.gate.clock().now().time;
        if self.running.len() < ALL_SLOTS {
            for (user, waiting) in &self.waiting {
                let in_time = waiting.deadline() > now;
                assert!(!in_time || of(*user) == USER_SLOTS, "{user} waits for free slots");
            }
        }
    }
}

proptest! {
    #[test]
    fn nobody_waits_for_what_is_free_and_nothing_leaks(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let limits = vec![user_slots(USER_SLOTS as u64, 3), all_slots(ALL_SLOTS as u64, 6)];
            let mut play =
                Play { gate: gate(limits), running: vec![], waiting: VecDeque::new() };
            for step in &steps {
                play.step(step).await;
            }
            play.waiting.clear();
            play.running.clear();
            play.check().await;
            assert!(play.gate.is_at_rest(), "every room is forgotten");
        });
    }
}
