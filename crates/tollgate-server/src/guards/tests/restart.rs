//! What the next process finds of circuits and quotas, in virtual time.

use std::path::Path;

use tollgate::Memory;

use super::*;
use crate::{app::App, guards::keep, learned};

/// A process with its ledger in this folder, whose providers are at these addresses.
fn process(folder: &Path, clock: &Clock, addresses: [&str; 2], says: &str) -> Arc<App> {
    let store = format!("[store]\npath = {:?}\n", folder.join("tollgate.db"));
    let providers = addresses.iter().zip(["one", "two"]).map(|(address, name)| {
        format!("[providers.{name}]\ndialect = \"openai\"\nbase_url = \"{address}\"\n[providers.{name}.breaker]\nfailures = 1\n{}", says.replace("NAME", name))
    });
    let text = store + &providers.collect::<String>();
    let sources = Sources { file: Some(("p.toml".to_owned(), text)), ..Sources::default() };
    let config = sources.load().expect("a policy");
    let at = "127.0.0.1:0".parse().expect("an address");
    let app = App::new(config, Memory::default().into(), clock.clone(), (at, at));
    Arc::new(app.expect("a process"))
}

fn world(app: &App, provider: &str) -> World {
    let live = app.live();
    let guard = Arc::clone(&live.providers.named(provider).expect("it is there").guard);
    World { clock: app.gate.clock().clone(), guard }
}

const HERE: [&str; 2] = ["https://one.example/v1", "https://two.example"];

#[tokio::test]
async fn an_open_circuit_is_open_after_a_restart_for_what_was_left_of_its_wait() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::set_at(Time::from_millis(1_795_334_400_000));
    let app = process(folder.path(), &clock, HERE, "");
    let one = world(&app, "one");
    one.ends("half", FAILED);
    one.pass(15);
    one.ends("open", FAILED);
    world(&app, "two").ends("m", FAILED);
    one.ends("well", SERVED);
    one.pass(15);
    assert_eq!((one.state("half"), one.state("open")), ("half-open", "open"));
    keep(&app).await;
    drop((app, one));
    clock.advance(10 * SECOND);
    let app = process(folder.path(), &clock, [HERE[0], "https://elsewhere.example"], "");
    let one = world(&app, "one");
    let until = one.now().after(5 * SECOND);
    assert_eq!(in_the_way(one.ask("open")), (InTheWay::Circuit, Some(until)));
    assert_eq!(one.state("half"), "half-open");
    drop(one.ask("well").expect("it was closed"));
    drop(world(&app, "two").ask("m").expect("nothing is known of another place"));
    clock.advance(5 * SECOND - Duration::from_nanos(1));
    assert_eq!(in_the_way(one.ask("open")).0, InTheWay::Circuit);
    clock.advance(Duration::from_nanos(1));
    one.ends("open", SERVED);
    assert_eq!(one.state("open"), "half-open", "it was a probe");
}

#[tokio::test]
async fn no_clock_that_was_set_back_makes_a_wait_longer_and_no_policy_that_was_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::set_at(Time::from_millis(1_795_334_400_000));
    let app = process(folder.path(), &clock, HERE, "");
    world(&app, "one").ends("m", FAILED);
    clock.advance(10 * SECOND);
    keep(&app).await;
    drop(app);
    clock.set_wall(Time::from_millis(1_795_330_000_000));
    let app = process(folder.path(), &clock, HERE, "");
    let one = world(&app, "one");
    let until = one.now().after(20 * SECOND);
    assert_eq!(in_the_way(one.ask("m")), (InTheWay::Circuit, Some(until)));
    drop(app);
    let says = "recovery = \"5s\"\nmax_recovery = \"5s\"\n";
    let app = process(folder.path(), &clock, HERE, says);
    let one = world(&app, "one");
    let until = one.now().after(5 * SECOND);
    assert_eq!(in_the_way(one.ask("m")), (InTheWay::Circuit, Some(until)));
    drop(app);
    let app = process(folder.path(), &clock, HERE, "mode = \"closed\"\n");
    drop(world(&app, "one").ask("m").expect("the policy lets all pass"));
}

/// Of requests.
fn left(remaining: u64, seconds: u64, now: Time) -> Announced {
    let reset_at = Some(now.after(SECOND * u32::try_from(seconds).expect("not long")));
    let reading = Reading { limit: Some(100), remaining: Some(remaining), reset_at };
    Announced { requests: Some(reading), ..Announced::default() }
}

/// A request that is told this.
fn told(world: &World, account: Account, announced: &Announced) {
    let mut pass = world.of("m", account).expect("it may be sent");
    pass.headed(announced, world.now());
    pass.ended(SERVED, world.now());
}

#[tokio::test]
async fn what_a_provider_announced_holds_after_a_restart_for_what_is_left_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::set_at(Time::from_millis(1_795_334_400_000));
    let app = process(folder.path(), &clock, HERE, "");
    let (one, two) = (world(&app, "one"), world(&app, "two"));
    let own = app.accounts.of(b"sk-own");
    told(&one, Account::COMMON, &throttled(60));
    told(&one, own, &left(0, 30, one.now()));
    told(&two, Account::COMMON, &throttled(60));
    learned::keep(&app).await;
    drop((app, one, two));
    clock.advance(10 * SECOND);
    let app = process(folder.path(), &clock, [HERE[0], "https://elsewhere.example"], "");
    let one = world(&app, "one");
    // To the millisecond, and rather later.
    let quota = |account, seconds: u64| {
        let (why, until) = in_the_way(one.of("m", account));
        let exactly = one.now().after(SECOND * u32::try_from(seconds).expect("not long"));
        let late = until.expect("an instant").since(exactly);
        assert!(why == InTheWay::Quota && late <= Duration::from_millis(1), "{late:?}");
        assert!(until >= Some(exactly), "not before it may");
    };
    quota(Account::COMMON, 50);
    quota(app.accounts.of(b"sk-own"), 20);
    drop(one.of("m", app.accounts.of(b"sk-other")).expect("nothing is known of another key"));
    drop(world(&app, "two").ask("m").expect("nothing is known of another place"));
    learned::keep(&app).await;
    drop(app);
    // What has passed meanwhile is not waited for.
    clock.advance(25 * SECOND);
    let app = process(folder.path(), &clock, HERE, "");
    let one = world(&app, "one");
    drop(one.of("m", app.accounts.of(b"sk-own")).expect("all of it is there again"));
    assert_eq!(in_the_way(one.ask("m")).0, InTheWay::Quota);
}

#[tokio::test]
async fn no_clock_that_was_set_back_makes_a_provider_be_waited_for_longer_than_it_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::set_at(Time::from_millis(1_795_334_400_000));
    let app = process(folder.path(), &clock, HERE, "");
    told(&world(&app, "one"), Account::COMMON, &throttled(60));
    clock.advance(10 * SECOND);
    learned::keep(&app).await;
    drop(app);
    clock.set_wall(Time::from_millis(1_795_330_000_000));
    let app = process(folder.path(), &clock, HERE, "");
    let one = world(&app, "one");
    let until = one.now().after(50 * SECOND);
    assert_eq!(in_the_way(one.ask("m")), (InTheWay::Quota, Some(until)));
    drop(app);
    let learns_nothing = "[providers.NAME.learn]\nannounced = false\n";
    let app = process(folder.path(), &clock, HERE, learns_nothing);
    drop(world(&app, "one").ask("m").expect("the policy does not want to know"));
}

#[tokio::test]
async fn what_was_read_of_what_requests_do_not_show_is_known_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::set_at(Time::from_millis(1_795_334_400_000));
    let app = process(folder.path(), &clock, HERE, "");
    let lesson = tollgate_meter::Lesson { opened: 5_000, ..tollgate_meter::Lesson::default() };
    let bound = |app: &App, who| app.lessons.ask("m", |learned| learned.open_bound(who, "m"));
    for _ in 0..8 {
        app.lessons.note("ann", "m", &lesson);
    }
    learned::keep(&app).await;
    let surprise = tollgate_meter::Lesson { opened: 90_000, ..lesson };
    app.lessons.note("ann", "m", &surprise);
    let known = bound(&app, "ann");
    assert!(known >= Some(180_000), "{known:?}");
    learned::keep(&app).await;
    drop(app);
    let app = process(folder.path(), &clock, HERE, "");
    assert_eq!((bound(&app, "ann"), bound(&app, "new")), (known, known));
}

#[tokio::test]
async fn what_could_not_be_kept_is_kept_later_and_what_cannot_be_read_stops_no_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::set_at(Time::from_millis(1_795_334_400_000));
    let app = process(folder.path(), &clock, HERE, "");
    let file = rusqlite::Connection::open(folder.path().join("tollgate.db-roster"));
    let file = file.expect("the roster");
    file.execute_batch(
        "CREATE TRIGGER full BEFORE INSERT ON lessons BEGIN SELECT RAISE(ABORT, 'full'); END",
    )
    .expect("no lesson is kept");
    let lesson = tollgate_meter::Lesson { opened: 5_000, ..tollgate_meter::Lesson::default() };
    (0..8).for_each(|_| app.lessons.note("ann", "m", &lesson));
    told(&world(&app, "one"), Account::COMMON, &throttled(60));
    learned::keep(&app).await;
    file.execute_batch("DROP TRIGGER full").expect("there is room again");
    // Nothing was learned since, and all of it is kept.
    learned::keep(&app).await;
    drop(app);
    let app = process(folder.path(), &clock, HERE, "");
    assert_eq!(in_the_way(world(&app, "one").ask("m")).0, InTheWay::Quota);
    let bound = |app: &App| app.lessons.ask("m", |learned| learned.open_bound("ann", "m"));
    assert!(bound(&app).is_some());
    drop(app);
    file.execute_batch("DROP TABLE quotas").expect("dropped");
    let app = process(folder.path(), &clock, HERE, "");
    drop(world(&app, "one").ask("m").expect("nothing is known of it"));
    assert!(bound(&app).is_some(), "the one is read without the other");
}
