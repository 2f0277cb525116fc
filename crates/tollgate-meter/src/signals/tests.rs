use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// 2026-11-25T12:00:00Z
const WALL: Time = Time::from_millis(1_795_608_000_000);

fn read(status: u16, headers: &[(&str, &str)], body: &str) -> Signals {
    let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
    Signals::read(status, headers, body.as_bytes(), WALL)
}

fn secs(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

fn quota(limit: u64, remaining: u64, reset_after: Option<Duration>) -> Quota {
    Quota { limit: Some(limit), remaining: Some(remaining), reset_after }
}

#[test]
fn openais_headers_are_read() {
    let signals = read(
        200,
        &[
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-limit-tokens", "150000"),
            ("x-ratelimit-remaining-requests", "59"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-requests", "1s"),
            ("x-ratelimit-reset-tokens", "6m0s"),
            ("content-type", "application/json"),
        ],
        "",
    );
    assert_eq!(signals.requests, quota(60, 59, secs(1)));
    assert_eq!(signals.tokens, quota(150_000, 149_984, secs(360)));
    assert_eq!((signals.wait(), signals.refused), (None, None));
}

#[test]
fn anthropics_headers_are_read() {
    let signals = read(
        429,
        &[
            ("retry-after", "13"),
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2026-11-25T12:00:30Z"),
            ("anthropic-ratelimit-input-tokens-limit", "20000"),
            ("anthropic-ratelimit-input-tokens-remaining", "19000"),
            ("anthropic-ratelimit-input-tokens-reset", "2026-11-25T11:59:00Z"),
            ("anthropic-ratelimit-output-tokens-remaining", "8000"),
            ("x-should-retry", "true"),
        ],
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"Number of requests has exceeded your rate limit"}}"#,
    );
    assert_eq!(signals.requests, quota(50, 0, secs(31)), "within that second");
    assert_eq!(signals.input_tokens, quota(20_000, 19_000, secs(0)), "what is past is now");
    assert_eq!((signals.output_tokens.limit, signals.output_tokens.remaining), (None, Some(8_000)));
    assert_eq!((signals.retry_after, signals.should_retry), (secs(13), Some(true)));
    assert_eq!(signals.wait(), secs(31), "the later of the two");
    assert_eq!(signals.refused, Some(Refused::Requests));
}

#[test]
fn azures_nonsense_says_nothing() {
    let signals = read(
        200,
        &[
            ("x-ratelimit-remaining-requests", "-1"),
            ("x-ratelimit-limit-tokens", "0"),
            ("x-ratelimit-remaining-tokens", "0"),
        ],
        "",
    );
    assert_eq!(signals, Signals::default());
    let body = r#"{"error":{"code":"429","message":"Requests to the ChatCompletions_Create Operation under Azure OpenAI API have exceeded token rate limit of your current pricing tier. Please retry after 86400 seconds."}}"#;
    let signals = read(429, &[], body);
    assert_eq!((signals.retry_after, signals.refused), (secs(86_400), Some(Refused::Tokens)));
}

#[test]
fn a_wait_is_read_in_every_form() {
    let wait = |name, value| read(429, &[(name, value)], "").retry_after;
    assert_eq!(wait("retry-after", "7"), secs(7));
    assert_eq!(wait("retry-after", "1.5"), Some(Duration::from_millis(1_500)));
    assert_eq!(wait("retry-after", "Wed, 25 Nov 2026 12:01:00 GMT"), secs(60));
    assert_eq!(wait("retry-after-ms", "250"), Some(Duration::from_millis(250)));
    assert_eq!(wait("x-amz-retry-after", "1500"), Some(Duration::from_millis(1_500)));
    for nonsense in ["", "-5", "soon", "1e9", "NaN", "inf", "99999999999999999999", "1s2"] {
        assert_eq!(wait("retry-after", nonsense), None, "{nonsense}");
    }
    let both = read(429, &[("retry-after-ms", "900"), ("retry-after", "1")], "");
    assert_eq!(both.retry_after, Some(Duration::from_millis(900)), "the finer form");
    for (go, expected) in [("12ms", 12), ("1h2m3.5s", 3_723_500), ("0s", 0), ("2", 2_000)] {
        let signals = read(200, &[("x-ratelimit-reset-tokens", go)], "");
        assert_eq!(signals.tokens.reset_after, Some(Duration::from_millis(expected)), "{go}");
    }
    let epoch =
        read(200, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1795608042")], "");
    assert_eq!((epoch.requests.reset_after, epoch.wait()), (secs(43), secs(43)));
}

#[test]
fn a_refusals_body_says_why() {
    let openai = |kind: &str, code: &str, message: &str| {
        format!(
            r#"{{"error":{{"message":"{message}","type":"{kind}","param":null,"code":"{code}"}}}}"#
        )
    };
    let limit = "Rate limit reached on tokens per min (TPM): Limit 30000, Used 29000, Requested 1601. Please try again in 1.2s. Visit https";
    let large = "Request too large for gpt-4o (TPM): Limit 30000, Requested 30601.";
    let anthropic = |kind: &str, details: &str| {
        format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"m"{details}}}}}"#)
    };
    for (status, body, expected) in [
        (429, openai("tokens", "rate_limit_exceeded", limit), Some(Refused::Tokens)),
        (429, openai("tokens", "rate_limit_exceeded", large), Some(Refused::TooLarge)),
        (429, openai("requests", "rate_limit_exceeded", "m"), Some(Refused::Requests)),
        (429, openai("insufficient_quota", "insufficient_quota", "m"), Some(Refused::Spent)),
        (429, openai("x", "organization_spend_limit_exceeded", "m"), Some(Refused::Spent)),
        (429, openai("x", "slow_down", "m"), Some(Refused::Overloaded)),
        (
            503,
            openai("service_unavailable_error", "server_is_overloaded", "m"),
            Some(Refused::Overloaded),
        ),
        (401, openai("invalid_request_error", "invalid_api_key", "m"), None),
        (529, anthropic("overloaded_error", ""), Some(Refused::Overloaded)),
        (402, anthropic("billing_error", ""), Some(Refused::Spent)),
        (
            429,
            anthropic(
                "rate_limit_error",
                r#","details":{"error_code":"contract_spend_limit_reached"}"#,
            ),
            Some(Refused::Spent),
        ),
        (
            429,
            anthropic("rate_limit_error", r#","details":{"error_code":"ramp_limit_exceeded"}"#),
            Some(Refused::Rate),
        ),
        (
            429,
            r#"{"err_code":"TOO_MANY_REQUESTS","err_msg":"Too many requests."}"#.to_owned(),
            Some(Refused::Concurrency),
        ),
        (
            402,
            r#"{"err_code":"ASR_PAYMENT_REQUIRED","err_msg":"m"}"#.to_owned(),
            Some(Refused::Spent),
        ),
        (402, r#"{"category":"PAYMENT","message":"m"}"#.to_owned(), Some(Refused::Spent)),
        (429, "no json".to_owned(), Some(Refused::Rate)),
        (500, "[]".to_owned(), None),
        (200, openai("tokens", "rate_limit_exceeded", "m"), None),
    ] {
        assert_eq!(read(status, &[], &body).refused, expected, "{body}");
    }
    assert_eq!(
        read(429, &[], &openai("tokens", "c", limit)).retry_after,
        Some(Duration::from_millis(1_200))
    );
    let spent =
        r#"{"error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}"#;
    assert_eq!(read(400, &[], spent).refused, Some(Refused::Spent));
    assert!(!Refused::Spent.clears() && Refused::Tokens.clears());
}

#[test]
fn googles_details_say_which_quota_and_how_long() {
    let body = |metric: &str| {
        format!(
            r#"{{"error":{{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{{"quotaMetric":"generativelanguage.googleapis.com/{metric}","quotaId":"GeneratePerMinute","quotaDimensions":{{"model":"m"}}}}]}},{{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"47s"}}]}}}}"#
        )
    };
    let requests = read(429, &[], &body("generate_content_free_tier_requests"));
    assert_eq!((requests.refused, requests.retry_after), (Some(Refused::Requests), secs(47)));
    let wrapped = format!("[{}]\n", body("generate_content_free_tier_input_token_count"));
    let tokens = read(429, &[], &wrapped);
    assert_eq!((tokens.refused, tokens.retry_after), (Some(Refused::Tokens), secs(47)));
    let busy = r#"{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}"#;
    assert_eq!(read(503, &[], busy).refused, Some(Refused::Overloaded));
    let bare = r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}"#;
    assert_eq!(read(429, &[], bare).refused, Some(Refused::Rate));
}

#[test]
fn bedrocks_type_stands_in_a_header() {
    let refused = |status, kind, message: &str| {
        read(status, &[("x-amzn-errortype", kind)], &format!(r#"{{"message":"{message}"}}"#))
            .refused
    };
    let throttled = "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/";
    assert_eq!(refused(429, throttled, "Too many requests, please wait"), Some(Refused::Requests));
    assert_eq!(refused(429, throttled, "Too many tokens, please wait"), Some(Refused::Tokens));
    assert_eq!(refused(400, "ServiceQuotaExceededException", "m"), Some(Refused::Spent));
    assert_eq!(refused(429, "ModelNotReadyException", "m"), Some(Refused::Overloaded));
    assert_eq!(refused(400, "ValidationException", "m"), None);
}

#[test]
fn what_is_too_long_to_be_a_refusal_is_not_read() {
    let body =
        format!(r#"{{"error":{{"type":"tokens","message":"{}"}}}}"#, "x".repeat(MAX_BODY_BYTES));
    assert_eq!(read(429, &[], &body).refused, Some(Refused::Rate));
}

proptest! {
    #[test]
    fn nothing_that_comes_panics_and_no_wait_is_endless(
        value in "[-0-9.a-zµ:TZ ,]{0,30}",
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            "\\{\"error\":\\{(\"(type|code|status|message|details)\":[0-9a-z\"\\[\\]{}:]{0,20},?){0,4}\\}\\}".prop_map(String::into_bytes),
            "\\{\"error\":\\{\"status\":\"RESOURCE_EXHAUSTED\",\"details\":\\[[a-z{}\\[\\]\":,0-9]{0,40}\\]\\}\\}".prop_map(String::into_bytes),
        ],
        status in 100_u16..600,
    ) {
        let names = ["retry-after", "retry-after-ms", "x-ratelimit-reset-tokens", "x-ratelimit-reset",
            "anthropic-ratelimit-tokens-reset", "x-ratelimit-remaining-tokens", "x-amzn-errortype"];
        let headers = names.iter().map(|name| (*name, value.as_bytes()));
        let signals = Signals::read(status, headers, &body, WALL);
        prop_assert!(signals.wait().is_none_or(|wait| wait <= MAX_WAIT));
    }
}
