//! What tokens cost at most, and how much output what is left of every limit has room for.

use tollgate::Refused;
use tollgate_core::{NanoUsd, Unit};
use tollgate_meter::{Counts, Price};

/// What so many tokens, and so many milliseconds of audio, cost at most.
pub(super) fn cost(price: Option<&Price>, input: u64, output: u64, millis: u64) -> NanoUsd {
    let Some(price) = price else { return NanoUsd(0) };
    let NanoUsd(tokens) = price.ceiling(input, output);
    if millis == 0 {
        return NanoUsd(tokens);
    }
    // What is sent is heard; some charge its tokens, some its time.
    let heard = Counts { millis, input_audio_tokens: input, ..Counts::tokens(input, output) };
    let NanoUsd(time) = price.cost(&Counts { millis, ..Counts::default() });
    NanoUsd(tokens.saturating_add(time)).max(price.cost(&heard))
}

/// The most output tokens, up to `most`, that a refused request of so much input would have
/// had room for in every limit that counts tokens or money, beside its `fees`.
pub(super) fn of_output(
    refused: &Refused,
    input: u64,
    most: u64,
    (price, NanoUsd(fees)): (Option<&Price>, NanoUsd),
) -> u64 {
    let rooms = refused.refusal.standings.iter().map(|standing| {
        let limit = refused.policy.limit(standing.limit).filter(|limit| limit.refuses());
        match limit.map(|limit| limit.unit) {
            Some(Unit::Tokens) => standing.remaining.saturating_sub(input),
            Some(Unit::OutputTokens) => standing.remaining,
            Some(Unit::Usd) => {
                affordable(standing.remaining.saturating_sub(fees), input, most, price)
            }
            _ => most,
        }
    });
    rooms.fold(most, u64::min)
}

/// The most milliseconds of audio, up to `most`, that a refused session would have had room for
/// in every limit that counts seconds or money.
pub(super) fn of_audio(refused: &Refused, most: u64, price: Option<&Price>) -> u64 {
    let rooms = refused.refusal.standings.iter().map(|standing| {
        let limit = refused.policy.limit(standing.limit).filter(|limit| limit.refuses());
        match limit.map(|limit| limit.unit) {
            Some(Unit::Seconds) => standing.remaining,
            Some(Unit::Usd) => {
                let left = NanoUsd(standing.remaining);
                most_that(|millis| cost(price, 0, 0, millis) <= left, most)
            }
            _ => most,
        }
    });
    rooms.fold(most, u64::min)
}

/// The most output tokens that so many nano-dollars pay for, beside the input.
fn affordable(nanos: u64, input: u64, most: u64, price: Option<&Price>) -> u64 {
    most_that(|output| cost(price, input, output, 0) <= NanoUsd(nanos), most)
}

/// The largest number up to `most` that fits, where all smaller ones do too; 0 where none does.
pub(super) fn most_that(fits: impl Fn(u64) -> bool, most: u64) -> u64 {
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
