//! What a held stream costs in memory.

use anyhow::Result;

use super::{Measured, client::Client, expect_success};

/// Requests that fill pools and caches before the first reading.
const WARM_UP: usize = 200;

/// Opens as many slow streams as asked, and divides what the process grew by their number
/// while all of them run.
pub(super) fn bytes_per_stream(side: &Measured, streams: u32) -> Result<f64> {
    let target = &side.target;
    let mut client = Client::connect(target)?;
    for nth in 0..WARM_UP {
        expect_success(client.ask(target.prepared(nth))?, target)?;
    }
    let before = side.process.resident_bytes()?;
    let mut held = Vec::new();
    for nth in 0..streams as usize {
        let mut client = Client::connect(target)?;
        client.send(&target.slow_stream(nth))?;
        held.push(client);
    }
    for client in &mut held {
        expect_success(client.begun()?, target)?;
    }
    let after = side.process.resident_bytes()?;
    Ok(after.saturating_sub(before) as f64 / f64::from(streams))
}
