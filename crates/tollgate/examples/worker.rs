//! A background worker that hands its batch back for later where there is no slot: nothing is
//! lost, and nobody waits in vain.
//!
//! `cargo run -p tollgate --example worker`

use std::collections::VecDeque;

use tollgate::{Limiter, Limits};

/// Work for one user.
#[derive(Debug)]
struct Batch {
    user: &'static str,
    documents: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let limiter = Limiter::new(Limits { max_concurrent_per_user: 1, ..Limits::default() });
    let mut queue: VecDeque<Batch> =
        [("alice", 3), ("bob", 2)].map(|(user, documents)| Batch { user, documents }).into();
    // Somebody else works for alice just now.
    let mut elsewhere = limiter.acquire("alice").await.ok();
    let mut handed_back = 0;
    while let Some(batch) = queue.pop_front() {
        match limiter.try_acquire(batch.user).await {
            Ok(slot) => {
                work(&batch);
                slot.release();
            }
            Err(_) => {
                handed_back += 1;
                queue.push_back(batch);
                elsewhere = None;
            }
        }
    }
    assert!(elsewhere.is_none() && handed_back == 1, "alice's batch was handed back once");
}

const fn work(batch: &Batch) {
    // Here the documents would be sent to a model.
    let _ = batch.documents;
}
