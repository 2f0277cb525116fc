//! A provider that does as it is told: one script for each connection, by the byte.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Mutex, Notify, Semaphore, mpsc},
    task::JoinHandle,
};

/// What a provider does next.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Waits until it is told to go on.
    Wait(Arc<Notify>),
    /// Waits for one of these permits, and uses it up.
    Hold(Arc<Semaphore>),
    /// Sends one of these, as the request has this word in it or not.
    Choose { word: &'static str, one: Vec<u8>, other: Vec<u8> },
    /// Sends nothing more until the other side goes away.
    Hang,
}

/// A running provider.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) address: SocketAddr,
    requests: Mutex<mpsc::UnboundedReceiver<String>>,
    closed: Mutex<mpsc::UnboundedReceiver<()>>,
    task: JoinHandle<()>,
}

impl Provider {
    /// Answers every request by the same steps, then closes the connection.
    pub(crate) async fn doing(steps: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (told, requests) = mpsc::unbounded_channel();
        let (gone, closed) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.expect("a connection");
                let (steps, told, gone) = (steps.clone(), told.clone(), gone.clone());
                tokio::spawn(async move {
                    play(socket, steps, &told).await;
                    let _ = gone.send(());
                });
            }
        });
        Self { address, requests: Mutex::new(requests), closed: Mutex::new(closed), task }
    }

    /// Answers everything with one response.
    pub(crate) async fn answering(head: &str, body: &str) -> Self {
        Self::doing(vec![Step::Send(response(head, body))]).await
    }

    /// Answers everything with this JSON.
    pub(crate) async fn json(body: &str) -> Self {
        Self::answering("HTTP/1.1 200 OK\r\ncontent-type: application/json", body).await
    }

    /// Answers everything with these events, and closes.
    pub(crate) async fn events(events: &str) -> Self {
        Self::doing(vec![Step::Send(stream_head()), Step::Send(chunk(events)), Step::Send(end())])
            .await
    }

    /// Answers requests that have this word in them in one way, and all others in another.
    pub(crate) async fn choosing(word: &'static str, one: Vec<u8>, other: Vec<u8>) -> Self {
        let choose = Step::Choose { word, one, other };
        Self::doing(vec![choose]).await
    }

    /// The next request that it got, head and body.
    pub(crate) async fn request(&self) -> String {
        self.requests.lock().await.recv().await.expect("a request")
    }

    /// Whether it got no request that nobody has looked at.
    pub(crate) async fn is_idle(&self) -> bool {
        self.requests.lock().await.is_empty()
    }

    /// Returns when one more connection is over.
    pub(crate) async fn closed(&self) {
        self.closed.lock().await.recv().await.expect("a connection");
    }

    /// Its address as a policy has it.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A response with its length.
pub(crate) fn response(head: &str, body: &str) -> Vec<u8> {
    format!("{head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).into()
}

/// The head of a stream of events.
pub(crate) fn stream_head() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n".to_vec()
}

/// A piece of a chunked body.
pub(crate) fn chunk(data: &str) -> Vec<u8> {
    format!("{:x}\r\n{data}\r\n", data.len()).into()
}

/// The end of a chunked body.
pub(crate) fn end() -> Vec<u8> {
    b"0\r\n\r\n".to_vec()
}

async fn play(mut socket: TcpStream, steps: Vec<Step>, told: &mpsc::UnboundedSender<String>) {
    let Some(request) = read_request(&mut socket).await else { return };
    let _ = told.send(request.clone());
    for step in steps {
        match step {
            Step::Send(bytes) => {
                if socket.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Step::Choose { word, one, other } => {
                let bytes = if request.contains(word) { one } else { other };
                if socket.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Step::Wait(go) => go.notified().await,
            Step::Hold(go) => go.acquire().await.expect("it is open").forget(),
            Step::Hang => {
                // Whatever comes, the end of it is what is waited for.
                let _ = socket.read_to_end(&mut Vec::new()).await;
            }
        }
    }
    let _ = socket.shutdown().await;
}

/// A whole request, its body with a length or chunked.
pub(crate) async fn read_request(socket: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let is_whole = match length {
                Some(length) => body.len() >= length.parse().expect("a length"),
                None if head.contains("transfer-encoding: chunked") => body.ends_with("0\r\n\r\n"),
                None => true,
            };
            if is_whole {
                return Some(text);
            }
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
