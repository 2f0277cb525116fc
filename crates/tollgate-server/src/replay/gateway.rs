//! The gateway's own totals, asked of its control plane.

use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value;
use tollgate_core::NanoUsd;

use super::{Client, price::Tokens, request::parse_http};

/// What the gateway has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Totals {
    pub(crate) requests: u64,
    pub(crate) admitted: u64,
    pub(crate) refused: u64,
    pub(crate) tokens: Tokens,
    #[serde(rename = "cost_usd")]
    pub(crate) cost: NanoUsd,
}

/// The gateway's totals, and since when it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) totals: Totals,
    /// When the gateway was started, as it words it, if it says so.
    started_at: Option<Value>,
}

const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// How often, and how far apart, the totals are asked for until they stand still.
const LOOKS: u32 = 50;
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

impl Status {
    /// Asks the control plane at `admin`.
    pub(crate) async fn ask(client: &Client, admin: &str) -> anyhow::Result<Self> {
        let url = parse_http(&format!("{}/status", admin.trim_end_matches('/')))?;
        let told = async {
            let body = client.fetch(&url, MAX_BODY_BYTES).await?;
            Self::parse(&body)
        };
        told.await.with_context(|| format!("the gateway's totals could not be read from {url}"))
    }

    /// Asks until two answers in a row are the same: what has just ended is settled by then.
    pub(crate) async fn ask_when_still(client: &Client, admin: &str) -> anyhow::Result<Self> {
        let mut last = Self::ask(client, admin).await?;
        for _ in 0..LOOKS {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let next = Self::ask(client, admin).await?;
            if next == last {
                break;
            }
            last = next;
        }
        Ok(last)
    }

    /// Reads the totals from a status: its member `totals`, or the status itself.
    pub(crate) fn parse(status: &[u8]) -> anyhow::Result<Self> {
        let status: Value = serde_json::from_slice(status).context("the status is no JSON")?;
        let totals = status.get("totals").unwrap_or(&status);
        let number = |name: &str| {
            let value = totals.get(name).and_then(Value::as_u64);
            value.with_context(|| format!("the status has no whole number `{name}`"))
        };
        let cost = match totals.get("cost_usd") {
            Some(Value::String(text)) => text.parse()?,
            Some(Value::Number(number)) => number.to_string().parse()?,
            _ => anyhow::bail!("the status has no amount `cost_usd`"),
        };
        let totals = Totals {
            requests: number("requests")?,
            admitted: number("admitted")?,
            refused: number("refused")?,
            tokens: Tokens { input: number("input_tokens")?, output: number("output_tokens")? },
            cost,
        };
        Ok(Self { totals, started_at: status.get("started_at").cloned() })
    }

    /// What has been added since `before`; nothing where the gateway was restarted.
    pub(crate) fn since(&self, before: &Self) -> Option<Totals> {
        let same = self.started_at == before.started_at;
        same.then(|| self.totals.since(&before.totals)).flatten()
    }
}

impl Totals {
    fn since(&self, before: &Self) -> Option<Self> {
        Some(Self {
            requests: self.requests.checked_sub(before.requests)?,
            admitted: self.admitted.checked_sub(before.admitted)?,
            refused: self.refused.checked_sub(before.refused)?,
            tokens: Tokens {
                input: self.tokens.input.checked_sub(before.tokens.input)?,
                output: self.tokens.output.checked_sub(before.tokens.output)?,
            },
            cost: NanoUsd(self.cost.0.checked_sub(before.cost.0)?),
        })
    }
}
