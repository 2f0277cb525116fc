//! What the gateway itself says that its cache did.

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::{
    client::{Client, Target},
    expect_success,
};

/// What a cache did, as statistics tell it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Cache {
    pub(super) hits: u64,
    pub(super) hit_rate: f64,
    /// An exact decimal.
    pub(super) saved_usd: String,
}

#[derive(Deserialize)]
struct Stats {
    cache: Cache,
}

impl Cache {
    pub(super) fn of(target: &Target) -> Result<Self> {
        let mut client = Client::connect(target)?;
        client.send(&target.get("/v1/stats"))?;
        let (status, body) = client.answer()?;
        expect_success(status, target)?;
        let stats: Stats = serde_json::from_slice(body).context("no statistics of a cache")?;
        Ok(stats.cache)
    }
}
