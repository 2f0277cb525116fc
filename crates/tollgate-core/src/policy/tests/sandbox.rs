//! What the simulated providers may be told, and what not.

use std::time::Duration;

use super::{bad::assert_wrong, load};
use crate::policy::settings::{LimitRefill, OutageFault};

#[test]
fn limits_and_outages_of_the_sandbox_are_read() {
    let text = "[sandbox]\nrequests_per_minute = 60\n[sandbox.outage]\nlasts = \"60s\"\nevery = \"10m\"\nfault = \"rate_limit\"";
    let sandbox = load(text).expect("a good policy").settings.sandbox;
    assert_eq!((sandbox.requests_per_minute, sandbox.tokens_per_minute), (60, 0));
    let (seconds, outage) = (Duration::from_secs, sandbox.outage);
    assert_eq!((outage.after, outage.lasts, outage.every), (seconds(0), seconds(60), seconds(600)));
    assert_eq!(outage.fault, OutageFault::RateLimit);
}

#[test]
fn how_limits_of_the_sandbox_are_counted_is_read() {
    let text = "[sandbox]\nlimit_window = \"10s\"\nlimit_refill = \"at_reset\"\nbears = 8";
    let sandbox = load(text).expect("a good policy").settings.sandbox;
    assert_eq!((sandbox.limit_window, sandbox.bears), (Duration::from_secs(10), 8));
    assert_eq!(sandbox.limit_refill, LimitRefill::AtReset);
    let usual = load("").expect("a good policy").settings.sandbox;
    assert_eq!((usual.limit_window, usual.bears), (Duration::from_secs(60), 0));
    assert_eq!(usual.limit_refill, LimitRefill::Evenly);
}

/// Settings with one bad value, and what is said about it.
const VALUES: [(&str, &str); 7] = [
    (
        "[sandbox]\nerror_rate = 1.5",
        "2:14: `sandbox.error_rate`: 1.5 is no share: write a number from 0 to 1",
    ),
    (
        "[sandbox]\ntokens_per_second = -1",
        "2:21: `sandbox.tokens_per_second`: expected a whole number, at least 0 and not too large, found the number -1",
    ),
    (
        "[sandbox]\nrequests_per_minute = \"60\"",
        "2:23: `sandbox.requests_per_minute`: expected a whole number, at least 0 and not too large, found the text `60`",
    ),
    (
        "[sandbox]\nlimit_window = \"0s\"",
        "2:16: `sandbox.limit_window`: nothing is due in no time: give a time, or leave it out",
    ),
    (
        "[sandbox]\nlimit_refill = \"never\"",
        "2:16: `sandbox.limit_refill`: `never` is not known in this version (the choices are evenly, at_reset)",
    ),
    (
        "[sandbox.outage]\nlasts = 60",
        "2:9: `sandbox.outage.lasts`: `60` is no length of time: write it like 500ms, 30s, 5m, 1h or 7d",
    ),
    (
        "[sandbox.outage]\nfault = \"timeout\"",
        "2:9: `sandbox.outage.fault`: `timeout` is not known in this version (the choices are error, unavailable, rate_limit, hang, cut)",
    ),
];

#[test]
fn values_of_the_sandbox_are_checked_where_they_stand() {
    for (text, expected) in VALUES {
        assert_wrong(text, &[expected]);
    }
}
