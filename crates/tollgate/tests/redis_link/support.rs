//! What the tests of links share.

use std::time::Duration;

use redis::Value;
use redis_servers::{PATIENCE, until};
use tokio::time::timeout;
use tollgate::store::redis::link::{Arg, Link, LinkError, LinkSettings, Script, State, Why};

/// Adds to a counter, and tells what it is then.
pub(crate) static ADD: Script = Script::new("add", "return redis.call('INCRBY', KEYS[1], ARGV[1])");

pub(crate) const KEYS: &[&str] = &["tg:{0}:counter"];

/// Longer than calls take on a machine that does much else meanwhile.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(500);

pub(crate) fn settings(url: &str) -> LinkSettings {
    let mut settings = LinkSettings::of(url).unwrap();
    settings.timeout = TIMEOUT;
    settings
}

pub(crate) async fn link(url: &str) -> Link {
    Link::connect(&settings(url)).await.unwrap()
}

pub(crate) async fn add(link: &Link, number: i64) -> Result<Value, LinkError> {
    link.run(&ADD, 0, KEYS, &[Arg::Int(number)]).await
}

pub(crate) async fn becomes_up(link: &Link) {
    becomes(link, |state| *state == State::Up).await;
}

pub(crate) async fn becomes_away(link: &Link) -> Why {
    match becomes(link, |state| *state != State::Up).await {
        State::Away { why, .. } => why,
        State::Up => unreachable!("that is what was waited for"),
    }
}

async fn becomes(link: &Link, such: impl FnMut(&State) -> bool) -> State {
    let mut state = link.state();
    let found = timeout(PATIENCE, state.wait_for(such)).await;
    found.expect("the state changes in time").unwrap().clone()
}

pub(crate) fn why(answer: Result<Value, LinkError>) -> Why {
    match answer {
        Err(LinkError::Away(away)) => away.why,
        other => panic!("not away: {other:?}"),
    }
}

/// Adds as soon as Redis lets it. Nothing but what may have been added before is in doubt.
pub(crate) async fn add_at_last(link: &Link, number: i64) -> i64 {
    let added = until("Redis serves again", async || add(link, number).await.ok()).await;
    match added.unwrap() {
        Value::Int(number) => number,
        other => panic!("no number: {other:?}"),
    }
}
