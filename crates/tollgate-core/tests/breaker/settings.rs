//! Settings as an operator writes them.

use std::time::Duration;

use tollgate_core::breaker::{BreakerSettings, Mode, Throttled, Window};

use crate::story::settings;

#[test]
fn what_is_not_said_is_as_the_pipeline_has_it() {
    let read = settings("{}");
    assert_eq!(read, BreakerSettings::default());
    assert_eq!((read.mode, read.throttled), (Mode::Auto, Throttled::Ignored));
    assert_eq!(read.failures, 5);
    assert_eq!(read.recovery, Duration::from_secs(30));
    assert_eq!(read.successes, 3);
}

#[test]
fn settings_are_shown_as_they_are_read() {
    let texts = [
        r#"{"mode":"observe","window":"100 calls","slow_rate":0.25,"slow_after":"20s"}"#,
        r#"{"failures":0,"failure_rate":0,"window":"90s","throttled":"failure"}"#,
    ];
    for text in texts {
        let read = settings(text);
        let shown = serde_json::to_string(&read).expect("it can be shown");
        assert_eq!(settings(&shown), read, "{shown}");
    }
    assert_eq!(settings(r#"{"window": 50}"#).window, settings(r#"{"window": "50 calls"}"#).window);
    assert_eq!(settings(r#"{"window": "60s"}"#).window, Window::Time(Duration::from_secs(60)));
}

#[test]
fn what_makes_no_sense_is_refused_in_a_sentence() {
    for (text, part) in [
        (r#"{"window": "0 calls"}"#, "from 1 to 1000"),
        (r#"{"window": "1001 calls"}"#, "from 1 to 1000"),
        (r#"{"window": "0s"}"#, "is no window"),
        (r#"{"window": "soon"}"#, "is no window"),
        (r#"{"failure_rate": 1.5}"#, "is no share"),
        (r#"{"probes": 101}"#, "from 1 to 100"),
        (r#"{"successes": 0}"#, "successes"),
        (r#"{"probe_lease": "0s"}"#, "probe_lease"),
        (r#"{"recovery": "2h"}"#, "max_recovery"),
        (r#"{"threshold": 5}"#, "unknown field"),
        (r#"{"window": "10 calls", "min_calls": 11}"#, "min_calls"),
    ] {
        let error = serde_json::from_str::<BreakerSettings>(text).expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}
