//! What outlives the process, and what must not.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use http::HeaderValue;
use tollgate::Clock;
use tollgate_core::{Amounts, NanoUsd, Now, Time, policy::settings};

use super::{LONG, goes, of_user};
use crate::cache::{Cache, Errand, Kept, Key, Looked, Selector};

const NOON: Time = Time::from_millis(1_795_435_200_000);

fn open(folder: &Path, max_bytes: u64, now: Now) -> Cache {
    let settings =
        settings::Cache { enabled: true, persist: true, max_bytes, ..settings::Cache::default() };
    Cache::open(&settings, Duration::ZERO, Some(&folder.join("ledger.db")), now).unwrap()
}

fn at(seconds: u64) -> Now {
    // Engines begin anew at each start here, the wall does not.
    Now {
        time: Time::ZERO.after(Duration::from_secs(5)),
        wall: NOON.after(Duration::from_secs(seconds)),
    }
}

fn bring(errand: Errand, body: &'static [u8]) {
    let cost = NanoUsd(17);
    let made = errand.bring(|labels, begun| Kept {
        content_type: Some(HeaderValue::from_static("text/event-stream")),
        body: Bytes::from_static(body),
        usage: Amounts { input_tokens: 3, output_tokens: 4, cost, ..Amounts::ONE_REQUEST },
        since: at(0).time,
        wall: at(0).wall,
        expires: at(0).time.after(Duration::from_secs(100)),
        gone: at(0).time.after(Duration::from_secs(150)),
        labels,
        begun,
    });
    assert!(made);
}

async fn keep(cache: &Cache, key: u8, user: &str, body: &'static [u8]) {
    bring(cache.answers.alone(Key([key; 32]), of_user(user)), body);
}

async fn found(cache: &Cache, key: u8, now: Now) -> Option<std::sync::Arc<Kept>> {
    let clock = Clock::set_at(now.time);
    match cache.answers.look(Key([key; 32]), of_user("x"), LONG, &clock).await {
        Looked::Kept(kept) => Some(kept),
        looked => {
            drop(goes(looked));
            None
        }
    }
}

#[tokio::test]
async fn what_is_over_stays_for_who_has_no_other_and_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings::Cache { enabled: true, persist: true, ..settings::Cache::default() };
    let opened = |stale, at| {
        let stale = Duration::from_secs(stale);
        Cache::open(&settings, stale, Some(&folder.path().join("ledger.db")), at).unwrap()
    };
    let cache = opened(50, at(0));
    keep(&cache, 1, "alice", b"x").await;
    drop(cache);
    // It was to be given for 100 seconds.
    for (stale, seconds, is_there) in [(50, 120, true), (50, 149, true), (50, 150, false)] {
        let cache = opened(stale, at(seconds));
        assert!(found(&cache, 1, at(seconds)).await.is_none(), "it is over");
        let last = cache.answers.last(&Key([1; 32]), at(seconds).time);
        assert_eq!(last.is_some(), is_there, "{seconds}");
    }
    let cache = opened(50, at(0));
    keep(&cache, 1, "alice", b"x").await;
    drop(cache);
    let cache = opened(0, at(120));
    assert!(cache.answers.last(&Key([1; 32]), at(120).time).is_none(), "nobody falls back on it");
}

#[tokio::test]
async fn an_answer_outlives_the_process_and_lasts_as_long_as_it_was_to() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), 1 << 20, at(0));
    keep(&cache, 1, "alice", b"data: 1\n\n").await;
    drop(cache);
    let cache = open(folder.path(), 1 << 20, at(60));
    let kept = found(&cache, 1, at(60)).await.unwrap();
    assert_eq!((&kept.body[..], kept.usage.cost.0), (&b"data: 1\n\n"[..], 17));
    assert_eq!((kept.usage.input_tokens, kept.usage.output_tokens), (3, 4));
    assert_eq!(kept.content_type.as_ref().unwrap(), "text/event-stream");
    assert_eq!(kept.labels, of_user("alice"));
    assert_eq!(kept.expires.since(at(60).time), Duration::from_secs(40));
    drop(cache);
    // A clock that was set back lets nothing live longer than it was to.
    let early = Now { wall: NOON.before(LONG), ..at(0) };
    let cache = open(folder.path(), 1 << 20, early);
    let kept = found(&cache, 1, early).await.unwrap();
    assert_eq!(kept.expires.since(early.time), Duration::from_secs(100));
    drop(cache);
    let cache = open(folder.path(), 1 << 20, at(100));
    assert!(found(&cache, 1, at(100)).await.is_none());
}

#[tokio::test]
async fn what_was_cleared_does_not_come_back_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), 1 << 20, at(0));
    let late = cache.answers.alone(Key([9; 32]), of_user("alice"));
    for (key, user) in [(1, "alice"), (2, "bob"), (3, "alice")] {
        keep(&cache, key, user, b"x").await;
    }
    let alice = Selector { user: Some("alice".into()), ..Selector::default() };
    assert_eq!(cache.clear(&alice).await.unwrap().answers.entries, 2);
    assert!(!late.bring(|labels, begun| Kept {
        content_type: None,
        body: Bytes::new(),
        usage: Amounts::ONE_REQUEST,
        since: at(0).time,
        wall: at(0).wall,
        expires: Time::MAX,
        gone: Time::MAX,
        labels,
        begun,
    }));
    // As after a kill: nobody waits for the writer.
    let again = open(folder.path(), 1 << 20, at(1));
    for (key, is_there) in [(1, false), (2, true), (3, false), (9, false)] {
        assert_eq!(found(&again, key, at(1)).await.is_some(), is_there, "{key}");
    }
}

#[tokio::test]
async fn a_process_that_keeps_no_file_leaves_none_that_it_cannot_clear() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), 1 << 20, at(0));
    keep(&cache, 1, "alice", b"x").await;
    drop(cache);
    let (usual, ledger) = (settings::Cache::default(), folder.path().join("ledger.db"));
    drop(Cache::open(&usual, Duration::ZERO, Some(&ledger), at(1)).unwrap());
    let cache = open(folder.path(), 1 << 20, at(2));
    assert!(found(&cache, 1, at(2)).await.is_none());
}

#[tokio::test]
async fn the_file_holds_no_more_than_memory_may_and_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), 4_100, at(0));
    for key in 0..40 {
        keep(&cache, key, "a", &[7; 600]).await;
        // One after the other, so that each is written.
        cache.clear(&Selector { tag: Some("none".into()), ..Selector::default() }).await.unwrap();
    }
    drop(cache);
    let file = rusqlite::Connection::open(folder.path().join("ledger.db-cache")).unwrap();
    let rows: u32 = file.query_row("SELECT count(*) FROM answers", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 4);
    drop(file);
    let cache = open(folder.path(), 4_100, at(1));
    let holding = cache.answers.holding(at(1).time);
    assert_eq!(holding.entries, 4, "{holding:?}");
    assert!(found(&cache, 39, at(1)).await.is_some() && found(&cache, 0, at(1)).await.is_none());
    drop(cache);
    // A policy that allows less holds for the file too.
    let cache = open(folder.path(), 2_100, at(1));
    assert_eq!(cache.answers.holding(at(1).time).entries, 2);
}

#[tokio::test]
async fn the_file_is_its_owners_alone_and_no_other_file_is_taken_for_it() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path(), 1 << 20, at(0)));
    let path = folder.path().join("ledger.db-cache");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    let settings = settings::Cache { enabled: true, persist: true, ..settings::Cache::default() };
    let opened =
        || Cache::open(&settings, Duration::ZERO, Some(&folder.path().join("ledger.db")), at(0));
    let other = rusqlite::Connection::open(&path).unwrap();
    other.pragma_update(None, "application_id", 5).unwrap();
    drop(other);
    let error = format!("{:#}", opened().err().unwrap());
    assert!(error.contains("is no cache but some other file"), "{error}");
    std::fs::write(&path, "no database").unwrap();
    let error = format!("{:#}", opened().err().unwrap());
    assert!(error.contains("ledger.db-cache can't be used"), "{error}");
}
