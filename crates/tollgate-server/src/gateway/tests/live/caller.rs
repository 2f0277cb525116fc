//! A caller: the head of its handshake by the byte, then messages.

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use super::super::{Running, running::Answer};

/// A caller whose session has begun.
pub(super) struct Caller {
    pub(super) socket: WebSocketStream<TcpStream>,
    pub(super) headers: HeaderMap,
}

/// What a session says until it is over.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) messages: Vec<Value>,
    /// Code and reason.
    pub(super) closed: Option<(u16, String)>,
}

pub(super) const HANDSHAKE: &str = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                         sec-websocket-extensions: permessage-deflate\r\n";

/// Calls the provider `up`; its answer, where that begins no session.
pub(super) async fn call(running: &Running, query: &str, headers: &str) -> Result<Caller, Answer> {
    send(
        running,
        &format!("GET /up/v1/listen?{query} HTTP/1.1\r\nhost: a\r\n{HANDSHAKE}{headers}\r\n"),
    )
    .await
}

/// The same, with a head of its own.
pub(super) async fn send(running: &Running, head: &str) -> Result<Caller, Answer> {
    let mut socket = TcpStream::connect(running.address).await.expect("a connection");
    socket.write_all(head.as_bytes()).await.expect("sent");
    let (status, headers) = read_head(&mut socket).await;
    if status == StatusCode::SWITCHING_PROTOCOLS {
        let socket = WebSocketStream::from_raw_socket(socket, Role::Client, None).await;
        return Ok(Caller { socket, headers });
    }
    let length = headers["content-length"].to_str().expect("text").parse().expect("a number");
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.expect("a body");
    Err(Answer { status, headers, body: Bytes::from(body) })
}

/// Reads a head and not one byte more.
async fn read_head(socket: &mut TcpStream) -> (StatusCode, HeaderMap) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.expect("a head"));
    }
    let head = String::from_utf8(head).expect("text");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status");
    let pairs = lines.filter_map(|line| line.split_once(": "));
    let headers = pairs.map(|(name, value)| {
        (HeaderName::try_from(name).expect("a name"), value.parse().expect("a value"))
    });
    (status.parse().expect("a status"), headers.collect())
}

impl Caller {
    /// Sends audio of so many bytes.
    pub(super) async fn speak(&mut self, bytes: usize) {
        self.socket.send(Message::binary(vec![0; bytes])).await.expect("sent");
    }

    pub(super) async fn say(&mut self, message: &str) {
        self.socket.send(Message::text(message)).await.expect("sent");
    }

    pub(super) async fn finish(&mut self) {
        self.say(r#"{"type":"CloseStream"}"#).await;
    }

    /// The next message.
    pub(super) async fn hear(&mut self) -> Value {
        loop {
            match self.socket.next().await.expect("a message").expect("no error") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next message of this type.
    pub(super) async fn until(&mut self, kind: &str) -> Value {
        loop {
            let message = self.hear().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// All that is still said.
    pub(super) async fn rest(mut self) -> Said {
        let mut said = Said::default();
        while let Some(Ok(message)) = self.socket.next().await {
            match message {
                Message::Text(text) => {
                    said.messages.push(serde_json::from_str(&text).expect("JSON"));
                }
                Message::Close(frame) => {
                    said.closed = frame.map(|it| (it.code.into(), it.reason.to_string()));
                }
                _ => {}
            }
        }
        said
    }

    /// Is gone without a word: the connection is reset.
    pub(super) fn reset(self) {
        self.socket.get_ref().set_zero_linger().expect("a socket");
    }
}

impl Said {
    /// The types of its messages.
    pub(super) fn kinds(&self) -> Vec<&str> {
        self.messages.iter().filter_map(|message| message["type"].as_str()).collect()
    }

    /// How it is closed.
    pub(super) fn code(&self) -> Option<u16> {
        self.closed.as_ref().map(|(code, _)| *code)
    }
}
