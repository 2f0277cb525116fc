//! The transport: connections in, connections out, and the bodies between them.
//!
//! The promise to everything above: every request that arrives is one request to any reader,
//! every wait on a peer ends, and whatever rides in a body is let go when the body is over.

mod accept;
mod body;
mod connection;
mod forward;
mod framing;
mod idle;
mod timed;
mod timer;
mod tunnel;
mod upstream;
pub(crate) mod websocket;

pub(crate) use accept::{Drained, Serving, Timeouts, serve};
pub(crate) use body::{Body, BoxError, Ended, OnEnd, boxed, empty, full};
pub(crate) use connection::Peer;
pub(crate) use forward::{identity_encoding, strip_request, strip_response};
pub(crate) use idle::Stalled;
pub(crate) use tunnel::{Drain, Line, Tunnel};
pub(crate) use upstream::{TooLong, Upstream, UpstreamBody, UpstreamError, UpstreamSettings};

#[cfg(test)]
pub(crate) mod nobody;
#[cfg(test)]
mod tests;
