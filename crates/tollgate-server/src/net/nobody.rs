//! For tests: an address where nobody listens, and nobody else can begin to.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A port that is held and never listened on, so that each connection to it is refused. One
/// that was only given back could be another test's a moment later.
#[derive(Debug)]
pub(crate) struct Nobody {
    pub(crate) address: SocketAddr,
    _held: TcpSocket,
}

impl Nobody {
    pub(crate) fn listens() -> Self {
        let held = TcpSocket::new_v4().expect("a socket");
        held.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        Self { address: held.local_addr().expect("an address"), _held: held }
    }
}
