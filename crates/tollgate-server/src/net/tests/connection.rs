//! Every wait on a client ends, and nothing of an ended request stays.

use std::{future::pending, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::{
    io::AsyncReadExt as _,
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::rig::{Client, TIMEOUTS, connect, echo_path};
use crate::net::{Body, BoxError, Ended, OnEnd, Stalled, boxed, full};

const GET: &str = "GET /a HTTP/1.1\r\nHost: gate\r\n\r\n";
const PIPE: usize = 64 * 1024;

/// Pieces without end.
fn endless() -> Body {
    let piece = || Ok::<_, BoxError>(Frame::data(Bytes::from_static(&[b'x'; 1024])));
    boxed(StreamBody::new(stream::repeat_with(piece)))
}

fn plain() -> Client {
    connect(PIPE, false, echo_path)
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_closed() {
    plain().closes_after(TIMEOUTS.header).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_in_its_head_is_closed() {
    for part in ["G", "GET", "GET /a HTTP/1.1\r\n", "GET /a HTTP/1.1\r\nHost: gate\r\n"] {
        let mut client = plain();
        client.send(part).await;
        client.closes_after(TIMEOUTS.header).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_has_no_more_time() {
    let mut client = plain();
    for byte in ["G", "E", "T", " ", "/", "a", " ", "H", "T"] {
        client.send(byte).await;
        assert!(timeout(Duration::from_secs(1), client.answer()).await.is_err());
    }
    client.closes_after(TIMEOUTS.header - Duration::from_secs(9)).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_waits_for_its_next_request_and_then_for_its_head() {
    let mut client = plain();
    for _ in 0..3 {
        client.send(GET).await;
        assert!(client.answer().await.ends_with("\r\n\r\n/a"));
        let idle = timeout(TIMEOUTS.keep_alive - Duration::from_secs(1), client.answer()).await;
        assert!(idle.is_err(), "{idle:?}");
    }
    client.send("G").await;
    client.closes_after(TIMEOUTS.header).await;

    let mut client = plain();
    client.send(GET).await;
    client.answer().await;
    client.closes_after(TIMEOUTS.keep_alive).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_take_its_time() {
    let mut client = connect(PIPE, false, |_, _| async {
        tokio::time::sleep(Duration::from_secs(3_000)).await;
        Response::new(full("late"))
    });
    client.send(GET).await;
    assert!(client.answer().await.ends_with("late"));
}

#[tokio::test(start_paused = true)]
async fn a_request_body_that_stands_still_fails_for_who_waits_for_it() {
    let (tell, told) = oneshot::channel();
    let tell = parking_lot::Mutex::new(Some(tell));
    let mut client = connect(PIPE, false, move |request, _| {
        let tell = tell.lock().take();
        async move {
            let error = request.into_body().collect().await.expect_err("half a body");
            if let Some(tell) = tell {
                let _ = tell.send(error.downcast_ref().copied());
            }
            let mut answer = Response::new(full("stalled"));
            *answer.status_mut() = StatusCode::REQUEST_TIMEOUT;
            answer
        }
    });
    client.send("POST /a HTTP/1.1\r\nHost: gate\r\nContent-Length: 9\r\n\r\nabc").await;
    let early = timeout(TIMEOUTS.body_idle - Duration::from_millis(10), client.answer()).await;
    assert!(early.is_err(), "{early:?}");
    assert!(client.answer().await.starts_with("HTTP/1.1 408 "));
    assert_eq!(told.await, Ok(Some(Stalled { limit: TIMEOUTS.body_idle })));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_gives_its_permit_back() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut client = connect(1024, false, move |_, _| {
        let tell = tell.clone();
        let body = OnEnd::new(endless(), move |ended| {
            let _ = tell.send(ended);
        });
        async move { Response::new(boxed(body)) }
    });
    client.send(GET).await;
    let early = timeout(TIMEOUTS.body_idle - Duration::from_millis(10), told.recv()).await;
    assert!(early.is_err(), "{early:?}");
    let ended = timeout(Duration::from_millis(20), told.recv()).await;
    assert_eq!(ended.expect("in time"), Some(Ended::Dropped));
    client.serving.await.expect("an end without panic");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_is_served() {
    let mut client = connect(1024, false, |_, _| async { Response::new(endless()) });
    client.send(GET).await;
    let mut bytes = [0; 512];
    for _ in 0..100 {
        let count = client.socket.read(&mut bytes).await.expect("an open connection");
        assert_ne!(count, 0);
        tokio::time::advance(TIMEOUTS.body_idle - Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_may_be_silent_for_as_long_as_its_source_is() {
    let mut client = connect(PIPE, false, |_, _| async {
        let pieces = stream::unfold(0, |sent| async move {
            tokio::time::sleep(Duration::from_secs(3_000)).await;
            (sent < 2).then(|| (Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"x"))), sent + 1))
        });
        Response::new(boxed(StreamBody::new(pieces)))
    });
    client.send(GET).await;
    let mut all = String::new();
    while !all.ends_with("0\r\n\r\n") {
        all.push_str(&client.answer().await);
    }
    assert!(all.ends_with("\r\n\r\n1\r\nx\r\n1\r\nx\r\n0\r\n\r\n"), "{all}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_ends_its_handler() {
    let (tell, told) = oneshot::channel::<()>();
    let (begin, begun) = oneshot::channel();
    let hold = parking_lot::Mutex::new(Some((begin, tell)));
    let mut client = connect(PIPE, false, move |_, _| {
        let held = hold.lock().take();
        async move {
            let Some((begin, _tell)) = held else { return Response::new(full("")) };
            let _ = begin.send(());
            pending().await
        }
    });
    client.send(GET).await;
    begun.await.expect("a handler");
    drop(client.socket);
    assert!(told.await.is_err(), "dropped with the handler");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_is_answered_for() {
    let mut client = connect(PIPE, false, |request, _| async move {
        assert_ne!(request.uri().path(), "/a", "on purpose");
        Response::new(full("fine"))
    });
    client.send(GET).await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
    client.serving.await.expect("an end without panic");
}

#[tokio::test(start_paused = true)]
async fn no_connection_is_kept_in_a_crowd() {
    let mut client = connect(PIPE, true, echo_path);
    client.send(GET).await;
    let answer = timeout(Duration::from_secs(1), client.rest()).await.expect("an end");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.ends_with("/a"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_too_large_is_refused() {
    let mut client = plain();
    client.send(&format!("GET /a HTTP/1.1\r\nHost: gate\r\nX: {}", "x".repeat(40_000))).await;
    assert!(client.rest().await.starts_with("HTTP/1.1 431 "));
    let mut client = plain();
    let many: String = (0..200).map(|n| format!("X{n}: 1\r\n")).collect();
    client.send(&format!("GET /a HTTP/1.1\r\nHost: gate\r\n{many}\r\n")).await;
    assert!(client.rest().await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_still_sends_sees_its_answer() {
    let mut client = connect(1024, false, |_, _| async {
        let mut answer = Response::new(full("too large"));
        *answer.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        answer
    });
    client.send("POST /a HTTP/1.1\r\nHost: gate\r\nContent-Length: 100000\r\n\r\n").await;
    for _ in 0..50 {
        // More than the pipe holds: somebody has to take it.
        client.send(&"x".repeat(1_000)).await;
    }
    let answer = client.answer().await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.ends_with("too large"), "{answer}");
    timeout(Duration::from_secs(10), client.serving)
        .await
        .expect("not for ever")
        .expect("no panic");
}
