//! Real servers of Redis for tests: each on a loopback port of its own, in a temporary directory
//! that goes with it, killed when it is dropped or when the test's process ends however it does.
//!
//! Nothing is installed here: `cargo xtask test` sees to the programs.

mod cluster;
mod port;
mod program;
mod proxy;
mod replicas;
mod schedule;
mod server;
mod tls;
mod wait;
mod watch;

pub use cluster::{Cluster, MASTERS};
pub use port::Port;
pub use program::{PROGRAMS, Program};
pub use proxy::{Mode, Proxy};
pub use replicas::Replicas;
pub use schedule::{Event, Fault, Plan, Schedule};
pub use server::{Options, Server};
pub use tls::Tls;
pub use wait::{PATIENCE, until};

/// What goes wrong with a test's server; it says which and how.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program cannot be run.
    #[error("{program} cannot be run ({source}); `cargo xtask test` installs it")]
    Missing {
        /// Its name.
        program: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// It ended before it answered.
    #[error("the server at port {port} ended before it answered; its log:\n{log}")]
    Ended {
        /// Where it was to listen.
        port: u16,
        /// What it wrote.
        log: String,
    },
    /// What was waited for did not come.
    #[error("waited {} s in vain until {what}", PATIENCE.as_secs())]
    Late {
        /// What it is.
        what: String,
    },
    /// The system refused something.
    #[error("the system refused something to a test's server: {0}")]
    System(#[from] std::io::Error),
    /// No certificate could be made.
    #[error("no certificate could be made for a test's server: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The server refused something.
    #[error("a test's server answered: {0}")]
    Redis(#[from] redis::RedisError),
}
