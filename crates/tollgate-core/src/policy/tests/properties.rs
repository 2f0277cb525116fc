//! No input makes the reader panic, and good amounts come through exactly.

use proptest::prelude::*;

use super::{good::EXAMPLE, limits, load, load_with};
use crate::policy::{Config, Environment, Measure};

/// Pieces of policies, so that random texts come near to good ones.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(EXAMPLE.split_inclusive([' ', '\n', '"']).collect::<Vec<_>>())
            .prop_map(str::to_owned),
        prop::sample::select(vec![
            "[[limits]]\n",
            "name = ",
            "limits",
            "[profile.x]\n",
            "tiers = {",
            "}",
            "\"",
            "=",
            "\n",
            "bucket",
            "usd = \"1/day\"\n",
            "[environment]\n",
            "keys",
            "extends = \"assistant\"\n",
            "[prices.models.a]\n",
            "'",
            "1e9",
            "0x10",
            "2026-11-22",
            "true",
            "[",
            "]",
            ".",
            "*",
        ])
        .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
        "[a-z_]{1,8}",
        any::<i64>().prop_map(|number| number.to_string()),
    ]
}

/// A policy that is good at all is printed as one that means the same.
fn stays_the_same(text: &str) {
    let Ok(config) = load_with(text, &[("OPENAI_API_KEY", "k")]) else { return };
    let again = load_with(config.to_toml(), &[("OPENAI_API_KEY", "k")]).expect("the same policy");
    assert_eq!(again.settings, config.settings);
    assert_eq!(limits(&again), limits(&config));
    let queues = |config: &Config| -> Vec<_> {
        config.policy.limits().iter().map(|limit| limit.queue.clone()).collect()
    };
    assert_eq!(queues(&again), queues(&config));
}

proptest! {
    #[test]
    fn no_text_panics(pieces in prop::collection::vec(piece(), 0..60)) {
        stays_the_same(&pieces.concat());
    }

    #[test]
    fn no_broken_example_panics(at in 0..EXAMPLE.len(), cut in 0..40_usize, put in ".{0,8}") {
        let mut text: Vec<u8> = EXAMPLE.bytes().collect();
        let end = (at + cut).min(text.len());
        text.splice(at..end, put.bytes());
        stays_the_same(&String::from_utf8_lossy(&text));
    }

    #[test]
    fn no_dotenv_panics(text in "[A-Za-z0-9_='\"\\\\# \n$é]{0,80}") {
        let _ = Environment::new([], Some((".env", &text)));
    }

    #[test]
    fn amounts_come_through_exactly(nanos in 0..=i64::MAX as u64) {
        let dollars = crate::NanoUsd(nanos);
        let text = format!("[[limits]]\nname = \"a\"\nusd = \"{dollars}/minute\"\n");
        let config = load(&text).expect("a good policy");
        let measure = &config.policy.limits()[0].measure;
        let is_window = matches!(measure, Measure::Window { .. });
        prop_assert!(is_window);
        prop_assert_eq!(measure.cap(), nanos);
    }
}

proptest! {
    // Each of these loads many policies.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_value_panics(value in "[ -~]{0,24}") {
        for key in ["requests", "usd", "bucket", "concurrency", "sessions", "tiers", "per", "when", "queue"] {
            let _ = load(&format!("[[limits]]\nname = \"a\"\n{key} = {value:?}\n"));
            stays_the_same(&format!("[[limits]]\nname = \"a\"\n{key} = {value}\n"));
        }
        let _ = load_with(EXAMPLE, &[("OPENAI_API_KEY", &value), ("TOLLGATE_SERVER_LISTEN", &value)]);
        let _ = load_with(EXAMPLE, &[("TOLLGATE_LIMITS_USER_MINUTE_TIERS", &value)]);
    }

    #[test]
    fn no_name_of_a_variable_panics(name in "TOLLGATE_[A-Z_]{0,24}", value in ".{0,16}") {
        let _ = load_with(EXAMPLE, &[(&name, &value)]);
    }
}
