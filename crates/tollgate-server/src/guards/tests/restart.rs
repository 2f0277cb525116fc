//! Circuits as the next process finds them, in virtual time.

use std::path::Path;

use tollgate::Memory;

use super::*;
use crate::{app::App, guards::keep};

/// A process with its ledger in this folder, whose providers are at these addresses.
fn process(folder: &Path, clock: &Clock, addresses: [&str; 2], says: &str) -> Arc<App> {
    let store = format!("[store]\npath = {:?}\n", folder.join("tollgate.db"));
    let providers = addresses.iter().zip(["one", "two"]).map(|(address, name)| {
        format!("[providers.{name}]\ndialect = \"openai\"\nbase_url = \"{address}\"\n[providers.{name}.breaker]\nfailures = 1\n{says}")
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
