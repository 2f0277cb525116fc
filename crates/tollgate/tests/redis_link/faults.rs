//! What goes wrong between a link and its server.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use redis::Value;
use redis_servers::{Fault, Mode, Options, Plan, Proxy, Schedule, Server, until};
use tollgate::store::redis::link::{Arg, Link, LinkError, Script, Sent, Why};

use crate::support::{KEYS, add, add_at_last, becomes_away, becomes_up, settings};

/// How long calls may take here: so short that stalls are longer.
const TIMEOUT: Duration = Duration::from_millis(100);

async fn through(proxy: &Proxy) -> Link {
    let mut settings = settings(&proxy.url());
    settings.timeout = TIMEOUT;
    settings.connect_timeout = TIMEOUT;
    Link::connect(&settings).await.unwrap()
}

async fn pair() -> (Server, Proxy, Link) {
    let server = Server::start().await.unwrap();
    let proxy = Proxy::before(server.port()).await.unwrap();
    let link = through(&proxy).await;
    becomes_up(&link).await;
    (server, proxy, link)
}

async fn away(link: &Link) -> (Why, Sent) {
    match add(link, 1).await {
        Err(LinkError::Away(away)) => (away.why, away.sent),
        other => panic!("not away: {other:?}"),
    }
}

#[tokio::test]
async fn a_network_that_stalls_or_is_too_slow_is_away_whoever_calls() {
    let (_server, proxy, link) = pair().await;
    for mode in [Mode::Stall, Mode::Delay(TIMEOUT * 3)] {
        proxy.set(mode);
        assert_eq!(becomes_away(&link).await, Why::Timeout, "{mode:?}");
        assert_eq!(away(&link).await.1, Sent::No, "nothing is sent to who is known to be away");
        proxy.set(Mode::Pass);
        becomes_up(&link).await;
        add_at_last(&link, 1).await;
    }
}

#[tokio::test]
async fn what_a_server_says_before_it_executes_anything_was_not_executed() {
    let (server, proxy, link) = pair().await;
    for (mode, why) in [(Mode::Loading, Why::Loading), (Mode::ReadOnly, Why::ReadOnly)] {
        proxy.set(mode);
        assert_eq!(away(&link).await, (why.clone(), Sent::No));
        assert_eq!(becomes_away(&link).await, why);
        proxy.set(Mode::Pass);
        becomes_up(&link).await;
    }
    assert_eq!(server.text(&["GET", KEYS[0]]).await, "", "nothing was added");
}

#[tokio::test]
async fn a_script_that_is_said_to_be_unknown_is_sent_in_full_once() {
    let (_server, proxy, link) = pair().await;
    proxy.set(Mode::NoScript);
    for number in 1..=3 {
        assert_eq!(add(&link, 1).await, Ok(Value::Int(number)));
    }
}

/// As good twice as once.
static RAISE: Script = Script::new(
    "raise",
    "redis.call('INCR', 'tg:{0}:raised') return redis.call('SET', KEYS[1], ARGV[1])",
)
.repeatable();

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_again_only_where_twice_is_as_good() {
    let (server, proxy, link) = pair().await;
    // Both are loaded, so that they are asked for by their hashes alone.
    link.run(&RAISE, 0, KEYS, &[Arg::Int(1)]).await.unwrap();
    add(&link, 1).await.unwrap();
    proxy.set(Mode::LoseAnswers);
    assert_eq!(away(&link).await, (Why::Lost, Sent::Perhaps));
    assert_eq!(server.text(&["GET", KEYS[0]]).await, "3", "added once");
    let raised = link.run(&RAISE, 0, KEYS, &[Arg::Int(9)]).await;
    assert!(raised.unwrap_err().may_be_done());
    assert_eq!(server.text(&["GET", "tg:{0}:raised"]).await, "3", "raised twice more");
}

/// What may happen in a schedule. A server that is killed keeps what it has acknowledged.
const FAULTS: [Fault; 10] = [
    Fault::Network(Mode::Stall),
    Fault::Network(Mode::Delay(Duration::from_millis(80))),
    Fault::Network(Mode::Delay(Duration::from_millis(500))),
    Fault::Network(Mode::Refuse),
    Fault::Network(Mode::Loading),
    Fault::Network(Mode::NoScript),
    Fault::Network(Mode::LoseAnswers),
    Fault::Cut,
    Fault::Pause,
    Fault::Restart,
];

/// What one caller saw.
#[derive(Default)]
struct Counted {
    added: AtomicI64,
    in_doubt: AtomicI64,
    is_over: AtomicBool,
}

async fn call(link: Link, counted: Arc<Counted>) {
    while !counted.is_over.load(Ordering::SeqCst) {
        match add(&link, 1).await {
            Ok(_) => counted.added.fetch_add(1, Ordering::SeqCst),
            Err(error) if error.may_be_done() => counted.in_doubt.fetch_add(1, Ordering::SeqCst),
            Err(LinkError::Away(_)) => 0,
            Err(refused) => panic!("{refused}"),
        };
        tokio::task::yield_now().await;
    }
}

/// Lets one schedule happen to three links that add all the while.
async fn survive(seed: u64) {
    let plan = Plan { faults: &FAULTS, events: 5, longest: Duration::from_millis(250), proxies: 3 };
    let schedule = Schedule::of(seed, &plan);
    let mut server = Options::default().durable().start().await.unwrap();
    let mut proxies = Vec::new();
    let mut links = Vec::new();
    for _ in 0..plan.proxies {
        let proxy = Proxy::before(server.port()).await.unwrap();
        links.push(through(&proxy).await);
        proxies.push(proxy);
    }
    let counted = Arc::new(Counted::default());
    let callers: Vec<_> =
        links.iter().map(|link| tokio::spawn(call(link.clone(), Arc::clone(&counted)))).collect();
    schedule.play(&proxies, &mut server).await.unwrap();
    for link in &links {
        becomes_up(link).await;
    }
    counted.is_over.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await.unwrap();
    }
    let (added, in_doubt) =
        (counted.added.load(Ordering::SeqCst), counted.in_doubt.load(Ordering::SeqCst));
    let there: i64 = server.text(&["GET", KEYS[0]]).await.parse().unwrap_or_default();
    let range = added..=added + in_doubt;
    assert!(range.contains(&there), "{there} is not within {range:?}\n{schedule}");
}

#[tokio::test]
async fn whatever_goes_wrong_no_call_is_executed_twice_and_none_that_was_acknowledged_is_lost() {
    let seeds: BTreeSet<u64> = if std::env::var_os("TOLLGATE_LONG").is_some() {
        (0..200).collect()
    } else {
        (0..8).collect()
    };
    for seed in seeds {
        survive(seed).await;
    }
}

#[tokio::test]
async fn a_subscription_is_made_anew_when_its_connection_alone_breaks() {
    let (_server, proxy, link) = pair().await;
    let mut ear = link.subscribe(&["tg:freed"]);
    ear.next().await.unwrap();
    proxy.cut();
    ear.next().await.unwrap();
    until("messages come", async || link.publish("tg:freed", b"x").await.ok()).await.unwrap();
    assert!(ear.next().await.is_some());
}
