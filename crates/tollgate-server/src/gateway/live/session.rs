//! A live session: what its caller says goes to its provider, what that answers comes back.
//!
//! Each direction carries one message at a time and reads the next one when the other side has
//! taken it, so who is slow slows who sends. Pings are answered by each side for itself.

use std::time::Duration;

use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use tokio_tungstenite::tungstenite::{self, Message, protocol::Role};

use super::{books::Books, ending::Why, farewell};
use crate::net::{
    Drain, Line,
    websocket::{self, WebSocket},
};

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) books: Books,
    /// How long its caller may send nothing.
    pub(super) idle: Duration,
    /// How long its provider may say nothing to audio, or take none.
    pub(super) silence: Duration,
}

/// One side of it.
pub(super) struct Side {
    pub(super) from: SplitStream<WebSocket>,
    pub(super) to: SplitSink<WebSocket, Message>,
}

impl Side {
    async fn of(line: Line, role: Role) -> Self {
        let (to, from) = websocket::speaking(line, role).await.split();
        Self { from, to }
    }
}

impl Session {
    /// Goes on until one side ends it, or it must end.
    pub(super) async fn run(self, caller: Line, provider: Line, mut drain: Drain) {
        let mut caller = Side::of(caller, Role::Server).await;
        let mut provider = Side::of(provider, Role::Client).await;
        let why = tokio::select! {
            biased;
            why = self.down(&mut provider.from, &mut caller.to) => why,
            why = self.up(&mut caller.from, &mut provider.to) => why,
            () = drain.begun() => Why::drain(),
        };
        tracing::debug!(?why, "a live session ends");
        farewell::say(&self, why, caller, provider).await;
    }

    /// Carries what the caller sends.
    async fn up(
        &self,
        from: &mut SplitStream<WebSocket>,
        to: &mut SplitSink<WebSocket, Message>,
    ) -> Why {
        loop {
            let message = match tokio::time::timeout(self.idle, next(from)).await {
                Err(_) => return Why::idle(),
                Ok(None | Some(Ok(Message::Close(_)))) => return Why::Left,
                Ok(Some(Err(error))) => return Why::of(&error),
                Ok(Some(Ok(message))) => message,
            };
            // Nothing is heard that comes after the end.
            if !self.books.is_open() {
                continue;
            }
            match &message {
                Message::Binary(audio) => match self.books.cover(audio).await {
                    Ok(()) if self.books.send(audio) => {}
                    Ok(()) => continue,
                    Err(why) => return why,
                },
                Message::Text(text) => self.books.say(text),
                _ => {}
            }
            match tokio::time::timeout(self.silence, to.send(message)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Why::Lost,
            }
        }
    }

    /// Carries what the provider answers.
    async fn down(
        &self,
        from: &mut SplitStream<WebSocket>,
        to: &mut SplitSink<WebSocket, Message>,
    ) -> Why {
        loop {
            let message = match self.answer(from).await {
                Err(why) => return why,
                Ok(message) => message,
            };
            if let Message::Text(text) = &message {
                self.books.hear(text);
            }
            if to.send(message).await.is_err() {
                return Why::Left;
            }
        }
    }

    /// The next that the provider says. It may be silent for as long as it was sent nothing.
    pub(super) async fn answer(&self, from: &mut SplitStream<WebSocket>) -> Result<Message, Why> {
        let mut unanswered = self.books.sent_bytes();
        let mut is_due = false;
        loop {
            match tokio::time::timeout(self.silence, next(from)).await {
                Ok(Some(Ok(Message::Close(frame)))) => return Err(Why::Closed(frame)),
                Ok(Some(Ok(message))) => return Ok(message),
                Ok(Some(Err(_)) | None) => return Err(Why::Lost),
                // It has had all this time for what came before it.
                Err(_) if is_due => return Err(Why::Lost),
                Err(_) => {
                    let sent = self.books.sent_bytes();
                    is_due = sent > std::mem::replace(&mut unanswered, sent);
                }
            }
        }
    }
}

/// The next message that is more than a sign of life.
async fn next(from: &mut SplitStream<WebSocket>) -> Option<Result<Message, tungstenite::Error>> {
    loop {
        match from.next().await {
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use tollgate_meter::deepgram::{Live, Target};

    use super::*;

    const SILENCE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_provider_may_be_silent_while_it_is_sent_nothing() {
        let target = Target::of("/v1/listen", Some("model=m")).expect("a query").expect("a path");
        let books = Books::settled(Live::new(&target));
        let session = Session { books, idle: SILENCE, silence: SILENCE };
        let (near, _far) = tokio::io::duplex(64);
        let mut side = Side::of(Line::new(near), Role::Client).await;
        let answer = session.answer(&mut side.from);
        assert!(tokio::time::timeout(SILENCE * 1_000, answer).await.is_err(), "it is waited for");
    }
}
