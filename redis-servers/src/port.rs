//! Ports that no two tests take at once.

use std::{
    hash::{BuildHasher, RandomState},
    io,
    net::{Ipv4Addr, TcpListener, UdpSocket},
};

/// A port of the loopback that is this test's until it is dropped, whether or not something
/// listens there, so that what is restarted finds its port free.
///
/// It lies below those that systems give to outgoing connections, and is held against other
/// processes' tests by a socket of UDP, which a server of TCP does not mind.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _held: UdpSocket,
}

/// From where ports are taken. Cluster nodes' buses are ports of their own, not ten thousand up.
const RANGE: std::ops::Range<u16> = 12_000..30_000;

impl Port {
    /// Takes one that is free.
    ///
    /// # Errors
    /// When none is.
    pub fn take() -> io::Result<Self> {
        let room = u64::from(RANGE.end - RANGE.start);
        let start = RandomState::new().hash_one(std::process::id()) % room;
        let numbers = (0..room).map(|step| RANGE.start + ((start + step) % room) as u16);
        let mut free = numbers.filter_map(|number| {
            let held = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
            TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
            Some(Self { number, _held: held })
        });
        free.next().ok_or_else(|| io::Error::other("no port of the loopback is free"))
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ports_that_are_held_are_taken_once() {
        let ports: Vec<Port> = (0..50).map(|_| Port::take().unwrap()).collect();
        let numbers: HashSet<u16> = ports.iter().map(Port::number).collect();
        assert_eq!(numbers.len(), ports.len());
    }
}
