//! Two nodes and what they tell each other.

use redis_servers::Server;

use super::*;
use crate::store::redis::{LinkSettings, link::Heard};

async fn items(server: &Server) -> Items {
    let settings = LinkSettings::of(&server.url()).expect("an address");
    Items::new(Link::connect(&settings).await.expect("a link"), "roster")
}

async fn since(items: &Items, version: i64) -> Since {
    items.since(version).await.expect("an answer")
}

async fn published(items: &Items, item: &str, value: &str, at: i64) -> Published {
    items.publish(item, value, false, at).await.expect("an answer")
}

/// Tells of an item as of now; when that is.
async fn tell(items: &Items, item: &str, value: &str) -> i64 {
    let now = since(items, 0).await.now;
    assert_eq!(published(items, item, value, now).await, Published::Taken, "{item}");
    now
}

fn told(since: &Since) -> Vec<(&str, &str)> {
    since.rows.iter().map(|row| (row.item.as_str(), row.value.as_str())).collect()
}

#[tokio::test]
async fn who_comes_later_hears_everything_and_then_only_what_is_new() {
    let server = Server::start().await.expect("a server");
    let (a, b) = (items(&server).await, items(&server).await);
    let nothing = since(&b, 0).await;
    assert_eq!(nothing, Since { now: nothing.now, is_all: true, ..Since::default() });
    tell(&a, "x", "1 with blanks").await;
    tell(&a, "y", "2").await;
    let all = since(&b, 0).await;
    assert_eq!(told(&all), [("x", "1 with blanks"), ("y", "2")]);
    assert_eq!((all.last, all.top), (Some(all.top), all.rows[1].version));
    assert!(since(&b, all.top).await.rows.is_empty());
    tell(&b, "x", "3").await;
    let new = since(&a, all.top).await;
    assert_eq!((told(&new), new.born), (vec![("x", "3")], all.born));
    server.command(&["FLUSHALL"]).await.expect("flushed");
    published(&b, "x", "3", 7).await;
    let born_anew = since(&a, new.top).await;
    assert_ne!(born_anew.born, all.born, "another beginning says that all was lost");
}

#[tokio::test]
async fn the_later_change_holds_whichever_comes_first() {
    let server = Server::start().await.expect("a server");
    let items = items(&server).await;
    assert_eq!(published(&items, "x", "new", 7).await, Published::Taken);
    let known = Published::Known(7, "new".to_owned());
    assert_eq!(published(&items, "x", "old", 6).await, known);
    assert_eq!(published(&items, "x", "at once", 7).await, known, "the first at an instant stays");
    assert_eq!(published(&items, "x", "newer", 8).await, Published::Taken);
    assert_eq!(told(&since(&items, 0).await), [("x", "newer")]);
}

#[tokio::test]
async fn what_is_gone_is_known_for_as_long_as_it_must_be() {
    let server = Server::start().await.expect("a server");
    let items = items(&server).await;
    items.publish("x", "gone", true, 5).await.expect("an answer");
    assert_eq!(since(&items, 0).await.rows.len(), 0, "long ago");
    let now = since(&items, 0).await.now;
    items.publish("y", "gone", true, now).await.expect("an answer");
    tell(&items, "z", "here").await;
    assert_eq!(told(&since(&items, 0).await), [("y", "gone"), ("z", "here")]);
}

#[tokio::test]
async fn what_makes_no_sense_stops_nothing_and_is_written_over() {
    let server = Server::start().await.expect("a server");
    let items = items(&server).await;
    for item in ["x", "y", "z"] {
        tell(&items, item, "1").await;
    }
    let key = "tg:{0}:roster";
    server.command(&["HSET", key, "x", "nonsense"]).await.expect("written");
    server.command(&["HDEL", key, "z"]).await.expect("taken out");
    let all = since(&items, 0).await;
    assert_eq!((told(&all), all.last), (vec![("y", "1")], Some(all.top)));
    tell(&items, "x", "2").await;
    assert_eq!(told(&since(&items, 0).await), [("y", "1"), ("x", "2")]);
}

#[tokio::test]
async fn a_change_wakes_who_listens() {
    let server = Server::start().await.expect("a server");
    let (a, b) = (items(&server).await, items(&server).await);
    let mut news = b.news();
    assert_eq!(news.next().await, Some(Heard::Begun));
    tell(&a, "x", "1").await;
    let Some(Heard::Message { message, .. }) = news.next().await else { panic!("no message") };
    let top = since(&b, 0).await.top;
    assert_eq!(message, top.to_string().as_bytes());
}
