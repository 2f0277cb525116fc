//! The presets that come with the program.

use super::{environment, limits};
use crate::policy::{Config, PolicyError, Sources, preset_names};

fn load(preset: &str, variables: &[(&str, &str)]) -> Result<Config, Vec<PolicyError>> {
    let preset = Some(preset.to_owned());
    Sources { preset, environment: environment(variables), ..Sources::default() }.load()
}

#[test]
fn every_preset_is_good_without_warning() {
    for name in preset_names() {
        let config = load(name, &[]).expect(name);
        assert!(config.warnings.is_empty(), "{name}: {:?}", config.warnings);
        assert!(!config.policy.limits().is_empty());
    }
}

#[test]
fn the_assistant_has_its_seven_limits() {
    let config = load("assistant", &[]).expect("a good preset");
    assert_eq!(
        limits(&config),
        [
            "user-minute per [user]: 10 requests per minute",
            "user-hour per [user]: 100 requests per hour",
            "user-day per [user]: 500 requests per day",
            "user-spend per [user]: $5 per calendar day",
            "global-slots per []: 100 at once",
            "global-hour per []: 1000 requests per hour",
            "global-spend per []: $100 per calendar day",
        ]
    );
    let llama = &config.settings.prices.models["Llama-3.2-3B-Instruct"];
    assert_eq!((llama.input.0.0, llama.output.0.0), (200_000_000, 600_000_000));
}

#[test]
fn the_assistant_honours_its_own_variables() {
    let variables = [
        ("RATE_LIMIT_PER_MINUTE", "11"),
        ("RATE_LIMIT_PER_HOUR", "12"),
        ("RATE_LIMIT_PER_DAY", "13"),
        ("GLOBAL_CONCURRENT_LIMIT", "14"),
        ("GLOBAL_HOURLY_LIMIT", "15"),
        ("USER_DAILY_COST_LIMIT", "1.50"),
        ("GLOBAL_DAILY_COST_LIMIT", "17"),
        ("RATE_LIMITING_ENABLED", "true"),
    ];
    let expected = [
        "user-minute per [user]: 11 requests per minute",
        "user-hour per [user]: 12 requests per hour",
        "user-day per [user]: 13 requests per day",
        "user-spend per [user]: $1.5 per calendar day",
        "global-slots per []: 14 at once",
        "global-hour per []: 15 requests per hour",
        "global-spend per []: $17 per calendar day",
    ];
    assert_eq!(limits(&load("assistant", &variables).expect("good variables")), expected);
    let production: Vec<_> = variables.into_iter().chain([("TOLLGATE_ENV", "testing")]).collect();
    assert_eq!(limits(&load("assistant", &production).expect("over a profile")), expected);
}

#[test]
fn the_assistant_can_be_switched_off() {
    let config = load("assistant", &[("RATE_LIMITING_ENABLED", "false")]).expect("a good preset");
    assert!(config.policy.limits().is_empty());
}

#[test]
fn a_variable_that_does_not_parse_is_named() {
    for (name, value, expected) in [
        (
            "RATE_LIMIT_PER_MINUTE",
            "ten",
            "environment variable RATE_LIMIT_PER_MINUTE: `limits.user-minute.requests`: `ten` is no amount",
        ),
        (
            "GLOBAL_CONCURRENT_LIMIT",
            "-1",
            "environment variable GLOBAL_CONCURRENT_LIMIT: `limits.global-slots.concurrency`: `-1` is no amount",
        ),
        (
            "RATE_LIMITING_ENABLED",
            "maybe",
            "environment variable RATE_LIMITING_ENABLED: `limits.user-minute.enabled`: expected true or false, found the text `maybe`",
        ),
    ] {
        let errors = load("assistant", &[(name, value)]).expect_err(name);
        assert!(errors[0].on_one_line().starts_with(expected), "{errors:?}");
    }
}

#[test]
fn the_assistant_has_its_profiles() {
    let first = |profile| {
        let config = load("assistant", &[("TOLLGATE_ENV", profile)]).expect(profile);
        limits(&config)[0].clone()
    };
    assert_eq!(first("development"), "user-minute per [user]: 1000 requests per minute");
    assert_eq!(first("testing"), "user-minute per [user]: 3 requests per minute");
    assert_eq!(first("production"), "user-minute per [user]: 10 requests per minute");
}
