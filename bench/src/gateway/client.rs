//! A client that costs as little as it can, so that the load leaves the cores to what is
//! measured: blocking sockets, requests made beforehand, answers read and not understood.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

/// Users that the requests are dealt to.
const USERS: usize = 1_000;
/// The most silence of a side before the run is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A side, and the requests for it.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    path: String,
    requests: Vec<Vec<u8>>,
}

/// A connection that is kept.
pub(crate) struct Client {
    socket: TcpStream,
    buffer: Vec<u8>,
}

/// How long the body of an answer is.
#[derive(Clone, Copy)]
enum Length {
    Bytes(usize),
    Chunked,
}

impl Target {
    /// Plain requests of many users to the API below `path`.
    pub(crate) fn new(address: SocketAddr, path: &str) -> Self {
        let mut target = Self { address, path: path.to_owned(), requests: Vec::new() };
        target.requests = (0..USERS).map(|user| target.request(user, "", "")).collect();
        target
    }

    /// A prepared request of some user.
    pub(crate) fn prepared(&self, nth: usize) -> &[u8] {
        &self.requests[nth % self.requests.len()]
    }

    /// A stream of tokens, one every few seconds.
    pub(crate) fn slow_stream(&self, user: usize) -> Vec<u8> {
        let slow = "x-sandbox-tokens-per-second: 1\r\n";
        self.request(user, slow, ",\"stream\":true")
    }

    /// A request whose answer takes so many milliseconds.
    pub(crate) fn slow_answer(&self, user: usize, latency_ms: u32) -> Vec<u8> {
        self.request(user, &format!("x-sandbox-latency-ms: {latency_ms}\r\n"), "")
    }

    /// Asks for what is at a path of the server's own.
    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address).into_bytes()
    }

    fn request(&self, user: usize, headers: &str, members: &str) -> Vec<u8> {
        let question = "Which of these notes speak of the journey to the sea? ".repeat(4);
        let body = format!(
            "{{\"model\":\"gpt-4o-mini\",\"max_tokens\":128,\"messages\":[{{\"role\":\"user\",\"content\":\"{question}\"}}]{members}}}"
        );
        format!(
            "POST {}/chat/completions HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
             authorization: Bearer sk-bench\r\nx-tollgate-user: user-{user:04}\r\n\
             x-sandbox-output-tokens: 64\r\n{headers}content-length: {}\r\n\r\n{body}",
            self.path,
            self.address,
            body.len()
        )
        .into_bytes()
    }
}

impl Client {
    pub(crate) fn connect(target: &Target) -> Result<Self> {
        let socket = TcpStream::connect(target.address)
            .with_context(|| format!("cannot connect to {}", target.address))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { socket, buffer: Vec::with_capacity(64 * 1024) })
    }

    /// Sends a request and reads the whole answer; its status.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Result<u16> {
        self.send(request)?;
        Ok(self.answer()?.0)
    }

    /// Reads the whole answer to what was sent: its status and its body.
    pub(crate) fn answer(&mut self) -> Result<(u16, &[u8])> {
        let (status, head, length) = self.head()?;
        match length {
            Length::Bytes(bytes) => {
                while self.buffer.len() < head + bytes {
                    self.read()?;
                }
            }
            Length::Chunked => {
                while !self.buffer[head..].ends_with(b"0\r\n\r\n") {
                    self.read()?;
                }
            }
        }
        Ok((status, &self.buffer[head..]))
    }

    pub(crate) fn send(&mut self, request: &[u8]) -> Result<()> {
        self.buffer.clear();
        Ok(self.socket.write_all(request)?)
    }

    /// Reads until the head and a first piece of the body are there; the status.
    pub(crate) fn begun(&mut self) -> Result<u16> {
        let (status, head, _) = self.head()?;
        while self.buffer.len() == head {
            self.read()?;
        }
        Ok(status)
    }

    /// Reads a head: its status, its size and the length of its body.
    fn head(&mut self) -> Result<(u16, usize, Length)> {
        loop {
            self.read()?;
            let mut headers = [httparse::EMPTY_HEADER; 48];
            let mut answer = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(head) = answer.parse(&self.buffer)? {
                let status = answer.code.unwrap_or_default();
                return Ok((status, head, length(answer.headers)?));
            }
        }
    }

    fn read(&mut self) -> Result<()> {
        let mut piece = [0; 16 * 1024];
        loop {
            match self.socket.read(&mut piece) {
                Ok(0) => bail!("the connection was closed in the middle of an answer"),
                Ok(read) => {
                    self.buffer.extend_from_slice(&piece[..read]);
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("no answer came"),
            }
        }
    }
}

fn length(headers: &[httparse::Header<'_>]) -> Result<Length> {
    let of = |name: &str| {
        let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()
    };
    match of("content-length") {
        Some(bytes) => Ok(Length::Bytes(bytes.parse()?)),
        None => of("transfer-encoding").map(|_| Length::Chunked).context("a body without length"),
    }
}
