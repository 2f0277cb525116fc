//! Bodies tell of their end once, and may not stand still.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt as _, StreamBody};
use tokio::sync::mpsc;

use crate::net::{BoxError, Ended, OnEnd, Stalled, body::empty, boxed, full, idle::Idle};

type Endings = Arc<parking_lot::Mutex<Vec<Ended>>>;
type Piece = Result<Frame<Bytes>, BoxError>;

/// A body whose frames come from a channel; it ends when the sender is dropped.
struct Fed(mpsc::UnboundedReceiver<Piece>);

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Piece>> {
        self.0.poll_recv(cx)
    }
}

fn data(text: &'static str) -> Piece {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

fn pieces(pieces: Vec<Piece>) -> impl http_body::Body<Data = Bytes, Error = BoxError> {
    StreamBody::new(stream::iter(pieces))
}

fn recorded<B: http_body::Body>(body: B) -> (OnEnd<B, impl FnOnce(Ended)>, Endings) {
    let endings = Endings::default();
    let seen = Arc::clone(&endings);
    (OnEnd::new(body, move |ended| seen.lock().push(ended)), endings)
}

#[tokio::test]
async fn a_body_that_is_taken_whole_is_complete_once() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("7"));
    let frames = vec![data("a"), data("b"), Ok(Frame::trailers(trailers.clone()))];
    let (body, endings) = recorded(pieces(frames));
    let collected = body.collect().await.expect("a whole body");
    assert_eq!(collected.trailers(), Some(&trailers));
    assert_eq!(collected.to_bytes(), "ab");
    assert_eq!(*endings.lock(), [Ended::Complete]);
}

#[tokio::test]
async fn an_error_is_passed_on_and_told() {
    let (body, endings) = recorded(pieces(vec![data("a"), Err("broken".into()), data("b")]));
    let mut body = pin!(body);
    assert!(body.frame().await.expect("a frame").is_ok());
    assert!(endings.lock().is_empty());
    assert_eq!(body.frame().await.expect("an error").expect_err("an error").to_string(), "broken");
    assert_eq!(*endings.lock(), [Ended::Failed]);
    while body.frame().await.is_some() {}
    assert_eq!(*endings.lock(), [Ended::Failed], "once");
}

#[tokio::test]
async fn a_body_dropped_in_the_middle_is_dropped() {
    let (body, endings) = recorded(pieces(vec![data("a"), data("b")]));
    let mut body = Box::pin(body);
    assert!(body.frame().await.is_some());
    drop(body);
    assert_eq!(*endings.lock(), [Ended::Dropped]);
}

#[test]
fn a_body_that_nobody_asks_is_dropped_unless_it_was_empty() {
    let (body, endings) = recorded(full("text"));
    drop(body);
    assert_eq!(*endings.lock(), [Ended::Dropped]);
    let (body, endings) = recorded(empty());
    assert!(body.is_end_stream());
    drop(body);
    assert_eq!(*endings.lock(), [Ended::Complete]);
}

#[tokio::test]
async fn a_reader_that_knows_the_end_need_not_ask_for_it() {
    let (body, endings) = recorded(full("text"));
    let mut body = pin!(body);
    assert!(body.frame().await.is_some());
    assert_eq!(*endings.lock(), [Ended::Complete], "at the last frame");
}

#[tokio::test]
async fn what_the_callback_owns_lives_as_long_as_the_body() {
    let permit = Arc::new(());
    let held = Arc::clone(&permit);
    let mut body = Box::pin(OnEnd::new(pieces(vec![data("a")]), move |_| drop(held)));
    assert!(body.frame().await.is_some());
    assert_eq!(Arc::strong_count(&permit), 2);
    assert!(body.frame().await.is_none());
    assert_eq!(Arc::strong_count(&permit), 1, "let go at the end, not at the drop");
}

#[test]
fn a_panic_ends_a_body_too() {
    let (body, endings) = recorded(full("text"));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _body = body;
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert_eq!(*endings.lock(), [Ended::Dropped]);
}

#[test]
fn sizes_and_ends_are_passed_on() {
    let body = boxed(OnEnd::new(Idle::new(full("text"), Duration::MAX), |_| {}));
    assert_eq!(body.size_hint().exact(), Some(4));
    assert!(!body.is_end_stream());
    let body =
        boxed(Idle::new(StreamBody::new(stream::empty::<Result<_, Infallible>>()), Duration::MAX));
    assert_eq!(body.size_hint().exact(), SizeHint::default().exact());
}

#[tokio::test(start_paused = true)]
async fn each_frame_gives_a_body_its_time_anew() {
    let (feed, frames) = mpsc::unbounded_channel();
    let mut body = pin!(Idle::new(Fed(frames), Duration::from_secs(10)));
    for _ in 0..3 {
        let late = tokio::time::timeout(Duration::from_millis(9_990), body.frame()).await;
        assert!(late.is_err(), "it may stand still for so long");
        feed.send(data("a")).expect("a reader");
        assert!(body.frame().await.expect("a frame").is_ok());
    }
    let stalled = tokio::time::timeout(Duration::from_millis(10_010), body.frame()).await;
    let error = stalled.expect("not longer").expect("an error").expect_err("an error");
    assert_eq!(error.downcast_ref(), Some(&Stalled { limit: Duration::from_secs(10) }));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_no_fault_of_the_body() {
    let (feed, frames) = mpsc::unbounded_channel();
    let mut body = pin!(Idle::new(Fed(frames), Duration::from_secs(10)));
    poll_fn(|cx| {
        assert!(body.as_mut().poll_frame(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    feed.send(data("a")).expect("a reader");
    tokio::time::advance(Duration::from_secs(100)).await;
    assert!(body.frame().await.expect("a frame").is_ok());
}
