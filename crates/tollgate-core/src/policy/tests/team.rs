//! The preset `team`: N users at once without throttling.

use std::time::Duration;

use super::{limits, presets::load, presets::queue};
use crate::{policy::Config, queue::Overflow};

const TUNED: [&str; 7] = [
    "model-requests per [model]: 60 requests per minute",
    "model-tokens per [model]: 180000 tokens per minute",
    "slots per []: 15 at once",
    "workers per []: 8 at once",
    "analysis-tasks per []: 20 requests per minute",
    "chat-tasks per []: 30 requests per minute",
    "health-tasks per []: 1 requests per minute",
];

/// In seconds: a task's soft and hard limit, connecting, reading, the circuit's recovery; and how
/// many failures open that.
fn numbers(config: &Config) -> [u64; 6] {
    let bedrock = &config.settings.providers["bedrock"];
    let tasks = &config.settings.tasks;
    let breaker = bedrock.breaker().expect("it has one");
    let of = |limit: Option<Duration>| limit.unwrap_or_default().as_secs();
    [
        of(tasks.soft_time_limit),
        of(tasks.hard_time_limit),
        bedrock.connect_timeout.as_secs(),
        bedrock.read_timeout.as_secs(),
        breaker.recovery.as_secs(),
        breaker.failures.into(),
    ]
}

#[test]
fn the_team_has_its_numbers() {
    let config = load("team", &[]).expect("a good preset");
    assert_eq!(limits(&config), TUNED);
    assert_eq!(numbers(&config), [300, 360, 30, 300, 60, 10]);
    for (name, seconds) in [("model-requests", 10), ("model-tokens", 10), ("slots", 10)] {
        assert_eq!(queue(&config, name), (100, seconds * 1_000, Overflow::DropNewest, 5_000));
    }
    for name in ["workers", "analysis-tasks", "chat-tasks", "health-tasks"] {
        assert_eq!(queue(&config, name), (100, 60_000, Overflow::DropNewest, 5_000));
    }
    assert_eq!(config.settings.models["reviewer"].models.len(), 3);
}

#[test]
fn the_team_before_it_was_tuned_is_kept() {
    let config = load("team", &[("TOLLGATE_ENV", "before")]).expect("a good preset");
    let before = [
        "model-requests per [model]: 30 requests per minute",
        "model-tokens per [model]: 120000 tokens per minute",
        "slots per []: 5 at once",
        "workers per []: 4 at once",
        "analysis-tasks per []: 10 requests per minute",
        "chat-tasks per []: 15 requests per minute",
        TUNED[6],
    ];
    assert_eq!(limits(&config), before);
    assert_eq!(numbers(&config), [300, 360, 30, 240, 60, 5]);
}

#[test]
fn the_team_honours_its_own_variables() {
    let variables = [
        ("MAX_REQUESTS_PER_MINUTE", "61"),
        ("MAX_CONCURRENT_REQUESTS", "16"),
        ("MAX_TOKENS_PER_MINUTE", "180001"),
        ("ANALYSIS_TASK_RATE_LIMIT", "21/s"),
        ("CHAT_TASK_RATE_LIMIT", "31/h"),
        ("HEALTH_TASK_RATE_LIMIT", "2/m"),
        ("CELERY_CONCURRENCY", "9"),
        ("TASK_SOFT_TIME_LIMIT", "301"),
        ("TASK_HARD_TIME_LIMIT", "361"),
        ("CIRCUIT_BREAKER_FAILURE_THRESHOLD", "11"),
        ("CIRCUIT_BREAKER_TIMEOUT", "61"),
        ("BEDROCK_READ_TIMEOUT", "302"),
        ("BEDROCK_CONNECT_TIMEOUT", "31"),
    ];
    let set = [
        "model-requests per [model]: 61 requests per minute",
        "model-tokens per [model]: 180001 tokens per minute",
        "slots per []: 16 at once",
        "workers per []: 9 at once",
        "analysis-tasks per []: 21 requests per second",
        "chat-tasks per []: 31 requests per hour",
        "health-tasks per []: 2 requests per minute",
    ];
    for profile in [None, Some(("TOLLGATE_ENV", "before"))] {
        let all: Vec<_> = variables.into_iter().chain(profile).collect();
        let config = load("team", &all).expect("good variables");
        assert_eq!(limits(&config), set, "{profile:?}");
        assert_eq!(numbers(&config), [301, 361, 31, 302, 61, 11], "{profile:?}");
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    }
}
