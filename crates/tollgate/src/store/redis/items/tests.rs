//! Two nodes and what they tell each other.

use redis_servers::Server;

use super::*;
use crate::store::redis::{LinkSettings, link::Heard};

async fn items(server: &Server) -> Items {
    let settings = LinkSettings::of(&server.url()).expect("an address");
    Items::new(Link::connect(&settings).await.expect("a link"), "roster")
}

const JUST_NOW: When = When::Ago { micros: 0, after: 0 };

async fn taken(items: &Items, item: &str, value: &str, when: When) -> i64 {
    match items.publish(item, value, false, when).await.expect("an answer") {
        Published::Taken(at) => at,
        Published::Newer(..) => panic!("{item} is newer"),
    }
}

fn told(since: &Since) -> Vec<(&str, &str)> {
    since.rows.iter().map(|row| (row.item.as_str(), row.value.as_str())).collect()
}

#[tokio::test]
async fn who_comes_later_hears_everything_and_then_only_what_is_new() {
    let server = Server::start().await.expect("a server");
    let (a, b) = (items(&server).await, items(&server).await);
    assert_eq!(b.since(0).await.expect("an answer"), Since::default());
    taken(&a, "x", "1 with blanks", JUST_NOW).await;
    taken(&a, "y", "2", JUST_NOW).await;
    let all = b.since(0).await.expect("an answer");
    assert_eq!(told(&all), [("x", "1 with blanks"), ("y", "2")]);
    assert_eq!(all.top, all.rows[1].version);
    assert!(b.since(all.top).await.expect("an answer").rows.is_empty());
    taken(&b, "x", "3", JUST_NOW).await;
    let new = a.since(all.top).await.expect("an answer");
    assert_eq!((told(&new), new.born), (vec![("x", "3")], all.born));
    server.command(&["FLUSHALL"]).await.expect("flushed");
    taken(&b, "x", "3", When::At(7)).await;
    let born_anew = a.since(new.top).await.expect("an answer");
    assert_ne!(born_anew.born, all.born, "another beginning says that all was lost");
}

#[tokio::test]
async fn the_later_change_holds_whichever_comes_first() {
    let server = Server::start().await.expect("a server");
    let items = items(&server).await;
    let minute = When::Ago { micros: 60_000_000, after: 0 };
    let newer = taken(&items, "x", "new", JUST_NOW).await;
    let answer = items.publish("x", "old", false, minute).await.expect("an answer");
    assert_eq!(answer, Published::Newer(newer, "new".to_owned()));
    let after = When::Ago { micros: 60_000_000, after: newer };
    let at = taken(&items, "x", "knowing that", after).await;
    assert_eq!(at, newer + 1, "whoever knew of the other one is later");
    taken(&items, "y", "old", minute).await;
    taken(&items, "y", "new", JUST_NOW).await;
    assert_eq!(taken(&items, "z", "as of then", When::At(5)).await, 5);
}

#[tokio::test]
async fn what_is_gone_is_known_for_as_long_as_it_must_be() {
    let server = Server::start().await.expect("a server");
    let items = items(&server).await;
    items.publish("x", "gone", true, When::At(5)).await.expect("an answer");
    assert_eq!(items.since(0).await.expect("an answer").rows.len(), 0, "long ago");
    items.publish("y", "gone", true, JUST_NOW).await.expect("an answer");
    taken(&items, "z", "here", JUST_NOW).await;
    assert_eq!(told(&items.since(0).await.expect("an answer")), [("y", "gone"), ("z", "here")]);
}

#[tokio::test]
async fn a_change_wakes_who_listens() {
    let server = Server::start().await.expect("a server");
    let (a, b) = (items(&server).await, items(&server).await);
    let mut news = b.news();
    assert_eq!(news.next().await, Some(Heard::Begun));
    taken(&a, "x", "1", JUST_NOW).await;
    let Some(Heard::Message { message, .. }) = news.next().await else { panic!("no message") };
    let top = b.since(0).await.expect("an answer").top;
    assert_eq!(message, top.to_string().as_bytes());
}
