//! Who waits for a provider, in paused time.

use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::*;
use crate::guards::Waiting;

/// Who was let in, and how many seconds after the beginning.
type Log = Arc<Mutex<Vec<(&'static str, u64)>>>;

/// Those who come to a provider.
struct Scene {
    world: World,
    began: Time,
    log: Log,
}

/// Somebody who comes.
#[derive(Clone, Copy)]
struct Comer {
    name: &'static str,
    model: &'static str,
    account: Account,
    priority: Option<&'static str>,
    /// How long it stays.
    stays: Duration,
}

const fn comer(name: &'static str) -> Comer {
    Comer { name, model: "m", account: Account::COMMON, priority: None, stays: SECOND }
}

impl Scene {
    fn new(says: &str) -> Self {
        let world = World::by(Clock::of_runtime(Time::from_millis(1_000)), says);
        Self { began: world.now(), world, log: Log::default() }
    }

    /// Comes, and has come when this returns.
    async fn comes(&self, comer: Comer) -> JoinHandle<()> {
        let (world, log, began) = (self.world.clone(), Arc::clone(&self.log), self.began);
        let task = tokio::spawn(async move {
            let pass = enter(&world, comer).await;
            log.lock().push((comer.name, world.now().since(began).as_secs()));
            passes(comer.stays).await;
            pass.ended(SERVED, world.now());
        });
        tokio::task::yield_now().await;
        task
    }

    async fn seconds(&self, seconds: u64) {
        passes(SECOND * u32::try_from(seconds).expect("not long")).await;
    }

    fn log(&self) -> Vec<(&'static str, u64)> {
        self.log.lock().clone()
    }
}

/// Lets time go by, which is paused.
async fn passes(length: Duration) {
    let _ = tokio::time::timeout(length, std::future::pending::<()>()).await;
}

/// Waits as requests do.
async fn enter(world: &World, comer: Comer) -> Pass {
    let Comer { model, account, priority, .. } = comer;
    let (bell, first) = (Arc::default(), turn(priority, world.now()));
    let mut place = None;
    loop {
        let turn = place.as_ref().map_or(first, Waiting::turn);
        let asked = ask(model, account, turn);
        let not_now = match world.guard.admit(asked, world.now()) {
            Ok(pass) => return pass,
            Err(not_now) => not_now,
        };
        let Some(place) = &place else {
            place = Some(world.guard.wait(asked, not_now, &bell).expect("a place"));
            continue;
        };
        place.found(not_now);
        let timer = not_now.until.filter(|_| !not_now.behind);
        let timer = timer.map_or(Duration::MAX, |until| until.since(world.now()));
        // Rung, or in time.
        let _ = tokio::time::timeout(timer, bell.notified()).await;
    }
}

const ONE: &str = "[providers.up.learn.concurrency]\ninitial = 1\nmax = 1";

#[tokio::test(start_paused = true)]
async fn they_go_as_they_came_and_urgent_ones_as_if_they_had_come_earlier() {
    let scene = Scene::new(ONE);
    scene.comes(Comer { stays: 40 * SECOND, ..comer("first") }).await;
    for (name, priority, then) in [
        ("low", Some("low"), 5),
        ("a", None, 1),
        ("b", None, 1),
        ("high", Some("high"), 1),
        ("c", None, 29),
        ("late critical", Some("critical"), 20),
    ] {
        scene.comes(Comer { priority, ..comer(name) }).await;
        scene.seconds(then).await;
    }
    // Levels are ten seconds apart: `low` came at 0 as if at 30, `late critical` at 37.
    let order = ["first", "high", "a", "b", "c", "low", "late critical"];
    let at = [0, 40, 41, 42, 43, 44, 45];
    assert_eq!(scene.log(), order.into_iter().zip(at).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn who_comes_when_there_is_room_goes_behind_those_who_wait_for_it() {
    let scene = Scene::new(ONE);
    let first = scene.world.ask("m").expect("the first");
    scene.comes(comer("waits")).await;
    first.unsent();
    // The place is free, and the one who waits was told, but has had no time to take it.
    let not_now = scene.world.ask("m").expect_err("another waits");
    assert_eq!((not_now.why, not_now.behind), (InTheWay::Concurrency, true));
    drop(scene.world.ask("n").expect("nobody waits for another model"));
    let urgent = ask("m", Account::COMMON, turn(Some("critical"), scene.world.now()));
    let urgent = scene.world.guard.admit(urgent, scene.world.now());
    drop(urgent.expect("it goes before the one who waits"));
    scene.seconds(1).await;
    assert_eq!(scene.log(), [("waits", 0)]);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_line_holds_up_nobody() {
    let scene = Scene::new(ONE);
    scene.comes(Comer { stays: 5 * SECOND, ..comer("first") }).await;
    let gives_up = scene.comes(comer("gives up")).await;
    scene.comes(comer("second")).await;
    scene.comes(comer("third")).await;
    let circuits = serde_json::to_value(scene.world.guard.circuits(scene.world.clock.now()));
    assert_eq!(circuits.expect("JSON")[0]["waiting"], 3);
    scene.seconds(1).await;
    gives_up.abort();
    scene.seconds(9).await;
    assert_eq!(scene.log(), [("first", 0), ("second", 5), ("third", 6)]);
    drop(scene.world.ask("m").expect("nobody is left"));
}

#[tokio::test(start_paused = true)]
async fn who_was_called_and_does_not_come_gives_the_place_to_the_next() {
    let scene = Scene::new(ONE);
    let first = scene.world.ask("m").expect("the first");
    let called = scene.comes(comer("called")).await;
    scene.comes(comer("next")).await;
    first.unsent();
    called.abort();
    scene.seconds(1).await;
    assert_eq!(scene.log(), [("next", 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_opens_is_used_in_order_and_other_keys_are_not_held_up() {
    let scene = Scene::new("[providers.up.learn.quota]\nspread = \"3s\"");
    let mut refused = scene.world.ask("m").expect("nothing is known");
    refused.headed(&throttled(7), scene.world.now());
    drop(refused);
    for name in ["a", "b", "c"] {
        scene.comes(comer(name)).await;
    }
    scene.comes(Comer { account: account_of(b"Bearer own"), ..comer("own") }).await;
    scene.comes(Comer { model: "n", ..comer("other") }).await;
    assert_eq!(scene.log(), [("own", 0), ("other", 0)]);
    scene.seconds(60).await;
    let log = scene.log();
    let names: Vec<_> = log.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["own", "other", "a", "b", "c"], "{log:?}");
    assert_eq!(log[2].1, 7, "at the promised instant");
}

#[tokio::test(start_paused = true)]
async fn beginnings_that_are_kept_apart_are_taken_in_order_whatever_the_model() {
    let scene = Scene::new("[providers.up.learn.interval]\nmin = \"2s\"\nmax = \"2s\"");
    for (name, model) in [("a", "m"), ("b", "n"), ("c", "m"), ("d", "o")] {
        scene.comes(Comer { model, ..comer(name) }).await;
    }
    scene.seconds(9).await;
    assert_eq!(scene.log(), [("a", 0), ("b", 2), ("c", 4), ("d", 6)]);
}

#[tokio::test(start_paused = true)]
async fn places_are_bounded_and_another_policy_asks_everybody_anew() {
    let mut scene = Scene::new(ONE);
    let first = scene.world.ask("m").expect("the first");
    let not_now = scene.world.ask("m").expect_err("there is one");
    let (bell, now) = (Arc::default(), scene.world.now());
    let comes = |tenant: &str| {
        let asked = Ask { tenant, ..ask("m", Account::COMMON, turn(None, now)) };
        scene.world.guard.wait(asked, not_now, &bell)
    };
    let places: Vec<_> = (0..1_200).filter_map(|nth| comes(&nth.to_string())).collect();
    assert_eq!(places.len(), 1_000);
    drop(places);
    let fills = |tenant| std::iter::repeat_with(move || tenant).map_while(comes);
    let mut one: Vec<_> = fills("one").collect();
    assert_eq!(one.len(), 750, "nobody else comes");
    let other: Vec<_> = fills("other").collect();
    assert_eq!(other.len(), 188, "one that comes late has three quarters of the rest");
    let third: Vec<_> = fills("third").collect();
    assert!(third.len() > 40 && comes("one").is_none(), "and so on: {}", third.len());
    // Whoever has more than its share gets no more until it has less.
    one.truncate(600);
    assert!(comes("one").is_none());
    one.truncate(500);
    assert!(comes("one").is_some());
    drop((one, other, third));
    scene.comes(comer("waits")).await;
    scene.world.says("[providers.up.learn.concurrency]\ninitial = 2\nmin = 2");
    scene.seconds(1).await;
    assert_eq!(scene.log(), [("waits", 0)]);
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn who_finds_something_else_in_its_way_that_is_gone_by_then_asks_once_more() {
    let scene = Scene::new(ONE);
    let world = &scene.world;
    let mut refused = world.ask("m").expect("nothing is known");
    refused.headed(&throttled(7), world.now());
    drop(refused);
    let (bell, first) = (Arc::default(), turn(None, world.now()));
    let quota = world.ask("m").expect_err("it is closed");
    let place = world.guard.wait(ask("m", Account::COMMON, first), quota, &bell).expect("a place");
    scene.seconds(7).await;
    let other = world.of("m", account_of(b"Bearer own")).expect("its quota is another");
    let asked = ask("m", Account::COMMON, place.turn());
    let slots = world.guard.admit(asked, world.now()).expect_err("the one place is taken");
    assert_eq!((quota.why, slots.why), (InTheWay::Quota, InTheWay::Concurrency));
    // The place is free again, and nobody is known yet to wait for it.
    other.unsent();
    let is_rung = || async { tokio::time::timeout(SECOND, bell.notified()).await.is_ok() };
    assert!(!is_rung().await);
    place.found(slots);
    assert!(is_rung().await, "who else would?");
    drop(world.guard.admit(asked, world.now()).expect("there is room"));
}
