//! How a live session ends: its provider is asked for the end, what it still says passes, all is
//! settled, and then its caller is told why.

use std::time::Duration;

use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use tokio_tungstenite::tungstenite::Message;
use tollgate_meter::{Ending, deepgram};

use super::{
    ending::{Told, Why},
    session::{Session, Side},
};
use crate::net::websocket::WebSocket;

/// How long the provider may take to transcribe what it has and to tell how much it was.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How long the caller may take for one of them. Who takes longer is told no more, so that the
/// rest is heard.
const TAKING: Duration = Duration::from_secs(1);

/// How long a side may take to close.
const CLOSING: Duration = Duration::from_secs(2);

/// Ends it, and settles it.
pub(super) async fn say(session: &Session, why: Why, mut caller: Side, mut provider: Side) {
    let nothing = || [const { None }; 2];
    match why {
        Why::Closed(frame) => {
            let is_whole = frame.as_ref().is_none_or(|frame| u16::from(frame.code) == NORMAL);
            session.books.close(if is_whole { Ending::Complete } else { Ending::Cut });
            let told = [Some(Message::Close(frame)), None];
            tokio::join!(close(caller, told), close(provider, nothing()));
        }
        Why::Lost => {
            session.books.fail();
            session.books.close(Ending::Cut);
            close(caller, Told::lost().messages().map(Some)).await;
        }
        Why::Left => {
            // It is let go at once; what it used is found out without it.
            let settling = settle(session, &mut provider, None);
            tokio::join!(close(caller, nothing()), settling);
            close(provider, nothing()).await;
        }
        Why::Told(told) => {
            tokio::select! {
                () = settle(session, &mut provider, Some(&mut caller.to)) => {}
                () = ignore(&mut caller.from) => {}
            }
            let told = told.messages().map(Some);
            tokio::join!(close(caller, told), close(provider, nothing()));
        }
    }
}

/// The code of a session that ended as it should.
const NORMAL: u16 = 1000;

/// Has the provider end it, and settles it by what that tells; what else it says is passed on.
async fn settle(
    session: &Session,
    provider: &mut Side,
    mut to: Option<&mut SplitSink<WebSocket, Message>>,
) {
    let words = async {
        if session.books.is_open() {
            session.books.say(deepgram::CLOSE_STREAM);
            provider.to.send(Message::text(deepgram::CLOSE_STREAM)).await.ok()?;
        }
        while !session.books.is_closed() {
            let message = session.answer(&mut provider.from).await.ok()?;
            if let Message::Text(text) = &message {
                session.books.hear(text);
            }
            if let Some(its) = &mut to {
                let sent = tokio::time::timeout(TAKING, its.send(message)).await;
                to = to.filter(|_| matches!(sent, Ok(Ok(()))));
            }
        }
        Some(())
    };
    // What is not told by then is estimated.
    let _ = tokio::time::timeout(LAST_WORDS, words).await;
    session.books.close(Ending::Cut);
}

/// Reads what comes and throws it away, so that who sends can hear.
async fn ignore(from: &mut SplitStream<WebSocket>) {
    while let Some(Ok(_)) = from.next().await {}
    std::future::pending::<()>().await;
}

/// Says this, and closes a side once it has closed too.
async fn close(mut side: Side, told: [Option<Message>; 2]) {
    let closing = async {
        for message in told.into_iter().flatten() {
            side.to.send(message).await.ok()?;
        }
        side.to.close().await.ok()?;
        while let Some(Ok(_)) = side.from.next().await {}
        Some(())
    };
    // Who does not answer is left.
    let _ = tokio::time::timeout(CLOSING, closing).await;
}
