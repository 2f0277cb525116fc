//! What the transport promises, on virtual time and on real sockets.

mod accept;
mod body;
mod connection;
mod ends;
mod forward;
mod framing;
mod hostile;
mod rig;
mod tunnel;
mod vectors;
