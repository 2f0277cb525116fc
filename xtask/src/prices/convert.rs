//! One model of the source, made into a line of the table or left out for a reason.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use tollgate_meter::{
    Fees, Tool,
    prices::{Mode, Price, Row, Tier, TokenPrices},
};

use super::{Model, Report, decimal::scaled};

/// From dollars per unit to nano-dollars per million units.
const POWER: i32 = 9 + 6;

/// Nano-dollars per million, of a dollar per million.
const DOLLAR: u64 = 1_000_000_000;

/// The dearest prices that are believed, in nano-dollars per million tokens. The dearest
/// real ones are 150 and 600 dollars for input and output, and 0.80 for embeddings.
const DEAREST_INPUT: u64 = 200 * DOLLAR;
const DEAREST_OUTPUT: u64 = 1_000 * DOLLAR;
const DEAREST_EMBEDDING: u64 = 5 * DOLLAR;

/// The cheapest input that is believed, if it is not free.
const CHEAPEST: u64 = DOLLAR / 500;

/// Providers whose models run on the operator's own machines, where 0 is a price.
const OWN_MACHINES: [&str; 2] = ["ollama", "lemonade"];

/// Prices by class of service, of which only the standard one is kept.
const CLASSES: [&str; 6] =
    ["_batches", "_flex", "_priority", "_balanced", "_ultrafast", "_decisions"];

const INPUT: &str = "input_cost_per_token";
const OUTPUT: &str = "output_cost_per_token";
const REASONING: &str = "output_cost_per_reasoning_token";
const CACHED_READ: &str = "cache_read_input_token_cost";
const CACHE_WRITE: &str = "cache_creation_input_token_cost";
const CACHE_WRITE_HOUR: &str = "cache_creation_input_token_cost_above_1hr";

const SEARCH: &str = "search_context_cost_per_query";

/// What models cost for each request that search for every answer.
const REQUEST: &str = "input_cost_per_request";

const MAPS: &str = "google_maps_grounding_cost_per_query";

/// From dollars for each to nano-dollars for each.
const CALL_POWER: i32 = 9;

/// Why a model has no line.
type LeftOut = &'static str;

const UNREADABLE: LeftOut = "price that cannot be read";
const NO_PRICE: LeftOut = "no price per token or second of audio";

/// The line of a model, if it is of a mode that is metered and has prices to be believed.
pub(super) fn convert(name: &str, model: &Model<'_>, report: &mut Report) -> Option<Row> {
    let mode = Mode::named(&text(model, "mode")?)?;
    let provider = text(model, "litellm_provider").unwrap_or_default();
    let price = Source { name, model }.price(mode, report);
    let believed = price.and_then(|price| match doubt(mode, &provider, &price) {
        Some(doubt) => Err(doubt),
        None => Ok(price),
    });
    match believed {
        Ok(price) => {
            remark(name, model, &price, report);
            Some(Row { model: name.to_owned(), provider, mode, price })
        }
        Err(why) => {
            report.leave_out(name, why);
            None
        }
    }
}

/// Why a price is not believed.
fn doubt(mode: Mode, provider: &str, price: &Price) -> Option<LeftOut> {
    let TokenPrices { input, output, cached_read, cache_write, cache_write_hour } = price.tokens;
    let dearest = if mode == Mode::Embedding { DEAREST_EMBEDDING } else { DEAREST_INPUT };
    if input == 0 && output == 0 && price.seconds.is_none_or(|price| price == 0) {
        return (!OWN_MACHINES.contains(&provider)).then_some("price of 0, which may mean unknown");
    }
    if input > dearest || output > DEAREST_OUTPUT {
        return Some("probably 1,000 times too dear");
    }
    if (1..CHEAPEST).contains(&input) {
        return Some("probably 1,000 times too cheap");
    }
    let exceeds = |part: Option<u64>, times: u64| part.is_some_and(|part| part > input * times);
    let written = cache_write.max(cache_write_hour);
    if input > 0 && (output / 100 > input || exceeds(cached_read, 1) || exceeds(written, 4)) {
        return Some("prices that do not go together");
    }
    None
}

struct Source<'a> {
    name: &'a str,
    model: &'a Model<'a>,
}

impl Source<'_> {
    fn price(&self, mode: Mode, report: &mut Report) -> Result<Price, LeftOut> {
        let ranges = self.ranges(report)?;
        let tokens = match ranges.first() {
            Some(first) => Some(first.tokens),
            None => self.tokens(self.model, mode, report)?,
        };
        let seconds = if mode == Mode::Transcription { self.seconds(report)? } else { None };
        if tokens.is_none() && seconds.is_none() {
            return Err(NO_PRICE);
        }
        let tokens = tokens.unwrap_or_default();
        let tiers =
            if ranges.is_empty() { self.tiers(&tokens, report)? } else { ranges[1..].to_vec() };
        Ok(Price {
            tokens,
            input_audio: self.number(self.model, "input_cost_per_audio_token", report)?,
            output_audio: self.number(self.model, "output_cost_per_audio_token", report)?,
            seconds,
            request: 0,
            fees: self.fees(report)?,
            tiers,
            max_input_tokens: self.count("max_input_tokens"),
            max_output_tokens: self.count("max_output_tokens"),
            reasons: self.model.get("supports_reasoning").is_some_and(|it| it.get() == "true"),
        })
    }

    fn tokens(
        &self,
        of: &Model<'_>,
        mode: Mode,
        report: &mut Report,
    ) -> Result<Option<TokenPrices>, LeftOut> {
        let Some(input) = self.number(of, INPUT, report)? else { return Ok(None) };
        let output = match self.number(of, OUTPUT, report)? {
            Some(output) => output,
            None if mode == Mode::Embedding => 0,
            None => return Err("no price for output"),
        };
        let reasoning = self.number(of, REASONING, report)?.unwrap_or(0);
        if reasoning > output {
            report.keep(self.name, "reasoning dearer than output: all output at its price");
        }
        Ok(Some(TokenPrices {
            input,
            output: output.max(reasoning),
            cached_read: self.number(of, CACHED_READ, report)?,
            cache_write: self.number(of, CACHE_WRITE, report)?,
            cache_write_hour: self.number(of, CACHE_WRITE_HOUR, report)?,
        }))
    }

    /// Seconds that are priced as input and as output are the same seconds.
    fn seconds(&self, report: &mut Report) -> Result<Option<u64>, LeftOut> {
        let input = self.number(self.model, "input_cost_per_second", report)?;
        let output = self.number(self.model, "output_cost_per_second", report)?;
        let seconds = input.max(output);
        if seconds.is_some() {
            report.keep(self.name, "priced by the second of audio");
        }
        Ok(seconds)
    }

    /// Prices that are listed by ranges of input tokens: each as a tier above its start.
    fn ranges(&self, report: &mut Report) -> Result<Vec<Tier>, LeftOut> {
        const UNREADABLE_RANGES: LeftOut = "ranges of prices that cannot be read";
        let Some(list) = self.model.get("tiered_pricing") else { return Ok(Vec::new()) };
        let list: Vec<Model<'_>> =
            serde_json::from_str(list.get()).map_err(|_| UNREADABLE_RANGES)?;
        let mut tiers = Vec::new();
        for range in &list {
            let Some(bounds) = range.get("range") else { return Ok(Vec::new()) };
            let bounds: Vec<&RawValue> =
                serde_json::from_str(bounds.get()).map_err(|_| UNREADABLE_RANGES)?;
            let start = bounds.first().and_then(|start| scaled(start.get(), 0));
            let above = start.ok_or(UNREADABLE_RANGES)?.whole;
            let tokens = self.tokens(range, Mode::Chat, report)?.ok_or(UNREADABLE_RANGES)?;
            tiers.push(Tier { above, tokens });
        }
        let rise = tiers.is_sorted_by(|a, b| a.above < b.above);
        if rise && tiers.first().is_none_or(|first| first.above == 0) {
            Ok(tiers)
        } else {
            Err(UNREADABLE_RANGES)
        }
    }

    /// Prices named `…_above_200k_tokens`.
    fn tiers(&self, base: &TokenPrices, report: &mut Report) -> Result<Vec<Tier>, LeftOut> {
        let thresholds = self.model.keys().filter_map(|field| {
            let thousands = field.rsplit_once("_above_")?.1.strip_suffix("k_tokens")?;
            field.contains("_token").then(|| thousands.parse::<u64>().ok())?
        });
        let mut thousands: Vec<u64> = thresholds.collect();
        thousands.sort_unstable();
        thousands.dedup();
        let mut tiers = Vec::new();
        for thousands in thousands {
            let mut at = |field: &str| {
                self.number(self.model, &format!("{field}_above_{thousands}k_tokens"), report)
            };
            let tokens = TokenPrices {
                input: at(INPUT)?.unwrap_or(base.input),
                output: at(OUTPUT)?.unwrap_or(base.output),
                cached_read: at(CACHED_READ)?,
                cache_write: at(CACHE_WRITE)?,
                cache_write_hour: at(CACHE_WRITE_HOUR)?,
            };
            if tokens.input < base.input || tokens.output < base.output {
                report.keep(self.name, "long requests cheaper than short ones");
            }
            tiers.push(Tier { above: thousands * 1000, tokens });
        }
        Ok(tiers)
    }

    /// What calls of the provider's own tools cost.
    fn fees(&self, report: &mut Report) -> Result<Fees, LeftOut> {
        let mut fees = Fees::default();
        fees[Tool::Search] = self.search(report)?.or(self.each(REQUEST)?);
        fees[Tool::Maps] = self.each(MAPS)?;
        Ok(fees)
    }

    /// What one of something costs, if it costs anything.
    fn each(&self, field: &str) -> Result<Option<u64>, LeftOut> {
        let Some(raw) = self.model.get(field).filter(|raw| raw.get() != "null") else {
            return Ok(None);
        };
        let price = scaled(raw.get(), CALL_POWER).ok_or(UNREADABLE)?;
        Ok(Some(price.whole).filter(|price| *price > 0))
    }

    /// What a search costs, of whatever size: nobody knows which one will be made.
    fn search(&self, report: &mut Report) -> Result<Option<u64>, LeftOut> {
        let Some(sizes) = self.model.get(SEARCH) else { return Ok(None) };
        let sizes: BTreeMap<String, &RawValue> =
            serde_json::from_str(sizes.get()).map_err(|_| UNREADABLE)?;
        let each = |raw: &&RawValue| scaled(raw.get(), CALL_POWER).map(|price| price.whole);
        let prices = sizes.values().map(each).collect::<Option<Vec<u64>>>().ok_or(UNREADABLE)?;
        let (least, most) = (prices.iter().min(), prices.iter().max());
        if least != most {
            report.keep(self.name, "searches at the price of the largest");
        }
        Ok(most.copied().filter(|price| *price > 0))
    }

    fn number(
        &self,
        of: &Model<'_>,
        field: &str,
        report: &mut Report,
    ) -> Result<Option<u64>, LeftOut> {
        let Some(raw) = of.get(field).filter(|raw| raw.get() != "null") else { return Ok(None) };
        let number = scaled(raw.get(), POWER).ok_or(UNREADABLE)?;
        if number.rounded {
            report.keep(self.name, "trace of a binary float rounded away");
        }
        Ok(Some(number.whole))
    }

    fn count(&self, field: &str) -> Option<u64> {
        scaled(self.model.get(field)?.get(), 0).map(|count| count.whole)
    }
}

/// What is lost on the way of a model that has a line.
fn remark(name: &str, model: &Model<'_>, price: &Price, report: &mut Report) {
    if !price.tiers.is_empty() {
        report.keep(name, "dearer above a number of input tokens");
    }
    for field in model.keys().filter(|field| field.contains("cost")) {
        let remark = match field.as_str() {
            _ if CLASSES.iter().any(|class| field.ends_with(class)) => {
                "prices of batch, flex, priority and other classes dropped"
            }
            _ if field.contains("_above_12hr") => "prices of caches kept for many hours dropped",
            SEARCH | REQUEST => "priced by the search",
            MAPS => "maps priced by the use",
            _ if field.contains("_per_query") || field.contains("_per_request") => {
                "prices per query dropped"
            }
            _ if field.contains("image")
                || field.contains("video")
                || field.contains("character") =>
            {
                "prices of images, videos or characters dropped"
            }
            _ if field.contains("audio") => "tokens of audio have a price of their own",
            _ => continue,
        };
        report.keep(name, remark);
    }
}

/// A member that is a string.
fn text(model: &Model<'_>, field: &str) -> Option<String> {
    serde_json::from_str(model.get(field)?.get()).ok()
}
