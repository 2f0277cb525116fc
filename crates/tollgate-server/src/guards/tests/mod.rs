//! Guards in virtual time.

mod bearing;
mod enforced;
mod line;
mod reload;
mod restart;

use std::{sync::Arc, time::Duration};

use tollgate::Clock;
use tollgate_core::{
    Attribute, Attributes, Demand, Time,
    breaker::Mode,
    policy::Sources,
    quota::{Announced, Reading},
};

use super::{
    Account, Accounts, Ask, End, Forced, Guard, GuardSettings, InTheWay, NotNow, Pass, Served,
    Turn, Watch, account::MAX_ACCOUNTS, models::MAX_MODELS,
};

const SECOND: Duration = Duration::from_secs(1);
const SERVED: End = End::Served(Served { tokens: 10, streamed: false });
const FAILED: End = End::Failed { retry_after: None, overloaded: false };

#[derive(Clone)]
struct World {
    clock: Clock,
    guard: Arc<Guard>,
}

impl World {
    /// A provider under a policy that says this of it.
    fn new(says: &str) -> Self {
        Self::by(Clock::set_at(Time::from_millis(1_000)), says)
    }

    fn by(clock: Clock, says: &str) -> Self {
        let guard = Arc::new(Guard::new("up", settings(says), Watch::new(clock.clone())));
        Self { clock, guard }
    }

    /// Another policy says this of it from now on.
    fn says(&mut self, says: &str) {
        self.guard = Arc::new(self.guard.under(settings(says)));
        self.guard.enforce(self.now());
    }

    fn now(&self) -> Time {
        self.clock.now().time
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(SECOND * u32::try_from(seconds).expect("not long"));
    }

    fn of(&self, model: &str, account: Account) -> Result<Pass, NotNow> {
        self.guard.admit(ask(model, account, turn(None, self.now())), self.now())
    }

    fn ask(&self, model: &str) -> Result<Pass, NotNow> {
        self.of(model, Account::COMMON)
    }

    fn ends(&self, model: &str, end: End) {
        self.ask(model).expect("it may be sent").ended(end, self.now());
    }

    fn state(&self, model: &str) -> &'static str {
        let circuits = serde_json::to_value(self.guard.circuits(self.clock.now())).expect("JSON");
        let circuits = circuits.as_array().expect("a list").clone();
        let state = circuits.iter().find(|one| one["model"] == model).expect("it is known");
        ["closed", "open", "half-open", "forced open", "forced closed"]
            .into_iter()
            .find(|known| state["state"] == *known)
            .expect("a state")
    }
}

fn turn(priority: Option<&'static str>, arrived: Time) -> Turn {
    let mut who = Attributes::new();
    if let Some(priority) = priority {
        who.set(Attribute::Priority, priority);
    }
    Turn::of(&who, arrived)
}

/// The account of a caller's own key.
fn account_of(key: &[u8]) -> Account {
    Accounts::under([7; blake3::KEY_LEN]).of(key)
}

fn ask(model: &str, account: Account, turn: Turn) -> Ask<'_> {
    Ask { model, account, tenant: "", demand: &Demand::ONE_REQUEST, turn }
}

/// What a policy says of a provider.
fn settings(says: &str) -> GuardSettings {
    let text =
        format!("[providers.up]\ndialect = \"openai\"\nbase_url = \"https://up.example\"\n{says}");
    let sources = Sources { file: Some(("p.toml".to_owned(), text)), ..Sources::default() };
    GuardSettings::of(&sources.load().expect("a policy").settings.providers["up"])
}

fn in_the_way(asked: Result<Pass, NotNow>) -> (InTheWay, Option<Time>) {
    let not_now = asked.expect_err("it may not be sent");
    (not_now.why, not_now.until)
}

fn throttled(seconds: u64) -> Announced {
    let retry_after = Some(SECOND * u32::try_from(seconds).expect("not long"));
    Announced { throttled: true, retry_after, ..Announced::default() }
}

#[test]
fn a_model_that_fails_is_left_alone_and_found_well_by_probes_alone() {
    let world = World::new("");
    for _ in 0..5 {
        world.ends("ill", FAILED);
    }
    assert_eq!(world.state("ill"), "open");
    let until = world.now().after(30 * SECOND);
    assert_eq!(in_the_way(world.ask("ill")), (InTheWay::Circuit, Some(until)));
    world.ends("well", SERVED);
    assert_eq!(world.guard.worst(world.now()), 2);
    world.pass(29);
    assert_eq!(in_the_way(world.ask("ill")), (InTheWay::Circuit, Some(until)));
    world.pass(1);
    let probes: Vec<Pass> = (0..3).map(|_| world.ask("ill").expect("a probe")).collect();
    assert_eq!(world.guard.worst(world.now()), 1);
    let (why, told) = in_the_way(world.ask("ill"));
    assert_eq!((why, told), (InTheWay::Circuit, Some(world.now().after(30 * SECOND))));
    for mut probe in probes {
        // A stream may go on for long: what it began with tells enough.
        probe.begun(world.now());
        drop(probe);
    }
    assert_eq!(world.state("ill"), "closed");
    assert_eq!(world.guard.worst(world.now()), 0);
}

#[test]
fn a_probe_whose_caller_leaves_gives_its_place_to_another() {
    let world = World::new("[providers.up.breaker]\nfailures = 1\nprobes = 1\nsuccesses = 1");
    world.ends("m", FAILED);
    world.pass(30);
    for _ in 0..10 {
        drop(world.ask("m").expect("a probe"));
    }
    world.ask("m").expect("a probe").unsent();
    assert_eq!(world.state("m"), "half-open");
    world.ends("m", SERVED);
    assert_eq!(world.state("m"), "closed");
}

#[test]
fn a_result_that_comes_late_counts_for_nothing() {
    let world = World::new("[providers.up.breaker]\nfailures = 1\nprobes = 1\nsuccesses = 1");
    let late = [world.ask("m").expect("it is closed"), world.ask("m").expect("it is closed")];
    world.ends("m", FAILED);
    world.pass(30);
    let [good, bad] = late;
    good.ended(SERVED, world.now());
    assert_eq!(world.state("m"), "half-open");
    bad.ended(FAILED, world.now());
    assert_eq!(world.state("m"), "half-open");
}

#[test]
fn after_a_429_nothing_is_sent_with_that_key_until_its_time() {
    let world = World::new("");
    let own = account_of(b"Bearer own");
    let mut refused = world.ask("m").expect("nothing is known");
    refused.headed(&throttled(7), world.now());
    refused.ended(End::Throttled { retry_after: None }, world.now());
    let until = Some(world.now().after(7 * SECOND));
    assert_eq!(in_the_way(world.ask("m")), (InTheWay::Quota, until));
    assert_eq!(world.state("m"), "closed", "a 429 is no failure");
    drop(world.of("m", own).expect("another key has other limits"));
    drop(world.ask("n").expect("and so has another model"));
    world.pass(7);
    let first = world.ask("m").expect("its time has come");
    assert_eq!(in_the_way(world.ask("m")).0, InTheWay::Quota, "it opens little by little");
    first.unsent();
    drop(world.ask("m").expect("what was not sent left its place"));
}

#[test]
fn who_does_not_want_to_learn_does_not() {
    let world = World::new("[providers.up.learn]\nannounced = false");
    let mut refused = world.ask("m").expect("nothing is known");
    refused.headed(&throttled(7), world.now());
    drop(refused);
    drop(world.ask("m").expect("nothing is learned"));
}

#[test]
fn no_more_is_sent_than_is_left() {
    let world = World::new("");
    let mut first = world.ask("m").expect("nothing is known");
    let requests = Reading {
        limit: Some(60),
        remaining: Some(2),
        reset_at: Some(world.now().after(50 * SECOND)),
    };
    world.pass(1);
    first.headed(&Announced { requests: Some(requests), ..Announced::default() }, world.now());
    let running: Vec<Pass> = (0..2).map(|_| world.ask("m").expect("one of two")).collect();
    assert_eq!(in_the_way(world.ask("m")).0, InTheWay::Quota);
    drop(running);
    assert_eq!(in_the_way(world.ask("m")).0, InTheWay::Quota, "they may have been counted");
}

#[tokio::test]
async fn only_so_many_are_on_their_way_and_who_waits_is_told() {
    let world = World::new("[providers.up.learn.concurrency]\ninitial = 2");
    let first = world.ask("m").expect("one of two");
    let second = world.ask("m").expect("two of two");
    let bell = Arc::default();
    let not_now = world.ask("m").expect_err("there are two");
    let asked = ask("m", Account::COMMON, turn(None, world.now()));
    let waiting = world.guard.wait(asked, not_now, &bell).expect("a place");
    assert_eq!(in_the_way(world.ask("m")), (InTheWay::Concurrency, None));
    first.unsent();
    bell.notified().await;
    drop(waiting);
    let third = world.ask("m").expect("there is room");
    drop((second, third));
}

#[test]
fn requests_begin_apart_the_further_the_more_of_them_fail() {
    let world = World::new("[providers.up.learn.interval]\nmin = \"1s\"\nbackoff = 2");
    let first = world.ask("m").expect("the first");
    let until = Some(world.now().after(SECOND));
    assert_eq!(in_the_way(world.ask("n")), (InTheWay::Interval, until));
    first.ended(FAILED, world.now());
    world.pass(1);
    let until = Some(world.now().after(SECOND));
    assert_eq!(in_the_way(world.ask("m")), (InTheWay::Interval, until));
    world.pass(1);
    world.ends("n", SERVED);
    world.pass(1);
    drop(world.ask("m").expect("it is as short as before"));
}

#[test]
fn what_is_forced_holds_for_what_is_there_and_what_comes() {
    let world = World::new("[providers.up.breaker]\nfailures = 1");
    let force = |all, models: &[(&str, Mode)]| {
        let models = models.iter().map(|(name, mode)| ((*name).into(), *mode)).collect();
        world.guard.force(Forced { all, models }, world.now());
    };
    world.ends("a", SERVED);
    force(Some(Mode::Open), &[("b", Mode::Closed)]);
    assert_eq!(in_the_way(world.ask("a")), (InTheWay::Circuit, None));
    assert_eq!(in_the_way(world.ask("new")), (InTheWay::Circuit, None));
    assert_eq!(world.guard.worst(world.now()), 2);
    for _ in 0..3 {
        world.ends("b", FAILED);
    }
    force(None, &[("a", Mode::Observe)]);
    for _ in 0..3 {
        world.ends("a", FAILED);
    }
    assert_eq!(world.state("a"), "open", "it tells what it would do");
    world.ends("new", FAILED);
    assert_eq!(in_the_way(world.ask("new")).0, InTheWay::Circuit, "it decides by itself again");
    world.ends("b", FAILED);
    assert_eq!(world.state("b"), "open");
}

#[test]
fn names_that_callers_make_up_take_no_room_and_forget_nobody_ill() {
    let world = World::new("[providers.up.breaker]\nfailures = 1");
    world.ends("ill", FAILED);
    let busy = world.ask("busy").expect("it may be sent");
    for nth in 0..2 * MAX_MODELS {
        world.pass(1);
        world.ends(&format!("made-up-{nth}"), SERVED);
        // The one that failed is half-open after its time, and still not well.
        assert!(world.guard.circuits(world.clock.now()).len() <= MAX_MODELS);
    }
    assert_eq!(world.state("ill"), "half-open");
    assert_eq!(world.state("busy"), "closed");
    drop(busy);
    // Who waits for one that is well in itself, and has enough for now, still finds it.
    let world = World::new("");
    let mut refused = world.ask("awaited").expect("nothing is known");
    refused.headed(&throttled(86_400), world.now());
    drop(refused);
    let not_now = world.ask("awaited").expect_err("it has enough");
    let asked = ask("awaited", Account::COMMON, turn(None, world.now()));
    let waits = world.guard.wait(asked, not_now, &Arc::default()).expect("a place");
    for nth in 0..2 * MAX_MODELS {
        world.pass(1);
        world.ends(&format!("made-up-{nth}"), SERVED);
    }
    drop(waits);
    assert_eq!(in_the_way(world.ask("awaited")).0, InTheWay::Quota, "it is not forgotten");
    // Where all are ill, those that come share one.
    let world = World::new("[providers.up.breaker]\nfailures = 1");
    for nth in 0..MAX_MODELS {
        world.ends(&format!("ill-{nth}"), FAILED);
    }
    world.ends("new", SERVED);
    world.ends(&"x".repeat(300), SERVED);
    assert_eq!(world.guard.circuits(world.clock.now()).len(), MAX_MODELS + 1);
    assert_eq!(world.state("other"), "closed");
}

#[test]
fn keys_that_callers_make_up_take_no_room() {
    let world = World::new("");
    let key = |nth: usize| account_of(format!("Bearer {nth}").as_bytes());
    let mut refused = world.of("m", key(0)).expect("nothing is known");
    refused.headed(&throttled(3_600), world.now());
    drop(refused);
    for nth in 1..MAX_ACCOUNTS {
        world.pass(1);
        drop(world.of("m", key(nth)).expect("it has its own limits"));
    }
    assert_eq!(in_the_way(world.of("m", key(0))).0, InTheWay::Quota);
    for nth in MAX_ACCOUNTS..3 * MAX_ACCOUNTS {
        world.pass(1);
        drop(world.of("m", key(nth)).expect("it has its own limits"));
    }
    drop(world.of("m", key(0)).expect("it was forgotten"));
    assert_eq!(format!("{:?} {:?}", Account::COMMON, key(0)), "Account(common) Account(own)");
}

#[test]
fn retries_come_out_of_a_budget() {
    let world = World::new("[providers.up.retry]\nburst = 2\nper_minute = 0\nshare = 0.5");
    let retries = |most: u32| (0..most).filter(|_| world.guard.may_retry(world.now())).count();
    assert_eq!(retries(9), 2);
    for _ in 0..3 {
        world.guard.note_request(world.now());
    }
    assert_eq!(retries(9), 1);
    let wait = world.guard.backoff(0, u64::MAX, Some(2 * SECOND));
    assert_eq!(wait, Duration::from_millis(2_100), "as long as it asks for, and a little");
}

#[test]
fn an_application_has_no_breaker_unless_it_is_given_one() {
    let of = |says: &str| {
        let text = format!(
            "[providers.app]\ndialect = \"http\"\nbase_url = \"https://app.example\"\n{says}"
        );
        let sources = Sources { file: Some(("p.toml".to_owned(), text)), ..Sources::default() };
        GuardSettings::of(&sources.load().expect("a policy").settings.providers["app"])
    };
    assert_eq!(of(""), GuardSettings::none());
    let given = of("[providers.app.breaker]\nfailures = 9");
    assert_eq!((given.breaker.mode, given.breaker.failures), (Mode::Auto, 9));
    assert!(!given.learn.announced);
}
