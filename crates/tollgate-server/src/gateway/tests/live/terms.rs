//! A session goes on under the terms of its admission only until it needs more.

use std::time::Duration;

use futures_util::SinkExt as _;
use tokio_tungstenite::tungstenite::Message;

use super::{
    super::{Running, running::config},
    RAW, SECOND, before_sandbox,
    caller::{Caller, Said, call},
    heard, sandbox, seconds, settled, up,
};
use crate::roster::{Moment, Of, Terms, Whose};

const HOUR: Duration = Duration::from_secs(3_600);

/// Limits that do not depend on who asks, and one that does.
fn limits(most: u64) -> String {
    format!(
        "{}[[limits]]\nname = \"own\"\nper = [\"user\"]\nseconds = \"1000/day\"\n",
        seconds(most)
    )
}

/// A session in which ten seconds were heard, which is all that it has.
async fn at_its_slice(running: &Running, headers: &str) -> Caller {
    let mut caller = call(running, RAW, headers).await.expect("a session");
    for _ in 0..10 {
        caller.speak(SECOND).await;
    }
    for _ in 0..3 {
        caller.until("Results").await;
    }
    caller
}

/// What it is told when it goes on.
async fn goes_on(mut caller: Caller, seconds: usize) -> Said {
    for _ in 0..seconds {
        // It may be closed by then.
        let _ = caller.socket.send(Message::binary(vec![0; SECOND])).await;
    }
    caller.rest().await
}

fn ends_as(said: &Said, reason: &str, sentence: &str) {
    assert_eq!(said.closed, Some((1008, reason.to_owned())), "{said:?}");
    let [.., summary, error] = &said.messages[..] else { panic!("{said:?}") };
    assert_eq!((&summary["type"], &error["type"]), (&"Metadata".into(), &"Error".into()));
    let told = error["description"].as_str().expect("a sentence");
    assert!(told.contains(sentence), "{told}");
}

fn shows(text: &str) -> String {
    format!("authorization: Token {text}\r\n")
}

fn ann() -> Terms {
    Terms { user: Some("ann".to_owned()), ..Terms::default() }
}

#[tokio::test]
async fn a_key_that_may_not_be_used_any_more_ends_its_session_at_the_next_slice() {
    let policy = format!("{}api_key = \"env:K\"\n{}", up(sandbox().await), limits(1_000));
    for (ends, sentence) in [("revoked", "was revoked"), ("expires", "has expired")] {
        let running = Running::with_environment(&policy, &[("K", "sk-ours")]).await;
        let (id, text) = running.key(ann(), Some(HOUR));
        let caller = at_its_slice(&running, &shows(&text)).await;
        if ends == "revoked" {
            running.app.roster.change(|book| book.revoke(&id, &running.by())).expect("revoked");
        } else {
            running.advance(HOUR);
        }
        ends_as(&goes_on(caller, 3).await, "unauthorized", sentence);
        assert_eq!(settled(&running).await, heard(10_000), "what was reserved was heard");
    }
}

#[tokio::test]
async fn a_key_that_works_on_goes_on() {
    let policy = format!("{}api_key = \"env:K\"\n{}", up(sandbox().await), limits(1_000));
    let running = Running::with_environment(&policy, &[("K", "sk-ours")]).await;
    let (_, text) = running.key(ann(), Some(HOUR));
    let mut caller = at_its_slice(&running, &shows(&text)).await;
    caller.speak(SECOND).await;
    caller.finish().await;
    caller.until("Metadata").await;
    assert_eq!(settled(&running).await, heard(11_000));
}

#[tokio::test]
async fn a_key_that_the_policy_has_no_more_ends_its_session_too() {
    const KEY: &str = "tg_live";
    let hash = blake3::hash(KEY.as_bytes()).to_hex();
    let base = format!("{}api_key = \"env:K\"\n{}", up(sandbox().await), limits(1_000));
    let keyed = format!("{base}[[keys]]\nid = \"k\"\nhash = \"blake3:{hash}\"\nuser = \"ann\"\n");
    let environment = [("K", "sk-ours")];
    let running = Running::with_environment(&keyed, &environment).await;
    let caller = at_its_slice(&running, &shows(KEY)).await;
    running.app.replace(config(&base, &environment)).expect("another policy");
    ends_as(&goes_on(caller, 3).await, "unauthorized", "is not known");
    assert_eq!(settled(&running).await, heard(10_000));
}

#[tokio::test]
async fn a_limit_that_was_tightened_ends_a_session_where_it_ends() {
    let provider = up(sandbox().await);
    let running = Running::with(&format!("{provider}{}", seconds(1_000))).await;
    let caller = at_its_slice(&running, "").await;
    running.app.replace(config(&format!("{provider}{}", seconds(20)), &[])).expect("a policy");
    ends_as(&goes_on(caller, 15).await, "too_many_requests", "after about 20 seconds of audio");
    assert_eq!(settled(&running).await, heard(20_000));
}

#[tokio::test]
async fn an_amount_of_ones_own_that_was_lowered_ends_a_session_too() {
    let policy = format!("{}api_key = \"env:K\"\n{}", up(sandbox().await), limits(1_000));
    let running = Running::with_environment(&policy, &[("K", "sk-ours")]).await;
    let (_, text) = running.key(ann(), None);
    let caller = at_its_slice(&running, &shows(&text)).await;
    let whose = Whose { of: Of::User, name: "ann".to_owned(), limit: "own".to_owned() };
    let by = running.by();
    let until: Option<Moment> = None;
    running
        .app
        .roster
        .change(|book| book.set_override(whose, "12/day", until, &by))
        .expect("an override");
    ends_as(&goes_on(caller, 5).await, "too_many_requests", "after about 12 seconds of audio");
    assert_eq!(settled(&running).await, heard(12_000));
}

#[tokio::test]
async fn an_emergency_ends_a_session_at_its_next_slice_unless_it_is_critical() {
    let trusting = "[identity]\ntrust_headers = true\nallow_anonymous = true\n";
    let running = before_sandbox(&format!("{trusting}{}", seconds(1_000))).await;
    let caller = at_its_slice(&running, "").await;
    running.begin_emergency(30, false).await;
    let said = goes_on(caller, 3).await;
    assert_eq!(said.closed, Some((1013, "emergency_mode".to_owned())), "{said:?}");
    let told = said.messages.last().expect("an error")["description"].clone();
    assert!(told.as_str().is_some_and(|told| told.contains("emergency mode")), "{told}");
    assert_eq!(settled(&running).await, heard(10_000), "what was reserved was heard");
    let refused = call(&running, RAW, "").await.err().expect("no session begins");
    assert_eq!(refused.status, http::StatusCode::SERVICE_UNAVAILABLE);
    let mut critical = at_its_slice(&running, "x-tollgate-priority: critical\r\n").await;
    critical.speak(SECOND).await;
    critical.finish().await;
    critical.until("Metadata").await;
    let (spend, millis) = settled(&running).await;
    assert_eq!((spend, millis), (heard(10_000).0 + heard(11_000).0, 21_000));
}
