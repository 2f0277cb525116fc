//! The limiter that handlers use in process.

use std::time::Duration;

use tollgate::{Clock, Limiter, Limits, Overload, Seat};
use tollgate_core::{Time, queue::Overflow};

fn limiter(limits: Limits) -> Limiter {
    Limiter::with_clock(limits, Clock::of_runtime(Time::from_millis(1_790_000_000_000)))
}

fn of_two(concurrent: u64, queue: usize) -> Limiter {
    limiter(Limits {
        max_concurrent_per_user: concurrent,
        max_queue_size_per_user: queue,
        ..Limits::default()
    })
}

#[tokio::test(start_paused = true)]
async fn one_runs_two_wait_and_the_fourth_is_told_why() {
    let limiter = of_two(1, 2);
    let Ok(Seat::Running(slot)) = limiter.enter("alice").await else { panic!("a slot is free") };
    let Ok(Seat::Queued(first)) = limiter.enter("alice").await else { panic!("it waits") };
    let Ok(Seat::Queued(second)) = limiter.enter("alice").await else { panic!("it waits") };
    assert_eq!((first.place(), second.place()), (Some(1), Some(2)));
    let full = limiter.enter("alice").await.expect_err("both are full");
    let expected = Overload {
        status: 429,
        error: "too_many_requests",
        message: "User queue full (2/2). Too many concurrent requests.".to_owned(),
        retry_after: 5,
    };
    assert_eq!(full, expected);
    let body = r#"{"status":429,"error":"too_many_requests","message":"User queue full (2/2). Too many concurrent requests.","retry_after":5}"#;
    assert_eq!(serde_json::to_string(&full).expect("a body"), body);
    slot.release();
    let slot = first.turn().await.expect("its turn has come");
    drop(slot);
    second.turn().await.expect("and the next").release();
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_given_back_by_an_error_a_panic_and_a_future_that_is_dropped() {
    let limiter = of_two(1, 0);
    let fails = async || -> Result<(), Overload> {
        let _slot = limiter.acquire("alice").await?;
        Err(limiter.acquire("alice").await.expect_err("it is taken"))
    };
    assert!(fails().await.is_err());
    let other = limiter.clone();
    let panics = tokio::spawn(async move {
        let _slot = other.acquire("alice").await;
        panic!("the handler is broken");
    });
    assert!(panics.await.is_err());
    let other = limiter.clone();
    let hangs = async move {
        let _slot = other.acquire("alice").await;
        std::future::pending::<()>().await;
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), hangs).await;
    limiter.try_acquire("alice").await.expect("all of them gave it back").release();
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_does_not_come_is_a_408_and_a_full_system_a_503() {
    let limits = Limits { max_concurrent_global: 1, max_queue_size_global: 1, ..Limits::default() };
    let clock = Clock::of_runtime(Time::from_millis(1_790_000_000_000));
    let limiter = Limiter::with_clock(limits, clock.clone());
    let slot = limiter.acquire("alice").await.expect("a slot is free");
    let began = clock.now().time;
    let late = limiter.acquire("bob").await.expect_err("nobody ends");
    assert_eq!((late.status, late.error), (408, "queue_timeout"));
    assert_eq!(clock.now().time.since(began), Duration::from_secs(30));
    let Ok(Seat::Queued(_place)) = limiter.enter("bob").await else { panic!("it waits") };
    let full = limiter.enter("carol").await.expect_err("one waits already");
    assert_eq!((full.status, full.error), (503, "server_busy"));
    assert_eq!(full.message, "Queue full (1/1). The server is busy.");
    slot.release();
}

#[tokio::test(start_paused = true)]
async fn a_check_takes_nothing_and_many_each_have_their_own_outcome() {
    let limiter = of_two(1, 0);
    assert_eq!(limiter.check("alice").await, Ok(()));
    let outcomes = limiter.acquire_all(["alice", "alice", "bob"]).await;
    let taken: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(taken.iter().filter(|ok| **ok).count(), 2, "{outcomes:?}");
    assert!(taken[2], "bob is nobody's concern");
    assert!(limiter.check("alice").await.is_err());
    drop(outcomes);
    assert_eq!(limiter.check("alice").await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn stats_say_who_runs_and_waits_and_a_reset_begins_anew() {
    let limiter = of_two(1, 2);
    let slot = limiter.acquire("alice").await.expect("a slot");
    let Ok(Seat::Queued(place)) = limiter.enter("alice").await else { panic!("it waits") };
    let stats = serde_json::to_value(limiter.stats()).expect("JSON");
    assert_eq!((&stats["global_concurrent"], &stats["global_queue_size"]), (&1.into(), &1.into()));
    let users = serde_json::json!([{ "user_id": "alice", "concurrent": 1, "queued": 1 }]);
    assert_eq!((&stats["total_users"], &stats["users"]), (&1.into(), &users));
    assert_eq!(stats["config"]["overload_policy"], "drop_newest");
    limiter.reset();
    assert_eq!(limiter.stats().total_users, 0);
    let anew = limiter.acquire("alice").await.expect("it begins anew");
    drop((slot, place, anew));
    assert_eq!(limiter.stats().global_concurrent, 0);
}

#[tokio::test(start_paused = true)]
async fn idle_users_are_forgotten_on_demand() {
    let limiter = of_two(1, 2);
    for nth in 0..1_000 {
        limiter.acquire(&format!("user-{nth}")).await.expect("a slot").release();
    }
    let busy = limiter.acquire("alice").await.expect("a slot");
    limiter.forget_idle().await;
    assert_eq!(limiter.remembered(), 2, "alice, and what all share");
    drop(busy);
    limiter.forget_idle().await;
    assert_eq!(limiter.remembered(), 0);
}

#[tokio::test(start_paused = true)]
async fn where_limits_are_off_everything_passes() {
    let off = Limits { enabled: false, max_concurrent_per_user: 0, ..Limits::default() };
    let limiter = limiter(off);
    let slots = limiter.acquire_all(["alice"; 50]).await;
    assert!(slots.iter().all(Result::is_ok));
    assert_eq!((limiter.stats().global_concurrent, limiter.check("alice").await), (50, Ok(())));
}

#[test]
fn the_environment_sets_it_up_and_is_told_what_makes_no_sense() {
    let var = |name: &str| {
        let told = match name {
            "LIMITS_ENABLED" => "False",
            "LIMITS_MAX_CONCURRENT_PER_USER" => "4",
            "LIMITS_MAX_QUEUE_SIZE_PER_USER" => "11",
            "LIMITS_MAX_CONCURRENT_GLOBAL" => "101",
            "LIMITS_MAX_QUEUE_SIZE_GLOBAL" => "501",
            "LIMITS_RETRY_AFTER_SECONDS" => "6",
            "LIMITS_QUEUE_TIMEOUT_SECONDS" => "2.5",
            "LIMITS_OVERLOAD_POLICY" => "drop_oldest",
            other => panic!("{other} is no setting"),
        };
        Some(told.to_owned())
    };
    let expected = Limits {
        enabled: false,
        max_concurrent_per_user: 4,
        max_queue_size_per_user: 11,
        max_concurrent_global: 101,
        max_queue_size_global: 501,
        retry_after: Duration::from_secs(6),
        queue_timeout: Duration::from_millis(2_500),
        overload_policy: Overflow::DropOldest,
    };
    assert_eq!(Limits::from_vars(var), Ok(expected));
    assert_eq!(Limits::from_vars(|_| None), Ok(Limits::default()));
    let bad = |name| name == "LIMITS_OVERLOAD_POLICY";
    let error = Limits::from_vars(|name| bad(name).then(|| "drop_all".to_owned()));
    let told = "LIMITS_OVERLOAD_POLICY=`drop_all`: write drop_newest, drop_oldest or block";
    assert_eq!(error.map_err(|error| error.to_string()), Err(told.to_owned()));
}
