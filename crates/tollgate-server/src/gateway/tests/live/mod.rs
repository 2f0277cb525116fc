//! Live sessions on real sockets: a caller, the gateway, and a provider of its own.
//!
//! Every gateway here has one slot, and all that a session uses is told by three accounts.

mod caller;
mod endings;
mod hostile;
mod places;
mod priced;
mod provider;
mod refusals;
mod sessions;
mod terms;

use std::sync::Arc;

use tokio::net::TcpListener;
use tollgate::Clock;
use tollgate_core::Time;

use super::Running;
use crate::{
    api::accounts,
    sandbox::{Sandbox, SandboxSettings, serve},
};

/// Samples of two bytes, 16,000 a second.
const RAW: &str = "model=nova-3&encoding=linear16&sample_rate=16000&channels=1";

/// Bytes of one second of it.
const SECOND: usize = 32_000;

/// What a second of nova-3 costs live, in nano-dollars.
const PRICE: u64 = 80_000;

const LIMITS: &str = "[[limits]]\nname = \"slots\"\nconcurrency = 1\n\
                      [[limits]]\nname = \"spend\"\nusd = \"1/day\"\n";

/// A provider `up` of the dialect, in a policy's words.
fn up(address: impl std::fmt::Display) -> String {
    format!(
        "[providers.up]\ndialect = \"deepgram\"\nbase_url = \"http://{address}\"\nread_timeout = \"5s\"\n"
    )
}

/// Enough seconds of audio.
fn seconds(most: u64) -> String {
    format!("{LIMITS}[[limits]]\nname = \"heard\"\nseconds = \"{most}/day\"\n")
}

/// The sandbox on a socket of its own.
async fn sandbox() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let clock = Clock::set_at(Time::from_millis(1_000));
    tokio::spawn(serve(listener, Arc::new(Sandbox::new(SandboxSettings::default(), 0, clock))));
    address
}

/// A gateway before the sandbox.
async fn before_sandbox(policy: &str) -> Running {
    Running::with(&format!("{}{policy}", up(sandbox().await))).await
}

/// What the accounts have used or hold: slots, nano-dollars, and milliseconds of audio.
async fn used(running: &Running) -> (u64, u64, u64) {
    let (app, live) = (&running.app, running.app.live());
    let all = accounts::common(app, &live, app.gate.clock().now()).await.expect("accounts");
    let of = |name: &str| {
        let found = all.iter().find(|(limit, _)| limit.name == name);
        found.map_or(0, |(_, standing)| standing.cap - standing.remaining)
    };
    (of("slots"), of("spend"), of("heard"))
}

/// The same, once its only slot is free: there is no way to be told.
async fn settled(running: &Running) -> (u64, u64) {
    loop {
        let (slots, spend, heard) = used(running).await;
        if slots == 0 {
            assert_eq!(running.app.metrics.totals().overrun_usd.0, 0);
            return (spend, heard);
        }
        tokio::task::yield_now().await;
    }
}

/// So many milliseconds, and what they cost.
const fn heard(millis: u64) -> (u64, u64) {
    ((millis * PRICE).div_ceil(1000), millis)
}
