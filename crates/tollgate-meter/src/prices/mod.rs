//! What tokens, seconds and calls cost, in whole numbers.
//!
//! Prices are nano-dollars per million tokens (or per million seconds), and nano-dollars for each
//! call of a provider's own tool. A cost adds up all products first, divides last and rounds up once, so that it is exact to the nano-dollar
//! and never below what the provider charges. Sums too large for the type saturate.

mod table;
#[cfg(test)]
mod tests;

use tollgate_core::NanoUsd;

pub use table::{COLUMNS, ParseRowError, ParseTableError, PriceTable, Row};

use crate::{Counts, Fees};

/// What a model costs. Each price is in nano-dollars per million units.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Price {
    /// What tokens cost where no tier says otherwise.
    pub tokens: TokenPrices,
    /// Tokens of audio sent to the model; as other input where there is no price of its own.
    pub input_audio: Option<u64>,
    /// Tokens of audio made by the model; as other output where there is no price of its own.
    pub output_audio: Option<u64>,
    /// Seconds of audio.
    pub seconds: Option<u64>,
    /// What each request costs beside what it uses, in nano-dollars.
    pub request: u64,
    /// What calls of the provider's own tools cost, in nano-dollars each.
    pub fees: Fees,
    /// Prices of long requests, by rising threshold.
    pub tiers: Vec<Tier>,
    /// The most tokens that can be sent to the model, if it is known.
    pub max_input_tokens: Option<u64>,
    /// The most tokens that the model can make, if it is known.
    pub max_output_tokens: Option<u64>,
    /// Whether the model may reason before it answers, as far as it is known.
    pub reasons: bool,
}

/// What tokens cost, in nano-dollars per million.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenPrices {
    /// Sent to the model.
    pub input: u64,
    /// Made by the model.
    pub output: u64,
    /// Read from the provider's cache; as other input where there is no price of its own.
    pub cached_read: Option<u64>,
    /// Written to the provider's cache; as other input where there is no price of its own.
    pub cache_write: Option<u64>,
    /// Written to be kept for an hour; as others that are written where there is no price of
    /// its own.
    pub cache_write_hour: Option<u64>,
}

/// The prices of a request whose input is long: they hold for all of its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// They hold above so many input tokens, cached ones included.
    pub above: u64,
    /// The prices.
    pub tokens: TokenPrices,
}

/// What a model is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Chats.
    Chat,
    /// Texts to be continued.
    Completion,
    /// Chats by the API of responses only.
    Responses,
    /// Texts turned into vectors.
    Embedding,
    /// Speech turned into text.
    Transcription,
}

const MILLION: u128 = 1_000_000;

impl Price {
    /// A price of tokens alone, in nano-dollars per million.
    pub fn of_tokens(input: u64, output: u64) -> Self {
        Self { tokens: TokenPrices { input, output, ..Default::default() }, ..Default::default() }
    }

    /// The most that can be sent to the model, where the table is of one mind about it: where
    /// it has prices for more than its maximum, more can be sent.
    pub fn input_bound(&self) -> Option<u64> {
        let is_meant = |most: &u64| self.tiers.iter().all(|tier| tier.above < *most);
        self.max_input_tokens.filter(is_meant)
    }

    /// What a request of this usage costs.
    pub fn of_request(&self, counts: &Counts) -> NanoUsd {
        NanoUsd(self.cost(counts).0.saturating_add(self.request))
    }

    /// What this usage costs by itself.
    pub fn cost(&self, counts: &Counts) -> NanoUsd {
        let prices = self.tokens_above(counts.input_tokens);
        let written = counts.cache_write_tokens;
        let for_an_hour = counts.cache_write_hour_tokens.min(written);
        let cached = counts.cached_tokens;
        let plain = counts.input_tokens.saturating_sub(cached).saturating_sub(written);
        // Audio that was read from the cache is not told apart; it is charged as audio only
        // as far as there are tokens that were not cached.
        let audio = counts.input_audio_tokens.min(plain);
        let spoken = counts.output_audio_tokens.min(counts.output_tokens);
        let tokens = [
            (plain - audio, prices.input),
            (audio, self.input_audio.unwrap_or(prices.input)),
            (cached, prices.cached_read.unwrap_or(prices.input)),
            (written - for_an_hour, prices.cache_write.unwrap_or(prices.input)),
            (for_an_hour, prices.cache_write_for_an_hour()),
            (counts.output_tokens - spoken, prices.output),
            (spoken, self.output_audio.unwrap_or(prices.output)),
        ];
        let audio = product(counts.millis, self.seconds.unwrap_or(0));
        let NanoUsd(used) = round_up(&tokens, audio);
        let NanoUsd(called) = self.fees.charged(&counts.calls);
        NanoUsd(used.saturating_add(called))
    }

    /// The most that so many tokens can cost, however they turn out to be cached. Audio is
    /// not considered.
    pub fn ceiling(&self, input_tokens: u64, output_tokens: u64) -> NanoUsd {
        let tiers = self.tiers.iter().filter(|tier| input_tokens > tier.above);
        let prices = tiers.map(|tier| &tier.tokens).chain([&self.tokens]);
        let costs = prices.map(|prices| {
            let dearest = prices
                .input
                .max(prices.cached_read.unwrap_or(0))
                .max(prices.cache_write.unwrap_or(0))
                .max(prices.cache_write_hour.unwrap_or(0));
            round_up(&[(input_tokens, dearest), (output_tokens, prices.output)], 0)
        });
        costs.max().unwrap_or_default()
    }

    fn tokens_above(&self, input_tokens: u64) -> &TokenPrices {
        let tier = self.tiers.iter().rfind(|tier| input_tokens > tier.above);
        tier.map_or(&self.tokens, |tier| &tier.tokens)
    }
}

impl TokenPrices {
    fn cache_write_for_an_hour(&self) -> u64 {
        self.cache_write_hour.or(self.cache_write).unwrap_or(self.input)
    }
}

/// Adds up tokens at prices per million and milliseconds at prices per million seconds.
fn round_up(tokens: &[(u64, u64)], millis: u128) -> NanoUsd {
    let tokens = tokens
        .iter()
        .fold(0_u128, |sum, (count, price)| sum.saturating_add(product(*count, *price)));
    // A millisecond is the smaller unit, so that all is divided at once.
    let total = tokens.saturating_mul(1000).saturating_add(millis).div_ceil(MILLION * 1000);
    NanoUsd(u64::try_from(total).unwrap_or(u64::MAX))
}

fn product(count: u64, price: u64) -> u128 {
    u128::from(count) * u128::from(price)
}

impl Mode {
    const ALL: [Self; 5] =
        [Self::Chat, Self::Completion, Self::Responses, Self::Embedding, Self::Transcription];

    /// The name in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completion => "completion",
            Self::Responses => "responses",
            Self::Embedding => "embedding",
            Self::Transcription => "audio_transcription",
        }
    }

    /// The mode of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }
}
