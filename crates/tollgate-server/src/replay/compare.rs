//! The gateway's count against the client's own.

use serde::Serialize;
use tollgate_core::NanoUsd;

use super::{Tally, Totals};

/// The two counts, side by side.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Comparison(Vec<Line>);

/// One number by both counts.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) gateway: Amount,
    /// What the client knows.
    pub(crate) client: Amount,
    /// What it is at most, if everything that broke off was charged in full.
    pub(crate) client_most: Amount,
    pub(crate) agree: bool,
}

/// A number, or money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Amount {
    Count(u64),
    Usd(NanoUsd),
}

impl Comparison {
    /// Compares. Dollars only where the client has prices.
    pub(crate) fn new(gateway: &Totals, tally: &Tally) -> Self {
        let counts = &tally.counts;
        let line = |name, gateway, client, unknown| {
            Line::new(name, Amount::Count, gateway, client, unknown)
        };
        let mut lines = vec![
            line("requests", gateway.requests, counts.admitted + counts.refused, counts.failed),
            line("admitted", gateway.admitted, counts.admitted, counts.failed),
            line("refused", gateway.refused, counts.refused, counts.failed),
            line("input tokens", gateway.tokens.input, counts.tokens.input, counts.unknown.input),
            line(
                "output tokens",
                gateway.tokens.output,
                counts.tokens.output,
                counts.unknown.output,
            ),
        ];
        if tally.priced() {
            let usd = |nanos| Amount::Usd(NanoUsd(nanos));
            let (client, unknown) = (counts.cost.0, counts.unknown_cost.0);
            lines.push(Line::new("dollars", usd, gateway.cost.0, client, unknown));
        }
        Self(lines)
    }

    /// Whether every line agrees.
    pub(crate) fn agree(&self) -> bool {
        self.0.iter().all(|line| line.agree)
    }

    /// The lines.
    pub(crate) fn lines(&self) -> &[Line] {
        &self.0
    }
}

impl Line {
    fn new(
        name: &'static str,
        amount: impl Fn(u64) -> Amount,
        gateway: u64,
        client: u64,
        unknown: u64,
    ) -> Self {
        let most = client.saturating_add(unknown);
        Self {
            name,
            gateway: amount(gateway),
            client: amount(client),
            client_most: amount(most),
            agree: (client..=most).contains(&gateway),
        }
    }
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Usd(usd) => usd.fmt(f),
        }
    }
}
