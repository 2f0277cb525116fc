//! How the users take turns, in virtual time and with no network.

use std::{
    future::{self, Future},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Barrier, Notify, mpsc};

use super::super::{
    crowd::Played,
    outcome::{Ending, Outcome},
    *,
};

const OK: Outcome = Outcome { ending: Ending::Answered(200), took: Duration::ZERO };

fn crowd(users: u32, until: Until, think: &str) -> Crowd {
    Crowd { users, begin: Begin::Together, until, think: think.parse().unwrap(), seed: 0 }
}

/// How it ended, and how many outcomes it told.
async fn play<S, F>(crowd: Crowd, send: S, stop: impl Future<Output = ()>) -> (Played, usize)
where
    S: Fn(u32) -> F + Send + Sync + 'static,
    F: Future<Output = Outcome> + Send + 'static,
{
    let (sender, mut outcomes) = mpsc::channel(4);
    let count = async {
        let mut count = 0;
        while outcomes.recv().await.is_some() {
            count += 1;
        }
        count
    };
    tokio::join!(crowd.play(send, sender, stop), count)
}

#[tokio::test]
async fn all_users_ask_at_the_same_time_and_each_as_often_as_said() {
    // No request is answered before all users have asked.
    let all = Arc::new(Barrier::new(20));
    let asked: Arc<[AtomicU64]> = (0..20).map(|_| AtomicU64::new(0)).collect();
    let counts = Arc::clone(&asked);
    let send = move |user: u32| {
        counts[user as usize - 1].fetch_add(1, Ordering::Relaxed);
        let all = Arc::clone(&all);
        async move {
            all.wait().await;
            OK
        }
    };
    let (played, told) = play(crowd(20, Until::Requests(7), "0s"), send, future::pending()).await;
    assert_eq!((played, told), (Played { begun: 140, interrupted: false }, 140));
    assert!(asked.iter().all(|count| count.load(Ordering::Relaxed) == 7));
}

#[tokio::test(start_paused = true)]
async fn users_think_between_requests_until_the_time_has_passed() {
    // At 0, 1, 2 and 3 seconds, and no more.
    let until = Until::Passed(Duration::from_millis(3_500));
    let (played, told) = play(crowd(3, until, "1s"), async |_| OK, future::pending()).await;
    assert_eq!((played, told), (Played { begun: 12, interrupted: false }, 12));
}

#[tokio::test(start_paused = true)]
async fn who_begins_apart_begins_within_the_first_time_to_think() {
    let begun = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let (told, clock) =
        (Arc::clone(&begun), tollgate::Clock::of_runtime(tollgate_core::Time::ZERO));
    let send = move |_| {
        told.lock().push(clock.now().time.as_nanos() / 1_000_000_000);
        future::ready(OK)
    };
    let apart = Crowd { begin: Begin::Apart, ..crowd(20, Until::Requests(1), "10s") };
    play(apart, send, future::pending()).await;
    let begun = begun.lock().clone();
    assert_eq!(begun.len(), 20);
    assert!(begun.iter().all(|second| *second <= 10), "{begun:?}");
    assert!(begun.iter().any(|second| *second != begun[0]), "{begun:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_begun_in_time_is_waited_for() {
    let until = Until::Passed(Duration::from_secs(1));
    let late = async |_| {
        // Answered when somebody else's hour is over.
        let _ = tokio::time::timeout(Duration::from_secs(3_600), future::pending::<()>()).await;
        OK
    };
    let (played, told) = play(crowd(2, until, "0s"), late, future::pending()).await;
    assert_eq!((played, told), (Played { begun: 2, interrupted: false }, 2));
}

#[tokio::test]
async fn a_stop_drops_what_is_running_and_keeps_what_has_ended() {
    let (stop, running) = (Arc::new(Notify::new()), AtomicU64::new(0));
    let tell = Arc::clone(&stop);
    let send = move |_| {
        let nth = running.fetch_add(1, Ordering::Relaxed);
        if nth == 3 {
            tell.notify_one();
        }
        async move { if nth < 3 { OK } else { future::pending().await } }
    };
    let stopped = async { stop.notified().await };
    let (played, told) = play(crowd(1, Until::Requests(100), "0s"), send, stopped).await;
    assert_eq!((played, told), (Played { begun: 4, interrupted: true }, 3));
}

#[tokio::test]
async fn who_is_stopped_beforehand_asks_nothing() {
    let send = async |_| unreachable!("nobody asks");
    let (played, told) = play(crowd(5, Until::Requests(1), "0s"), send, future::ready(())).await;
    assert_eq!((played, told), (Played { begun: 0, interrupted: true }, 0));
}
