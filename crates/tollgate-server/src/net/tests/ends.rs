//! A listener's end: running work is finished, or cut when the grace is over.

use std::{future::pending, sync::Arc, time::Duration};

use http::{Request, Response};
use tokio::{sync::Notify, time::timeout};

use super::rig::{connect, echo_path};
use crate::net::{Body, Peer, connection::Stage, full};

const GET: &str = "GET /a HTTP/1.1\r\nHost: gate\r\n\r\n";
const PIPE: usize = 64 * 1024;
const SOON: Duration = Duration::from_millis(10);

#[tokio::test(start_paused = true)]
async fn who_has_no_request_running_is_closed_at_once() {
    let fresh = connect(PIPE, false, echo_path);
    let mut idle = connect(PIPE, false, echo_path);
    idle.send(GET).await;
    idle.answer().await;
    for client in [fresh, idle] {
        client.stage.send_replace(Stage::Drain);
        timeout(SOON, client.serving).await.expect("at once").expect("no panic");
    }
}

#[tokio::test(start_paused = true)]
async fn a_running_request_is_finished_and_no_other_begun() {
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (beginning, going) = (Arc::clone(&begun), Arc::clone(&go));
    let mut client = connect(PIPE, false, move |_: Request<Body>, _: Peer| {
        let (beginning, going) = (Arc::clone(&beginning), Arc::clone(&going));
        async move {
            beginning.notify_one();
            going.notified().await;
            Response::new(full("finished"))
        }
    });
    client.send(GET).await;
    begun.notified().await;
    client.stage.send_replace(Stage::Drain);
    client.send(GET).await;
    tokio::time::advance(Duration::from_secs(5)).await;
    go.notify_one();
    let all = client.rest().await;
    assert!(all.contains("connection: close\r\n"), "{all}");
    assert!(all.ends_with("finished"), "{all}");
    assert_eq!(all.matches("HTTP/1.1 ").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_is_cut() {
    let begun = Arc::new(Notify::new());
    let beginning = Arc::clone(&begun);
    let mut client = connect(PIPE, false, move |_: Request<Body>, _: Peer| {
        let beginning = Arc::clone(&beginning);
        async move {
            beginning.notify_one();
            pending().await
        }
    });
    client.send(GET).await;
    begun.notified().await;
    client.stage.send_replace(Stage::Drain);
    assert!(timeout(Duration::from_secs(100), &mut client.serving).await.is_err());
    client.stage.send_replace(Stage::Cut);
    timeout(SOON, client.serving).await.expect("at once").expect("no panic");
}
