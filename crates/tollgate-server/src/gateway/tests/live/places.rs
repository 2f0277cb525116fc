//! A session holds a place among its provider's connections, and gives it back however it ends.

use futures_util::SinkExt as _;
use tokio_tungstenite::tungstenite::Message;

use super::{
    super::Running,
    RAW, SECOND,
    caller::{Caller, call},
    sandbox, settled, up, used,
};

const LIMITS: &str = "[[limits]]\nname = \"slots\"\nconcurrency = 9\n";

/// How a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    Asked,
    Closed,
    Reset,
    ByItsProvider,
}

async fn end(mut caller: Caller, how: Ends) {
    match how {
        Ends::Asked => {
            caller.finish().await;
            caller.rest().await;
        }
        Ends::Closed => {
            caller.socket.send(Message::Close(None)).await.expect("sent");
            caller.rest().await;
        }
        Ends::Reset => caller.reset(),
        Ends::ByItsProvider => {
            caller.speak(SECOND).await;
            caller.rest().await;
        }
    }
}

#[tokio::test]
async fn another_session_begins_when_the_one_that_has_the_only_place_ends() {
    let one = format!("{}max_connections = 1\n{LIMITS}", up(sandbox().await));
    for how in [Ends::Asked, Ends::Closed, Ends::Reset, Ends::ByItsProvider] {
        let running = Running::with(&one).await;
        let fault = if how == Ends::ByItsProvider { "x-sandbox-fault: cut\r\n" } else { "" };
        let first = call(&running, RAW, fault).await.expect("a session");
        let ending = async {
            while used(&running).await.0 < 2 {
                tokio::task::yield_now().await;
            }
            // The other one is admitted, and would have begun by the time that this was answered.
            let mut busy = first;
            if how != Ends::ByItsProvider {
                for _ in 0..10 {
                    busy.speak(3 * SECOND).await;
                    busy.until("Results").await;
                }
            }
            end(busy, how).await;
        };
        let began = std::cell::Cell::new(false);
        let second = async {
            let session = call(&running, RAW, "").await.expect("a session");
            began.set(true);
            session
        };
        let ending = async {
            tokio::pin!(ending);
            std::future::poll_fn(|cx| {
                let ended = ending.as_mut().poll(cx);
                assert!(ended.is_ready() || !began.get(), "it began beside the other: {how:?}");
                ended
            })
            .await;
        };
        let (second, ()) = tokio::join!(second, ending);
        end(second, Ends::Asked).await;
        settled(&running).await;
    }
}
