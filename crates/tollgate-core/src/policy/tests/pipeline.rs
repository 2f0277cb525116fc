//! The preset `pipeline`: cost explosions of many AI services.

use super::{limits, presets::load, presets::queue};
use crate::{
    NanoUsd,
    policy::{
        Config,
        settings::{Fallback, PricePerCall, Unpriced},
    },
    queue::Overflow,
};

/// What a profile allows each service: its bucket, dollars a minute, and the seconds for which its
/// circuit stays open.
type Service = (&'static str, &'static str, &'static str, u64);

const DEVELOPMENT: [Service; 4] = [
    ("deepgram", "2 requests per second with a burst of 15 requests", "$5", 30),
    ("openai", "1 requests per second with a burst of 10 requests", "$3", 30),
    ("anthropic", "1 requests per 2 seconds with a burst of 8 requests", "$4", 30),
    ("gemini", "5 requests per second with a burst of 25 requests", "$1", 20),
];

const TESTING: [Service; 4] = [
    ("deepgram", "1 requests per second with a burst of 2 requests", "$0.05", 5),
    ("openai", "1 requests per second with a burst of 2 requests", "$0.05", 5),
    ("anthropic", "1 requests per second with a burst of 2 requests", "$0.05", 5),
    ("gemini", "1 requests per second with a burst of 2 requests", "$0.05", 5),
];

const STAGING: [Service; 4] = [
    ("deepgram", "1 requests per second with a burst of 7 requests", "$3", 45),
    ("openai", "33 requests per 50 seconds with a burst of 5 requests", "$2", 45),
    ("anthropic", "33 requests per 100 seconds with a burst of 4 requests", "$2.5", 60),
    ("gemini", "3 requests per second with a burst of 17 requests", "$0.75", 25),
];

const PRODUCTION: [Service; 4] = [
    ("deepgram", "1 requests per 2 seconds with a burst of 2 requests", "$1.5", 60),
    ("openai", "33 requests per 100 seconds with a burst of 2 requests", "$1", 60),
    ("anthropic", "1 requests per 4 seconds with a burst of 1 requests", "$1.25", 90),
    ("gemini", "2 requests per second with a burst of 10 requests", "$0.5", 30),
];

/// What services have of which nothing is said.
const OTHER: (&str, &str) = ("1 requests per second with a burst of 15 requests", "$1");
const OTHER_TESTING: (&str, &str) = ("1 requests per second with a burst of 2 requests", "$0.05");

fn assert_profile(config: &Config, services: [Service; 4], (bucket, usd): (&str, &str), day: &str) {
    let mut expected = vec![format!("day-spend per []: {day} per calendar day")];
    for (name, bucket, usd, _) in services {
        expected.push(format!("{name}-requests per []: {bucket}"));
        expected.push(format!("{name}-spend per []: {usd} per minute"));
    }
    expected.push(format!("other-requests per [provider]: {bucket}"));
    expected.push(format!("other-spend per [provider]: {usd} per minute"));
    assert_eq!(limits(config), expected);
    for (name, _, _, recovery) in services {
        let provider = &config.settings.providers[name];
        let breaker = provider.breaker().expect("it has one");
        let found = (breaker.failures, breaker.recovery.as_secs(), breaker.successes);
        assert_eq!(found, (5, recovery, 3), "{name}");
        let interval = provider.learn.clone().and_then(|it| it.interval).expect("it has one");
        let millis = (interval.min.as_millis(), interval.max.as_millis());
        assert_eq!((millis, interval.backoff), ((100, 5_000), 1.5), "{name}");
    }
    let local = config.settings.providers["local"].breaker().expect("it has one");
    assert_eq!((local.failures, local.recovery.as_secs(), local.successes), (5, 30, 3));
    for limit in config.policy.limits().iter().skip(1) {
        let tighten = limit.tighten.as_ref().expect("it follows the money");
        let follows = (&*tighten.budget, tighten.floor.value(), tighten.success.value());
        assert_eq!(follows, ("day-spend", 0.1, 0.9), "{}", limit.name);
    }
}

#[test]
fn the_pipeline_has_its_four_profiles_however_they_are_chosen() {
    for variable in ["MONTAGE_ENV", "TOLLGATE_ENV"] {
        let of = |profile| {
            let config = load("pipeline", &[(variable, profile)]).expect(profile);
            assert_eq!(config.profile.as_deref(), Some(profile));
            config
        };
        assert_profile(&of("development"), DEVELOPMENT, OTHER, "$50");
        assert_profile(&of("testing"), TESTING, OTHER_TESTING, "$1");
        assert_profile(&of("staging"), STAGING, OTHER, "$100");
        assert_profile(&of("production"), PRODUCTION, OTHER, "$200");
    }
    assert_profile(&load("pipeline", &[]).expect("a good preset"), DEVELOPMENT, OTHER, "$50");
    let both = [("MONTAGE_ENV", "production"), ("TOLLGATE_ENV", "staging")];
    assert_profile(&load("pipeline", &both).expect("good"), STAGING, OTHER, "$100");
}

#[test]
fn a_hundred_wait_for_five_minutes_and_hardly_any_in_tests() {
    let config = load("pipeline", &[]).expect("a good preset");
    let testing = load("pipeline", &[("MONTAGE_ENV", "testing")]).expect("a good preset");
    for service in ["deepgram", "openai", "anthropic", "gemini", "other"] {
        for what in ["requests", "spend"] {
            let name = format!("{service}-{what}");
            assert_eq!(
                queue(&config, &name),
                (100, 300_000, Overflow::DropNewest, 5_000),
                "{name}"
            );
            assert_eq!(queue(&testing, &name), (5, 2_000, Overflow::DropNewest, 5_000), "{name}");
        }
    }
}

#[test]
fn every_number_of_the_pipeline_has_a_variable() {
    let variables = [
        ("MONTAGE_ENV", "production"),
        ("TOLLGATE_LIMITS_DEEPGRAM_REQUESTS_BUCKET_TOKENS", "3"),
        ("TOLLGATE_LIMITS_DEEPGRAM_REQUESTS_BUCKET_BURST", "4"),
        ("TOLLGATE_LIMITS_DEEPGRAM_REQUESTS_BUCKET_RATE", "0.75/second"),
        ("TOLLGATE_LIMITS_DEEPGRAM_REQUESTS_QUEUE_SIZE", "7"),
        ("TOLLGATE_LIMITS_DEEPGRAM_REQUESTS_QUEUE_TIMEOUT", "8s"),
        ("TOLLGATE_LIMITS_DEEPGRAM_SPEND_USD", "9/minute"),
        ("TOLLGATE_PROVIDERS_DEEPGRAM_BREAKER_FAILURES", "10"),
        ("TOLLGATE_PROVIDERS_DEEPGRAM_BREAKER_RECOVERY", "11s"),
        ("TOLLGATE_PROVIDERS_DEEPGRAM_BREAKER_SUCCESSES", "12"),
        ("TOLLGATE_PROVIDERS_DEEPGRAM_LEARN_INTERVAL_MIN", "13ms"),
        ("TOLLGATE_PROVIDERS_DEEPGRAM_LEARN_INTERVAL_MAX", "14s"),
        ("TOLLGATE_PROVIDERS_DEEPGRAM_LEARN_INTERVAL_BACKOFF", "1.75"),
        ("TOLLGATE_PRICES_UNPRICED_ASSUME_REQUEST", "0.02"),
    ];
    let config = load("pipeline", &variables).expect("good variables");
    let told = limits(&config);
    assert_eq!(
        told[1],
        "deepgram-requests per []: 3 requests per 4 seconds with a burst of 7 requests"
    );
    assert_eq!(told[2], "deepgram-spend per []: $9 per minute");
    assert_eq!(queue(&config, "deepgram-requests").0, 7);
    assert_eq!(queue(&config, "deepgram-requests").1, 8_000);
    let deepgram = &config.settings.providers["deepgram"];
    let breaker = deepgram.breaker().expect("it has one");
    assert_eq!((breaker.failures, breaker.recovery.as_secs(), breaker.successes), (10, 11, 12));
    let interval = deepgram.learn.clone().and_then(|it| it.interval).expect("it has one");
    assert_eq!((interval.min.as_millis(), interval.max.as_secs()), (13, 14));
    assert!((interval.backoff - 1.75).abs() < 1e-9);
    assert_eq!(config.settings.identity.allow_anonymous, Some(false));
    assert_eq!(cents(&config), NanoUsd(20_000_000));
}

/// What a request costs of which nobody knows what it costs.
fn cents(config: &Config) -> NanoUsd {
    match &config.settings.prices.unpriced {
        Unpriced::Assume(its) => its.request.map_or(NanoUsd(0), |PricePerCall(nanos)| nanos),
        other => panic!("{other:?}"),
    }
}

#[test]
fn something_stands_in_for_a_service_and_what_is_unknown_costs_a_cent() {
    let config = load("pipeline", &[]).expect("a good preset");
    let settings = &config.settings;
    assert_eq!(cents(&config), NanoUsd(10_000_000));
    assert!(settings.cache.enabled);
    let behind = |name: &str| {
        let named = &settings.models[name];
        assert_eq!(named.fallback, Fallback::Cache, "{name}");
        named.models.iter().map(|it| it.model.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(behind("script"), ["openai/gpt-5", "openai/gpt-5-mini", "local/llama3.2"]);
    let story = ["anthropic/claude-sonnet-4-5", "anthropic/claude-haiku-4-5", "local/llama3.2"];
    assert_eq!(behind("story"), story);
    assert_eq!(behind("scene"), ["gemini/gemini-2.5-pro", "gemini/gemini-2.5-flash"]);
}
