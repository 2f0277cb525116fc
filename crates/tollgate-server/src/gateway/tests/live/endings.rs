//! However a session ends, it is settled by what was heard, and nothing is held any more.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use super::{
    super::Running,
    LIMITS, RAW, SECOND, before_sandbox,
    caller::{Caller, call},
    heard,
    provider::Provider,
    sandbox, seconds, settled, up, used,
};

/// A session in which so many seconds were heard.
async fn after(running: &Running, seconds: usize, headers: &str) -> Caller {
    let mut caller = call(running, RAW, headers).await.expect("a session");
    caller.speak(SECOND * seconds).await;
    caller
}

#[tokio::test]
async fn a_session_that_can_have_no_more_gets_its_transcript_and_is_told_why_it_ends() {
    let running = before_sandbox(&seconds(25)).await;
    let mut caller = call(&running, RAW, "").await.expect("a session");
    for _ in 0..26 {
        caller.speak(SECOND).await;
    }
    let said = caller.rest().await;
    assert_eq!(said.kinds()[7..], ["Results", "Results", "Metadata", "Error"]);
    let [.., rest, metadata, error] = &said.messages[..] else { panic!("{said:?}") };
    assert_eq!((&rest["start"], &rest["duration"]), (&24.0.into(), &1.0.into()));
    assert_eq!(metadata["duration"], 25.0);
    assert_eq!(error["variant"], "TOO_MANY_REQUESTS");
    let sentence = error["description"].as_str().expect("a sentence");
    assert!(sentence.contains("after about 25 seconds of audio, which are charged"), "{sentence}");
    assert_eq!(said.closed, Some((1008, "too_many_requests".to_owned())));
    assert_eq!(settled(&running).await, heard(25_000));
}

#[tokio::test]
async fn a_session_begins_with_what_is_left_and_ends_where_that_does() {
    let money = format!("[[limits]]\nname = \"spend\"\nusd = \"0.{:09}/day\"\n", heard(7_000).0);
    for (policy, reason) in [(seconds(7), "too_many_requests"), (money, "budget_exhausted")] {
        let running = before_sandbox(&policy).await;
        let mut caller = call(&running, RAW, "").await.expect("a session");
        let (_, spend, millis) = used(&running).await;
        assert_eq!(spend, heard(7_000).0, "all that is left: {policy}");
        assert!(millis == 7_000 || reason == "budget_exhausted", "{millis}");
        for _ in 0..8 {
            caller.speak(SECOND).await;
        }
        let said = caller.rest().await;
        assert_eq!(said.closed, Some((1008, reason.to_owned())), "{said:?}");
        assert_eq!(settled(&running).await.0, heard(7_000).0);
    }
}

#[tokio::test]
async fn money_ends_a_session_as_seconds_do() {
    let nanos = heard(12_000).0;
    let spend = format!("[[limits]]\nname = \"spend\"\nusd = \"0.{nanos:09}/day\"\n");
    let running = before_sandbox(&spend).await;
    let mut caller = call(&running, RAW, "").await.expect("a session");
    for _ in 0..13 {
        caller.speak(SECOND).await;
    }
    let said = caller.rest().await;
    let error = said.messages.last().expect("an error");
    assert_eq!((&error["code"], said.code()), (&"ASR_PAYMENT_REQUIRED".into(), Some(1008)));
    assert_eq!(settled(&running).await, (nanos, 0));
}

#[tokio::test]
async fn a_caller_that_is_gone_pays_for_what_was_heard() {
    let running = before_sandbox(&seconds(1_000)).await;
    let mut caller = after(&running, 3, "").await;
    caller.until("Results").await;
    caller.reset();
    assert_eq!(settled(&running).await, heard(3_000));
    assert_eq!(running.app.metrics.totals().cost_usd.0, heard(3_000).0);
}

#[tokio::test]
async fn a_caller_that_closes_is_let_go_and_pays_for_what_was_heard() {
    let running = before_sandbox(&seconds(1_000)).await;
    let mut caller = after(&running, 2, "").await;
    let frame = CloseFrame { code: CloseCode::Normal, reason: "bye".into() };
    caller.socket.send(Message::Close(Some(frame))).await.expect("sent");
    assert_eq!(caller.rest().await.closed, Some((1000, "bye".to_owned())));
    assert_eq!(settled(&running).await, heard(2_000));
}

#[tokio::test]
async fn a_caller_that_leaves_between_head_and_session_costs_one_request() {
    let running = before_sandbox(&seconds(1_000)).await;
    call(&running, RAW, "").await.expect("a session").reset();
    assert_eq!(settled(&running).await, heard(0));
}

#[tokio::test]
async fn a_provider_that_dies_is_told_of_and_what_was_sent_is_charged() {
    let running = before_sandbox(&seconds(1_000)).await;
    let said = after(&running, 4, "x-sandbox-fault: cut\r\n").await.rest().await;
    let [error] = &said.messages[..] else { panic!("{said:?}") };
    assert_eq!((&error["code"], said.code()), (&"BAD_GATEWAY".into(), Some(1011)));
    assert_eq!(settled(&running).await, heard(4_000));
}

#[tokio::test]
async fn a_provider_that_closes_is_passed_on_with_its_code_and_its_reason() {
    let running = before_sandbox(&seconds(1_000)).await;
    let said = after(&running, 4, "x-sandbox-fault: stream-error\r\n").await.rest().await;
    let (code, reason) = said.closed.expect("a frame");
    assert!(code == 1011 && reason.contains("net0000"), "{code} {reason}");
    assert_eq!(settled(&running).await, heard(4_000));
}

#[tokio::test]
async fn a_provider_that_says_nothing_to_what_it_hears_is_given_up() {
    let quick = up(sandbox().await).replace("5s", "50ms");
    let running = Running::with(&format!("{quick}{}", seconds(1_000))).await;
    let said = after(&running, 4, "x-sandbox-fault: stall\r\n").await.rest().await;
    assert_eq!((said.kinds(), said.code()), (vec!["Error"], Some(1011)));
    assert_eq!(settled(&running).await, heard(4_000));
}

#[tokio::test]
async fn a_caller_that_says_nothing_is_not_waited_for() {
    let idle = "body_idle_timeout = \"50ms\"\n";
    let policy = format!("{}{}", up(sandbox().await), seconds(1_000));
    let running = Running::with_server(idle, &policy).await;
    let mut caller = after(&running, 4, "").await;
    caller.socket.send(Message::Ping("a sign of life".into())).await.expect("sent");
    let said = caller.rest().await;
    assert_eq!(said.kinds().last(), Some(&"Error"));
    assert_eq!(said.closed, Some((1011, "invalid_request".to_owned())));
    assert_eq!(settled(&running).await, heard(4_000));
}

#[tokio::test]
async fn a_process_that_stops_ends_its_sessions_properly() {
    let running = before_sandbox(&seconds(1_000)).await;
    let mut caller = after(&running, 5, "").await;
    caller.until("Results").await;
    let app = std::sync::Arc::clone(&running.app);
    let stopped = running.stop();
    let said = caller.rest().await;
    assert_eq!(said.kinds(), ["Results", "Metadata", "Error"]);
    assert_eq!(said.closed, Some((1012, "overloaded".to_owned())));
    assert_eq!(stopped.await.expect("an end").cut, 0);
    assert_eq!(app.metrics.totals().cost_usd.0, heard(5_000).0);
}

#[tokio::test]
async fn a_session_that_is_cut_at_the_end_of_the_grace_is_settled_by_what_was_sent() {
    let stop = "shutdown_grace = \"50ms\"\n";
    let provider = Provider::leading(|mut socket| async move {
        while let Some(Ok(message)) = socket.next().await {
            if message.is_binary() {
                socket.send(Message::text("{}")).await.expect("sent");
            }
        }
    })
    .await;
    let policy = format!("{}{LIMITS}", up(provider.address));
    let running = Running::with_server(stop, &policy).await;
    let mut caller = after(&running, 5, "").await;
    caller.hear().await;
    let app = std::sync::Arc::clone(&running.app);
    assert_eq!(running.stop().await.expect("an end").cut, 1);
    assert_eq!(app.metrics.totals().cost_usd.0, heard(5_000).0);
}
