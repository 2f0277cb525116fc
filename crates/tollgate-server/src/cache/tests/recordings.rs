//! What is written down: whole answers, within their bounds, and nothing else.

use std::{pin::Pin, task::Poll, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http::HeaderValue;
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use tollgate::Clock;
use tollgate_core::{Amounts, NanoUsd, Time, policy::settings};

use super::{KEY, LONG, goes, of_user};
use crate::cache::{Cache, Keeping, Looked, Outcome, Recorded, Recorder, Selector, Whole};

const USED: Amounts =
    Amounts { requests: 1, input_tokens: 3, output_tokens: 5, cost: NanoUsd(9), millis: 0 };

struct Desk {
    cache: Cache,
    clock: Clock,
}

impl Desk {
    fn new(max_bytes: u64) -> Self {
        let settings = settings::Cache { max_bytes, ..settings::Cache::default() };
        let clock = Clock::set_at(Time::ZERO);
        let cache = Cache::open(&settings, Duration::ZERO, None, clock.now()).unwrap();
        Self { cache, clock }
    }

    async fn look(&self) -> Looked {
        self.cache.answers.look(KEY, of_user("a"), LONG, &self.clock).await
    }

    async fn recorder(&self, max_bytes: u64) -> (Recorder, Whole) {
        let keeping = Keeping { lasts: Duration::from_secs(60), max_bytes, stale: Duration::ZERO };
        let json = Some(HeaderValue::from_static("application/json"));
        self.cache.record(goes(self.look().await), json, keeping, self.clock.clone())
    }

    async fn kept(&self) -> Option<Bytes> {
        match self.look().await {
            Looked::Kept(kept) => Some(kept.body.clone()),
            Looked::Brought(_) | Looked::Go(_) => None,
        }
    }
}

type Piece = Result<Frame<Bytes>, &'static str>;

fn body(pieces: Vec<Piece>) -> StreamBody<stream::Iter<std::vec::IntoIter<Piece>>> {
    StreamBody::new(stream::iter(pieces))
}

fn data(text: &'static str) -> Piece {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_is_kept_byte_for_byte_until_its_time_is_over() {
    let desk = Desk::new(1 << 20);
    let (recorder, whole) = desk.recorder(100).await;
    whole.set(USED).unwrap();
    let passed = Recorded::new(body(vec![data("ab"), data(""), data("cd")]), recorder);
    assert_eq!(passed.collect().await.unwrap().to_bytes(), "abcd");
    let Looked::Kept(kept) = desk.look().await else { panic!("it is not kept") };
    assert_eq!((&kept.body[..], kept.usage), (&b"abcd"[..], USED));
    assert_eq!(kept.content_type.as_ref().unwrap(), "application/json");
    assert_eq!(desk.cache.tally.of(Outcome::Stored), 1);
    assert_eq!(desk.cache.desk.taken(), 0);
    desk.clock.advance(Duration::from_secs(59));
    assert!(desk.kept().await.is_some());
    desk.clock.advance(Duration::from_secs(1));
    assert!(desk.kept().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_knows_the_length_need_not_ask_once_more() {
    let desk = Desk::new(1 << 20);
    let (recorder, whole) = desk.recorder(100).await;
    whole.set(USED).unwrap();
    let mut passed = Recorded::new(Full::new(Bytes::from_static(b"abcd")), recorder);
    assert!(passed.frame().await.is_some());
    assert_eq!(desk.kept().await.unwrap(), "abcd");
    let desk = Desk::new(1 << 20);
    let (recorder, whole) = desk.recorder(100).await;
    whole.set(USED).unwrap();
    drop(Recorded::new(Full::new(Bytes::new()), recorder));
    assert_eq!(desk.kept().await.unwrap(), "");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_whole_is_not_kept() {
    let trailers = || Ok(Frame::trailers(http::HeaderMap::new()));
    for (pieces, is_whole) in [
        (vec![data("ab")], false),
        (vec![data("ab"), Err("broken")], true),
        (vec![data("ab"), trailers()], true),
        (vec![data("abcdef"), data("ghijkl")], true),
    ] {
        let desk = Desk::new(1 << 20);
        let (recorder, whole) = desk.recorder(10).await;
        if is_whole {
            whole.set(USED).unwrap();
        }
        let count = pieces.len();
        let _ = Recorded::new(body(pieces), recorder).collect().await;
        assert_eq!(desk.kept().await, None, "{count} pieces");
        assert_eq!(desk.cache.desk.taken(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_reader_goes_away_who_waits_goes_in_its_place() {
    let desk = Desk::new(1 << 20);
    let (recorder, _whole) = desk.recorder(100).await;
    let mut passed = Recorded::new(body(vec![data("ab"), data("cd")]), recorder);
    assert!(passed.frame().await.is_some());
    let mut waits = Box::pin(desk.look());
    let pending =
        std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut waits).poll(cx).is_pending()));
    assert!(pending.await);
    drop(passed);
    assert!(goes(waits.await).leads.is_some());
    assert_eq!(desk.cache.desk.taken(), 0);
}

#[tokio::test(start_paused = true)]
async fn all_that_is_written_down_at_once_is_bounded() {
    let desk = Desk::new(40);
    let (one, _) = desk.recorder(100).await;
    let errand = desk.cache.answers.alone(KEY, of_user("a"));
    let keeping = Keeping { lasts: LONG, stale: Duration::ZERO, max_bytes: 100 };
    let (other, _) = desk.cache.record(errand, None, keeping, desk.clock.clone());
    let mut one = Recorded::new(body(vec![data("0123456789ab"), data("x")]), one);
    let mut other = Recorded::new(body(vec![data("0123456789ab"), data("x")]), other);
    for passed in [&mut one, &mut other] {
        assert_eq!(passed.frame().await.unwrap().unwrap().into_data().unwrap(), "0123456789ab");
    }
    assert_eq!(desk.cache.desk.taken(), 12, "of half of 40");
    drop((one, other));
    assert_eq!(desk.cache.desk.taken(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_cleared_while_it_passes_is_not_kept() {
    let desk = Desk::new(1 << 20);
    let (recorder, whole) = desk.recorder(100).await;
    whole.set(USED).unwrap();
    let mut passed = Recorded::new(body(vec![data("ab"), data("cd")]), recorder);
    assert!(passed.frame().await.is_some());
    desk.cache.answers.clear(&Selector { user: Some("a".into()), ..Selector::default() });
    assert_eq!(passed.collect().await.unwrap().to_bytes(), "cd");
    assert_eq!(desk.kept().await, None);
    assert_eq!(desk.cache.tally.of(Outcome::Stored), 0);
}
