use std::fmt::Write as _;

use proptest::prelude::*;
use tollgate_core::NanoUsd;

use super::*;
use crate::{Calls, Tool};

/// 0.0000002 and 0.0000006 dollars a token.
fn small_model() -> Price {
    Price::of_tokens(200_000_000, 600_000_000)
}

fn row(model: &str, provider: &str, input: u64) -> Row {
    let (model, provider) = (model.to_owned(), provider.to_owned());
    Row { model, provider, mode: Mode::Chat, price: Price::of_tokens(input, 0) }
}

fn table(rows: &[Row]) -> PriceTable {
    let text = rows.iter().fold(String::from("# a comment\n\n"), |mut text, row| {
        writeln!(text, "{row}").expect("a string");
        text
    });
    PriceTable::parse(&text).expect("a table")
}

#[test]
fn the_example_costs_exactly_what_was_promised() {
    let cost = small_model().cost(&Counts::tokens(12 + 856, 145));
    assert_eq!(cost, "0.0002606".parse().expect("an amount"));
}

#[test]
fn a_cost_is_rounded_up_once_and_not_for_each_part() {
    // 0.1 and 0.2 nano-dollars a token: rounded apart they would make 2.
    let price = Price::of_tokens(100_000, 200_000);
    assert_eq!(price.cost(&Counts::tokens(1, 1)), NanoUsd(1));
    assert_eq!(price.cost(&Counts::tokens(4, 3)), NanoUsd(1));
    assert_eq!(price.cost(&Counts::tokens(5, 3)), NanoUsd(2));
    assert_eq!(price.cost(&Counts::tokens(0, 0)), NanoUsd(0));
}

#[test]
fn cached_tokens_are_a_part_of_the_input() {
    let price = Price {
        tokens: TokenPrices {
            input: 1_000_000,
            output: 0,
            cached_read: Some(100_000),
            cache_write: Some(1_250_000),
            cache_write_hour: Some(2_000_000),
        },
        ..Price::default()
    };
    let counts = Counts { cached_tokens: 400, cache_write_tokens: 200, ..Counts::tokens(1000, 0) };
    assert_eq!(price.cost(&counts), NanoUsd(400 + 40 + 250));
    let kept = Counts { cache_write_hour_tokens: 50, ..counts };
    assert_eq!(price.cost(&kept), NanoUsd(400 + 40 + 188 + 100), "an hour is dearer");
    let plain = Price::of_tokens(1_000_000, 0);
    assert_eq!(plain.cost(&counts), NanoUsd(1000), "without prices of their own");
}

#[test]
fn audio_has_its_own_prices() {
    let price = Price {
        input_audio: Some(40_000_000),
        output_audio: Some(80_000_000),
        seconds: Some(100_000_000_000),
        ..Price::of_tokens(1_000_000, 2_000_000)
    };
    let counts =
        Counts { input_audio_tokens: 10, output_audio_tokens: 5, ..Counts::tokens(30, 25) };
    assert_eq!(price.cost(&counts), NanoUsd(20 + 400 + 40 + 400));
    let minute = Counts { millis: 60_000, ..Counts::default() };
    assert_eq!(price.cost(&minute), "0.006".parse().expect("an amount"));
}

#[test]
fn calls_of_tools_are_charged_each_and_what_is_kept_by_the_request() {
    let fees = [10, 20, 300, 4_000, 50];
    let fees = Fees::of(|tool| Some(fees[tool as usize]));
    let cost = |calls: [u64; 5], fees| {
        let calls = Calls::of(|tool| calls[tool as usize]);
        let price = Price { fees, ..Price::of_tokens(1_000_000, 0) };
        let counts = Counts { calls, ..Counts::tokens(7, 0) };
        (price.cost(&counts).0 - 7, fees.held(&calls).0)
    };
    assert_eq!(cost([3, 2, 1, 1, 0], fees), (30 + 40 + 300 + 4_000, 4_370));
    assert_eq!(cost([0, 0, 0, 0, 1], fees), (50, 50));
    assert_eq!(cost([3, 0, 0, 0, 1], fees), (50, 30 + 50), "it is not charged beside what is told");
    assert_eq!(cost([3, 2, 0, 0, 1], fees), (70, 70 + 50), "unless more is told");
    assert_eq!(cost([3, 2, 1, 1, 1], Fees::default()), (0, 0), "without prices of their own");
    let absurd = Fees::of(|_| Some(u64::MAX / 2));
    assert_eq!(absurd.charged(&Calls::of(|_| 3)).0, u64::MAX, "it saturates");
}

#[test]
fn a_long_request_is_charged_whole_at_the_prices_of_its_tier() {
    let dear = TokenPrices { input: 2_000_000, output: 3_000_000, ..Default::default() };
    let dearest = TokenPrices { input: 4_000_000, ..dear };
    let tiers = vec![Tier { above: 200, tokens: dear }, Tier { above: 300, tokens: dearest }];
    let price = Price { tiers, ..Price::of_tokens(1_000_000, 1_000_000) };
    assert_eq!(price.cost(&Counts::tokens(200, 10)), NanoUsd(210));
    assert_eq!(price.cost(&Counts::tokens(201, 10)), NanoUsd(432));
    assert_eq!(price.cost(&Counts::tokens(301, 10)), NanoUsd(1234));
}

#[test]
fn a_cost_too_large_saturates() {
    let price = Price { seconds: Some(u64::MAX), ..Price::of_tokens(u64::MAX, u64::MAX) };
    let counts = Counts { millis: u64::MAX, ..Counts::tokens(u64::MAX, u64::MAX) };
    assert_eq!(price.cost(&counts), NanoUsd(u64::MAX));
    assert_eq!(price.ceiling(u64::MAX, u64::MAX), NanoUsd(u64::MAX));
}

#[test]
fn a_price_is_found_by_exact_names() {
    let table = table(&[row("m", "a", 1), row("b/m", "b", 2), row("c/n", "c", 3)]);
    let input = |provider, model| table.price(provider, model).map(|price| price.tokens.input);
    assert_eq!(input("a", "m"), Some(1));
    assert_eq!(input("b", "m"), Some(2), "the provider's own line goes first");
    assert_eq!(input("other", "m"), Some(1), "else the bare model's");
    assert_eq!(input("other", "c/n"), Some(3), "a model may name its provider itself");
    assert_eq!(input("a", "n"), None, "another provider's line is not taken");
    assert_eq!(input("a", "m-2025-01-01"), None, "no suffix is guessed away");
    let first = |sellers: &[&'static str]| {
        table.price_of(sellers.iter().copied(), "m").map(|price| price.tokens.input)
    };
    assert_eq!(first(&["mine", "b"]), Some(2), "the first with a line of its own");
    assert_eq!(first(&["mine", "c"]), Some(1), "else the bare model's");
}

#[test]
fn a_line_that_cannot_be_read_is_named() {
    let good = row("m", "p", 1).to_string();
    for (text, why) in [
        ("# c\nm\tp", "line 2 of the price table: it has 2 fields, but must have 17"),
        (&format!("{good}\n{good}"), "line 2 of the price table: `m` has a line already"),
        (
            &good.replace("\t1\t", "\t1.5\t"),
            "line 1 of the price table: `input` cannot be read: write a whole number, or `-` where none is known",
        ),
    ] {
        assert_eq!(PriceTable::parse(text).map_err(|e| e.to_string()).err().as_deref(), Some(why));
    }
}

#[test]
fn the_table_that_comes_with_this_version_is_whole() {
    let text = include_str!("../../data/prices.tsv");
    let table = PriceTable::parse(text).expect("a table");
    assert_eq!(table.len(), PriceTable::builtin().len());
    assert!(table.len() > 3000);
    let price = table.price("openai", "gpt-4o").expect("a price");
    assert_eq!(price.cost(&Counts::tokens(1_000_000, 1_000_000)), NanoUsd(12_500_000_000));
    let nova = table.price("deepgram", "nova-3").expect("a price");
    assert_eq!(nova.seconds, Some(71_670_000_000));
    for doubtful in ["embed-multilingual-light-v3.0", "sample_spec"] {
        assert_eq!(table.price("cohere", doubtful), None, "{doubtful}");
    }
}

fn tokens() -> impl Strategy<Value = TokenPrices> {
    let number = 0_u64..1 << 40;
    let cached = prop::array::uniform3(prop::option::of(number.clone()));
    (number.clone(), number, cached).prop_map(
        |(input, output, [cached_read, cache_write, cache_write_hour])| TokenPrices {
            input,
            output,
            cached_read,
            cache_write,
            cache_write_hour,
        },
    )
}

fn price() -> impl Strategy<Value = Price> {
    let tier = (0_u64..5000, tokens()).prop_map(|(above, tokens)| Tier { above, tokens });
    (tokens(), prop::collection::vec(tier, 0..4)).prop_map(|(tokens, mut tiers)| {
        tiers.sort_by_key(|tier| tier.above);
        Price { tokens, tiers, ..Price::default() }
    })
}

proptest! {
    #[test]
    fn a_ceiling_is_never_below_what_it_bounds(
        price in price(),
        bound in (0_u64..10_000, 0_u64..10_000),
        less in (0.0..=1.0, 0.0..=1.0, 0.0..=1.0, 0.0..=1.0, 0.0..=1.0),
    ) {
        let part = |whole: u64, share: f64| ((whole as f64 * share) as u64).min(whole);
        let input = part(bound.0, less.0);
        let cached = part(input, less.1);
        let written = part(input - cached, less.2);
        let counts = Counts {
            cached_tokens: cached,
            cache_write_tokens: written,
            cache_write_hour_tokens: part(written, less.4),
            ..Counts::tokens(input, part(bound.1, less.3))
        };
        prop_assert!(price.cost(&counts) <= price.ceiling(bound.0, bound.1));
    }

    #[test]
    fn a_line_is_read_as_it_was_written(price in price(), max in prop::option::of(any::<u64>())) {
        let mut known = Price { max_output_tokens: max, input_audio: max, ..price };
        (known.fees[Tool::Search], known.fees[Tool::Maps]) = (max, max.map(|fee| fee / 2));
        let price = Price { reasons: max.is_some(), ..known };
        let (model, provider) = ("a/b c".to_owned(), "a".to_owned());
        let row = Row { model, provider, mode: Mode::Responses, price };
        prop_assert_eq!(row.to_string().parse(), Ok(row));
    }
}
