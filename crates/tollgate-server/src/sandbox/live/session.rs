//! One session over its line, until either side ends it.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::json;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, Role, frame::coding::CloseCode},
};

use super::{
    super::plan::{Fault, Report},
    Transcript,
};
use crate::net::{
    Line,
    websocket::{self, WebSocket},
};

/// One session.
pub(super) struct Session {
    pub(super) transcript: Transcript,
    pub(super) report: Report,
    pub(super) fault: Option<Fault>,
}

/// What follows a message.
enum Next {
    Say(Vec<String>),
    /// The rest is said, and all is summed up.
    End,
    Close(CloseCode, &'static str),
    /// It dies.
    Die,
}

#[derive(Deserialize)]
struct Said<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
}

/// How long nothing may come.
const PATIENCE: Duration = Duration::from_secs(10);

const SILENT: &str = "Deepgram did not receive audio data or a text message within the timeout window. See https://dpgr.am/net0001";
const BROKEN: &str = "Deepgram did not send any data to the client within the timeout window. See https://dpgr.am/net0000";

impl Session {
    pub(super) async fn run(mut self, line: Line) {
        let mut socket = websocket::speaking(line, Role::Server).await;
        if say(&mut socket, self.transcript.greeting().into_iter().collect()).await.is_none() {
            return;
        }
        loop {
            let next = match tokio::time::timeout(PATIENCE, socket.next()).await {
                Err(_) => Next::Close(CloseCode::Error, SILENT),
                Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => {
                    return close(socket, None).await;
                }
                Ok(Some(Ok(message))) => self.answer(&message),
            };
            match next {
                Next::Say(all) => {
                    if say(&mut socket, all).await.is_none() {
                        return;
                    }
                }
                Next::End => return self.end(socket).await,
                Next::Close(code, why) => return close(socket, Some((code, why))).await,
                Next::Die => return,
            }
        }
    }

    fn answer(&mut self, message: &Message) -> Next {
        match message {
            Message::Binary(audio) if audio.is_empty() => Next::End,
            Message::Binary(audio) => match self.fault {
                Some(Fault::Cut) => Next::Die,
                Some(Fault::StreamError) => Next::Close(CloseCode::Error, BROKEN),
                Some(Fault::Stall) => Next::Say(Vec::new()),
                _ => Next::Say(self.transcript.hear(audio)),
            },
            Message::Text(text) => self.told(text),
            _ => Next::Say(Vec::new()),
        }
    }

    fn told(&mut self, text: &str) -> Next {
        match serde_json::from_str(text).map(|Said { kind }| kind) {
            Ok("KeepAlive" | "Configure") => Next::Say(Vec::new()),
            Ok("Finalize") => Next::Say(self.transcript.finalize()),
            Ok("CloseStream") => Next::End,
            _ => {
                let error = json!({
                    "type": "Error", "variant": "SchemaError", "message": text,
                    "description": "Could not deserialize last text message: it is no message that is known here.",
                });
                Next::Say(vec![error.to_string()])
            }
        }
    }

    async fn end(mut self, mut socket: WebSocket) {
        if self.fault == Some(Fault::Stall) {
            while let Some(Ok(_)) = socket.next().await {}
            return;
        }
        let mut all = self.transcript.rest();
        if self.fault != Some(Fault::End) {
            all.extend(self.transcript.metadata(self.report));
        }
        if say(&mut socket, all).await.is_some() {
            close(socket, Some((CloseCode::Normal, ""))).await;
        }
    }
}

/// Nothing where nobody listens any more.
async fn say(socket: &mut WebSocket, all: Vec<String>) -> Option<()> {
    for message in all {
        socket.send(Message::text(message)).await.ok()?;
    }
    Some(())
}

/// Closes it, and waits until the other side has, too.
async fn close(mut socket: WebSocket, why: Option<(CloseCode, &'static str)>) {
    let frame = why.map(|(code, reason)| CloseFrame { code, reason: reason.into() });
    if socket.close(frame).await.is_ok() {
        let closed = async { while let Some(Ok(_)) = socket.next().await {} };
        // Who does not answer is left.
        let _ = tokio::time::timeout(PATIENCE, closed).await;
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Asked, Version},
        *,
    };

    #[tokio::test(start_paused = true)]
    async fn one_that_stalls_is_over_once_its_caller_is_gone() {
        let asked = Asked::of(Version::One, "model=m").unwrap_or_else(|_| panic!("a query"));
        let transcript = Transcript::new(asked, String::new());
        let session = Session { transcript, report: Report::Exact, fault: Some(Fault::Stall) };
        let (near, far) = tokio::io::duplex(1024);
        let mut caller = websocket::speaking(Line::new(near), Role::Client).await;
        let heard = async {
            caller.send(Message::text(r#"{"type":"CloseStream"}"#)).await.expect("sent");
            let answer = tokio::time::timeout(PATIENCE * 10, caller.next()).await;
            assert!(answer.is_err(), "it says nothing");
            drop(caller);
        };
        let both = async { tokio::join!(session.run(Line::new(far)), heard) };
        tokio::time::timeout(PATIENCE * 20, both).await.expect("an end");
    }
}
