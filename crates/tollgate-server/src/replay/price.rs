//! Dollars by the client's own count, in whole nano-dollars.

use serde::Serialize;
use tollgate_core::NanoUsd;

/// Tokens of one answer or of many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tokens {
    pub(crate) input: u64,
    pub(crate) output: u64,
}

/// What a million tokens cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prices {
    pub(crate) input: NanoUsd,
    pub(crate) output: NanoUsd,
}

const MILLION: u128 = 1_000_000;

impl Prices {
    /// What one answer costs: divided last, rounded up.
    pub(crate) fn cost(&self, tokens: Tokens) -> NanoUsd {
        let part = |price: NanoUsd, tokens: u64| u128::from(price.0) * u128::from(tokens);
        let input = part(self.input, tokens.input);
        let total = input.saturating_add(part(self.output, tokens.output));
        NanoUsd(u64::try_from(total.div_ceil(MILLION)).unwrap_or(u64::MAX))
    }
}

impl Tokens {
    /// These and those.
    #[must_use]
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
        }
    }
}
