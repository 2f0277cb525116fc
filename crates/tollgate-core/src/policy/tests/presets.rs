//! The presets that come with the program.

use std::time::Duration;

use super::{environment, limits};
use crate::{
    policy::{
        Config, Measure, PolicyError, Sources, preset_names,
        settings::{CacheScope, OnStoreFailure, RedisServer, SessionUse, StoreKind},
    },
    queue::Overflow,
};

pub(super) fn load(preset: &str, variables: &[(&str, &str)]) -> Result<Config, Vec<PolicyError>> {
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
fn the_assistant_keeps_answers_and_its_variables_say_for_how_long() {
    const HOUR: Duration = Duration::from_secs(3_600);
    for profile in ["development", "testing", "production"] {
        let cache = load("assistant", &[("TOLLGATE_ENV", profile)]).expect(profile).settings.cache;
        assert_eq!((cache.enabled, cache.scope), (true, CacheScope::User), "{profile}");
        let times = (cache.queries, cache.embeddings, cache.contexts);
        assert_eq!(times, (24 * HOUR, 7 * 24 * HOUR, HOUR), "{profile}");
    }
    let variables = [
        ("TOLLGATE_CACHE_ENABLED", "false"),
        ("TOLLGATE_CACHE_SCOPE", "tenant"),
        ("TOLLGATE_CACHE_QUERIES", "2h"),
        ("TOLLGATE_CACHE_EMBEDDINGS", "3d"),
        ("TOLLGATE_CACHE_CONTEXTS", "5m"),
        ("TOLLGATE_CACHE_MAX_BYTES", "8MiB"),
    ];
    let cache = load("assistant", &variables).expect("good variables").settings.cache;
    assert_eq!((cache.enabled, cache.scope), (false, CacheScope::Tenant));
    assert_eq!((cache.queries, cache.embeddings), (2 * HOUR, 3 * 24 * HOUR));
    assert_eq!((cache.contexts, cache.max_bytes), (HOUR / 12, 8 << 20));
    let limits_off = load("assistant", &[("RATE_LIMITING_ENABLED", "false")]).expect("good");
    assert!(limits_off.settings.cache.enabled, "what is kept is no limit");
}

#[test]
fn the_assistant_shares_its_numbers_where_its_variables_name_a_redis() {
    let alone = load("assistant", &[("REDIS_MAX_CONNECTIONS", "20")]).expect("good variables");
    assert_eq!(alone.settings.store.kind, StoreKind::Embedded, "without a server");
    let set = [
        ("REDIS_HOST", "redis.internal"),
        ("REDIS_PORT", "7000"),
        ("REDIS_DB", "2"),
        ("REDIS_PASSWORD", "hunter2"),
        ("REDIS_MAX_CONNECTIONS", "20"),
    ];
    let config = load("assistant", &set).expect("good variables");
    let store = &config.settings.store;
    assert_eq!((store.kind, store.on_store_failure), (StoreKind::Redis, OnStoreFailure::Open));
    let server = RedisServer { host: "redis.internal".to_owned(), port: 7_000, is_tls: false };
    assert_eq!((store.servers(), store.database()), (vec![server], 2));
    assert_eq!((store.password(), store.max_connections.get()), (Some("hunter2"), 20));
    assert!(!config.to_toml().contains("hunter2"), "{}", config.to_toml());
    let local = load("assistant", &[("REDIS_DB", "0")]).expect("good variables").settings.store;
    assert_eq!((local.servers()[0].host.as_str(), local.servers()[0].port), ("localhost", 6379));
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

/// The queue before a limit, in short.
pub(super) fn queue(config: &Config, name: &str) -> (usize, u64, Overflow, u64) {
    let mut limits = config.policy.limits().iter();
    let limit = limits.find(|limit| limit.name == name).expect(name);
    let rules = limit.queue.as_ref().expect("it has a queue").rules;
    let millis = |duration: std::time::Duration| duration.as_millis() as u64;
    (rules.size, millis(rules.timeout), rules.overflow, millis(limit.retry_after))
}

#[test]
fn the_endpoint_has_its_slots_and_queues() {
    let config = load("endpoint", &[]).expect("a good preset");
    let slots = ["user-slots per [user]: 3 at once", "all-slots per []: 100 at once"];
    assert_eq!(limits(&config), slots);
    assert_eq!(queue(&config, "user-slots"), (10, 30_000, Overflow::DropNewest, 5_000));
    assert_eq!(queue(&config, "all-slots"), (500, 30_000, Overflow::DropNewest, 5_000));
}

#[test]
fn the_endpoint_honours_its_own_variables() {
    let variables = [
        ("LIMITS_ENABLED", "true"),
        ("LIMITS_MAX_CONCURRENT_PER_USER", "4"),
        ("LIMITS_MAX_QUEUE_SIZE_PER_USER", "11"),
        ("LIMITS_MAX_CONCURRENT_GLOBAL", "101"),
        ("LIMITS_MAX_QUEUE_SIZE_GLOBAL", "501"),
        ("LIMITS_RETRY_AFTER_SECONDS", "6"),
        ("LIMITS_QUEUE_TIMEOUT_SECONDS", "2.5"),
        ("LIMITS_OVERLOAD_POLICY", "drop_oldest"),
    ];
    let config = load("endpoint", &variables).expect("good variables");
    let slots = ["user-slots per [user]: 4 at once", "all-slots per []: 101 at once"];
    assert_eq!(limits(&config), slots);
    assert_eq!(queue(&config, "user-slots"), (11, 2_500, Overflow::DropOldest, 6_000));
    assert_eq!(queue(&config, "all-slots"), (501, 2_500, Overflow::DropOldest, 6_000));
    let block = load("endpoint", &[("LIMITS_OVERLOAD_POLICY", "block")]).expect("a good value");
    assert_eq!(queue(&block, "user-slots").2, Overflow::Block);
    let off = load("endpoint", &[("LIMITS_ENABLED", "false")]).expect("a good value");
    assert!(off.policy.limits().is_empty());
}

#[test]
fn the_workshop_has_its_sessions_and_honours_its_own_variables() {
    let sessions = |variables: &[(&str, &str)]| {
        let config = load("workshop", variables).expect("good variables");
        match config.policy.limits() {
            [limit] => match limit.measure {
                Measure::Sessions { cap, idle } => {
                    (cap, idle.as_secs(), limit.retry_after.as_secs())
                }
                _ => panic!("it counts sessions"),
            },
            other => panic!("one limit, not {}", other.len()),
        }
    };
    assert_eq!(sessions(&[]), (12, 1_800, 120));
    let variables = [("MAX_CONCURRENT_SESSIONS", "2"), ("SESSION_TIMEOUT_MINUTES", "5")];
    assert_eq!(sessions(&variables), (2, 300, 120));
    let config = load("workshop", &[]).expect("a good preset");
    let app = &config.settings.providers["app"];
    let uploads = app.routes.find(&http::Method::POST, "/api/upload").expect("a route");
    assert_eq!(uploads.session, SessionUse::Register);
    assert!(app.routes.find(&http::Method::GET, "/gallery").is_none());
}
