//! A provider that does in each session as it is told.

use std::net::SocketAddr;

use http::HeaderMap;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Mutex, mpsc},
    task::JoinHandle,
};
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::net::{
    Line,
    websocket::{self, Handshake, WebSocket},
};

/// A running provider.
pub(super) struct Provider {
    pub(super) address: SocketAddr,
    heads: Mutex<mpsc::UnboundedReceiver<String>>,
    task: JoinHandle<()>,
}

impl Provider {
    /// Agrees to every session and leads it so.
    pub(super) async fn leading<F>(
        lead: impl Fn(WebSocket) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::with(move |mut socket, head| {
            let lead = lead.clone();
            async move {
                let mut headers = HeaderMap::new();
                for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
                    let name = http::HeaderName::try_from(name).expect("a name");
                    headers.insert(name, value.parse().expect("a value"));
                }
                let mut agreed = HeaderMap::new();
                Handshake::offered(&headers).expect("a handshake").agree(&mut agreed);
                let told = agreed
                    .iter()
                    .map(|(name, value)| format!("{name}: {}\r\n", value.to_str().expect("text")));
                let answer = format!("HTTP/1.1 101 x\r\n{}\r\n", told.collect::<String>());
                socket.write_all(answer.as_bytes()).await.expect("sent");
                lead(websocket::speaking(Line::new(socket), Role::Server).await).await;
            }
        })
        .await
    }

    /// Answers everything so, by the byte.
    pub(super) async fn answering(answer: &'static str) -> Self {
        Self::with(move |mut socket, _| async move {
            socket.write_all(answer.as_bytes()).await.expect("sent");
        })
        .await
    }

    async fn with<F>(lead: impl Fn(TcpStream, String) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (told, heads) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.expect("a connection");
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(socket.read_u8().await.expect("a head"));
                }
                let head = String::from_utf8(head).expect("text");
                let _ = told.send(head.clone());
                tokio::spawn(lead(socket, head));
            }
        });
        Self { address, heads: Mutex::new(heads), task }
    }

    /// The head of the next request that it got.
    pub(super) async fn head(&self) -> String {
        self.heads.lock().await.recv().await.expect("a request")
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}
