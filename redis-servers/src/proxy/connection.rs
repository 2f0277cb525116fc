//! One client's connection through a proxy.

use std::{io, pin::Pin};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    time::{Sleep, sleep},
};

use super::{Mode, frame};

/// How many answers may be awaited at once; more commands wait.
const AWAITED: usize = 4096;

/// What a client is to get next.
enum Next {
    /// The server's answer, not before a time that was fixed when it was asked.
    Answer(Option<Pin<Box<Sleep>>>),
    /// What the proxy says in the server's place.
    Instead(&'static [u8]),
    /// Whatever the server says from now on: it is listened to.
    Everything,
    /// The end, once the server has answered.
    End,
}

/// Carries commands and answers until either side ends.
pub(super) async fn carry(
    client: TcpStream,
    server: TcpStream,
    mode: watch::Receiver<Mode>,
) -> io::Result<()> {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (awaits, awaited) = mpsc::channel(AWAITED);
    tokio::select! {
        end = ask(from_client, to_server, awaits, mode.clone()) => end,
        end = answer(from_server, to_client, awaited, mode) => end,
    }
}

/// Carries commands to the server, and says what is to come back for each.
async fn ask(
    client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    awaits: mpsc::Sender<Next>,
    mut mode: watch::Receiver<Mode>,
) -> io::Result<()> {
    let mut client = Messages::of(client);
    loop {
        let command = client.next().await?;
        let mode = flows(&mut mode).await;
        let verb = frame::verb(&command);
        let next = match mode {
            // A connection is made, whatever becomes of what is said on it.
            _ if is_greeting(&verb) => Next::Answer(None),
            Mode::LoseAnswers if verb.starts_with("EVAL") => Next::End,
            Mode::Delay(by) => Next::Answer(Some(Box::pin(sleep(by)))),
            mode => match instead(mode, &verb) {
                Some(error) => Next::Instead(error),
                None if verb.ends_with("SUBSCRIBE") => Next::Everything,
                None => Next::Answer(None),
            },
        };
        if !matches!(next, Next::Instead(_)) {
            server.write_all(&command).await?;
        }
        awaits.send(next).await.map_err(io::Error::other)?;
    }
}

/// Carries answers back, in the order of what was asked.
async fn answer(
    server: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    mut awaited: mpsc::Receiver<Next>,
    mut mode: watch::Receiver<Mode>,
) -> io::Result<()> {
    let mut server = Messages::of(server);
    while let Some(next) = awaited.recv().await {
        match next {
            Next::Answer(time) => {
                let answer = server.next().await?;
                if let Some(time) = time {
                    time.await;
                }
                flows(&mut mode).await;
                client.write_all(&answer).await?;
            }
            Next::Instead(error) => client.write_all(error).await?,
            Next::Everything => loop {
                let message = server.next().await?;
                flows(&mut mode).await;
                client.write_all(&message).await?;
            },
            Next::End => {
                server.next().await?;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Waits while nothing is to pass; what is to be done then.
async fn flows(mode: &mut watch::Receiver<Mode>) -> Mode {
    let seen = mode.wait_for(|mode| *mode != Mode::Stall).await.map(|mode| *mode);
    match seen {
        Ok(mode) => mode,
        // The proxy is gone, and this connection will be at once.
        Err(_) => std::future::pending().await,
    }
}

fn is_greeting(verb: &str) -> bool {
    matches!(verb, "HELLO" | "AUTH" | "CLIENT" | "SELECT")
}

/// What is said in the server's place. Listeners listen on.
fn instead(mode: Mode, verb: &str) -> Option<&'static [u8]> {
    if verb.ends_with("SUBSCRIBE") {
        return None;
    }
    match mode {
        Mode::Loading => Some(b"-LOADING Redis is loading the dataset in memory\r\n"),
        Mode::ReadOnly => Some(b"-READONLY You can't write against a read only replica.\r\n"),
        Mode::Moved => Some(b"-MOVED 0 127.0.0.1:1\r\n"),
        Mode::Old if verb == "INFO" => Some(b"$34\r\n# Server\r\nredis_version:6.2.14\r\n\r\n\r\n"),
        Mode::NoScript if verb == "EVALSHA" => {
            Some(b"-NOSCRIPT No matching script. Please use EVAL.\r\n")
        }
        _ => None,
    }
}

/// Messages of the protocol, one after another.
struct Messages {
    from: OwnedReadHalf,
    buffer: Vec<u8>,
}

impl Messages {
    fn of(from: OwnedReadHalf) -> Self {
        Self { from, buffer: Vec::new() }
    }

    /// The next one, however long it takes. Not to be cancelled.
    async fn next(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(length) = frame::length(&self.buffer) {
                let rest = self.buffer.split_off(length);
                return Ok(std::mem::replace(&mut self.buffer, rest));
            }
            if self.from.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}
