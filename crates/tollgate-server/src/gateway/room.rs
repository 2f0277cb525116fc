//! What tokens cost at most, and how much output what is left of every limit has room for.

use tollgate::Refused;
use tollgate_core::{NanoUsd, Unit};
use tollgate_meter::Price;

/// What so many tokens cost at most.
pub(super) fn cost(price: Option<&Price>, input: u64, output: u64) -> NanoUsd {
    price.map_or(NanoUsd(0), |price| price.ceiling(input, output))
}

/// The most output tokens, up to `most`, that a refused request of so much input would have
/// had room for in every limit that counts tokens or money.
pub(super) fn of_output(refused: &Refused, input: u64, most: u64, price: Option<&Price>) -> u64 {
    let rooms = refused.refusal.standings.iter().map(|standing| {
        let limit = refused.policy.limit(standing.limit).filter(|limit| limit.refuses());
        match limit.map(|limit| limit.unit) {
            Some(Unit::Tokens) => standing.remaining.saturating_sub(input),
            Some(Unit::OutputTokens) => standing.remaining,
            Some(Unit::Usd) => affordable(standing.remaining, input, most, price),
            _ => most,
        }
    });
    rooms.fold(most, u64::min)
}

/// The most output tokens that so many nano-dollars pay for, beside the input.
fn affordable(nanos: u64, input: u64, most: u64, price: Option<&Price>) -> u64 {
    let fits = |output| cost(price, input, output) <= NanoUsd(nanos);
    let (mut fitting, mut over) = (0, most.saturating_add(1));
    while over - fitting > 1 {
        let middle = fitting + (over - fitting) / 2;
        if fits(middle) {
            fitting = middle;
        } else {
            over = middle;
        }
    }
    fitting
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_affordable_is_the_most_that_is() {
        let price = Price::of_tokens(1_000_000_000, 2_000_000_000);
        let afford = |nanos, input| affordable(nanos, input, 1_000_000, Some(&price));
        // A thousand nano-dollars each for input, two thousand for output.
        assert_eq!(afford(10_000, 2), 4);
        assert_eq!(afford(11_999, 2), 4);
        assert_eq!(afford(12_000, 2), 5);
        assert_eq!(afford(1_999, 2), 0, "not even its input");
        assert_eq!(afford(u64::MAX, 2), 1_000_000);
        assert_eq!(affordable(0, 5, 7, None), 7, "it costs nothing");
    }
}
