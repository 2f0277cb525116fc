//! Whatever a provider says of its limits, in headers or in a body, no wait is longer than is
//! believed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_core::Time;
use tollgate_meter::signals::{MAX_WAIT, Signals};

const NAMES: [&str; 11] = [
    "retry-after",
    "retry-after-ms",
    "x-ratelimit-reset-tokens",
    "x-ratelimit-reset",
    "x-ratelimit-remaining-tokens",
    "anthropic-ratelimit-tokens-reset",
    "anthropic-ratelimit-input-tokens-remaining",
    "x-amzn-errortype",
    "ratelimit",
    "ratelimit-policy",
    "ratelimit-reset",
];

fuzz_target!(|data: (u16, &[u8], &[u8])| {
    let (status, value, body) = data;
    let headers = NAMES.iter().map(|name| (*name, value));
    let signals = Signals::read(status, headers, body, Time::from_millis(1_795_608_000_000));
    assert!(signals.wait().is_none_or(|wait| wait <= MAX_WAIT));
});
