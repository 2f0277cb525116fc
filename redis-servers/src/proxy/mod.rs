//! A proxy before a real server that does to its clients what networks and servers do: it stalls,
//! delays, cuts, refuses, answers in the server's place, and loses answers to what was executed.
//!
//! It knows the protocol as far as to tell commands and answers apart, so that answers stay in
//! order whatever happens between.

mod connection;
mod frame;

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use crate::{Error, Port};

/// What a proxy does with all that passes from now on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Lets it pass.
    #[default]
    Pass,
    /// Keeps it, in both directions; connections stay.
    Stall,
    /// Lets every answer come so much later.
    Delay(Duration),
    /// Breaks every connection and takes no new one.
    Refuse,
    /// Says that the server is loading its files.
    Loading,
    /// Says that it is a replica, which takes no writes.
    ReadOnly,
    /// Says that the slot has moved, to where it is.
    Moved,
    /// Says that the server does not know a script that it is asked for by its hash.
    NoScript,
    /// Says that the server is of a version long ago.
    Old,
    /// Has scripts executed, then breaks their connection without an answer. All else passes.
    LoseAnswers,
}

/// A proxy before a server. It ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: Arc<Port>,
    mode: watch::Sender<Mode>,
    /// Counts how often all connections were cut.
    cuts: watch::Sender<u64>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Stands before the server at a port of the loopback.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn before(server: u16) -> Result<Self, Error> {
        let port = Arc::new(Port::take()?);
        let mode = watch::Sender::new(Mode::Pass);
        let cuts = watch::Sender::new(0);
        let listener = listen(&port)?;
        let seen = Seen { mode: mode.subscribe(), cuts: cuts.subscribe() };
        let task = tokio::spawn(serve(Arc::clone(&port), listener, server, seen));
        Ok(Self { port, mode, cuts, task })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Where it listens, as clients are told it.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    /// Does something else from now on.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Breaks every connection; new ones may be made.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What connections see of what the proxy is to do.
#[derive(Debug, Clone)]
struct Seen {
    mode: watch::Receiver<Mode>,
    cuts: watch::Receiver<u64>,
}

fn listen(port: &Port) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // Connections that were broken here must not hold the port.
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port.number()).into())?;
    socket.listen(1024)
}

/// Takes connections for as long as it is not to refuse them.
async fn serve(port: Arc<Port>, listener: TcpListener, server: u16, mut seen: Seen) {
    let mut connections = JoinSet::new();
    let mut listener = Some(listener);
    loop {
        if *seen.mode.borrow_and_update() == Mode::Refuse {
            listener = None;
            connections.shutdown().await;
        } else if listener.is_none() {
            listener = listen(&port).ok();
        }
        tokio::select! {
            Some(client) = accept(listener.as_ref()) => {
                connections.spawn(connect(client, server, seen.clone()));
            }
            changed = seen.mode.changed() => if changed.is_err() { return },
            changed = seen.cuts.changed() => {
                if changed.is_err() { return }
                connections.shutdown().await;
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// The next client; nobody while nobody is listened to.
async fn accept(listener: Option<&TcpListener>) -> Option<TcpStream> {
    Some(listener?.accept().await.ok()?.0)
}

async fn connect(client: TcpStream, server: u16, seen: Seen) {
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await else { return };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    // Either end is the end of both.
    let _ = connection::carry(client, server, seen.mode).await;
}
