//! Policies that hold.

use std::{num::NonZeroU64, time::Duration};

use super::{limits, load, load_with};
use crate::{
    Attribute, Attributes, NanoUsd, Unit,
    policy::{
        Measure, Sources,
        settings::{Assumed, Dialect, Mount, OpenInput, PricePerMillion, StoreKind, Unpriced},
    },
};

/// The example of the design, with a memory store's neighbours as they are.
pub(super) const EXAMPLE: &str = r#"
[server]
listen = "127.0.0.1:8787"
[store]
kind = "embedded"            # memory | embedded | redis
path = "tollgate.db"         # redis: url = "redis://127.0.0.1:6379/0"
[providers.openai]
dialect  = "openai"
base_url = "https://api.openai.com/v1"
api_key  = "env:OPENAI_API_KEY"
[[limits]]
name = "user-minute"
per  = ["user"]
requests = "10/minute"                      # window; bucket = { rate = "…", burst = … } for a bucket
tiers = { premium = "60/minute" }
[[limits]]
name = "user-spend"
per  = ["user"]
usd  = "5/day"                              # period
[[limits]]
name = "user-slots"
per  = ["user"]
concurrency = 3
queue = { size = 10, timeout = "30s", overflow = "drop_newest" }
[[limits]]
name = "gpt-tokens"
when = { provider = "openai", model = "gpt-*" }
tokens = "180000/minute"
shadow = true                               # counts and reports, never refuses
"#;

#[test]
fn the_example_of_the_design_holds() {
    let config = load_with(EXAMPLE, &[("OPENAI_API_KEY", "sk-secret")]).expect("a good policy");
    assert_eq!(
        limits(&config),
        [
            "user-minute per [user]: 10 requests per minute",
            "user-spend per [user]: $5 per calendar day",
            "user-slots per [user]: 3 at once",
            "gpt-tokens per []: 180000 tokens per minute",
        ]
    );
    let premium = Attributes::new().with(Attribute::Tier, "premium");
    let [minute, .., tokens] = config.policy.limits() else { panic!("four limits") };
    assert_eq!(minute.describe(&premium), "60 requests per minute");
    assert!(tokens.shadow && !minute.shadow);
    let gpt = Attributes::new().with(Attribute::Provider, "openai");
    assert!(!tokens.when.matches(&gpt));
    assert!(tokens.when.matches(&gpt.with(Attribute::Model, "gpt-4o")));
    let openai = &config.settings.providers["openai"];
    assert_eq!(openai.dialect, Dialect::Openai);
    assert_eq!(openai.base_url.to_string(), "https://api.openai.com/v1");
    assert_eq!(openai.api_key.as_ref().map(|key| key.expose()), Some("sk-secret"));
    assert_eq!(openai.body_bound(&config.settings), Some(32 << 20));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let queue = config.policy.limits()[2].queue.as_ref().expect("a queue");
    assert_eq!((queue.rules.size, queue.rules.timeout), (10, Duration::from_secs(30)));
    assert!(!config.allows_anonymous(), "there are limits per user");
}

#[test]
fn no_secret_is_shown() {
    let config = load_with(EXAMPLE, &[("OPENAI_API_KEY", "sk-secret")]).expect("a good policy");
    assert!(config.to_toml().contains("env:OPENAI_API_KEY"));
    for shown in [config.to_toml(), &format!("{config:?}")] {
        assert!(!shown.contains("sk-secret"), "{shown}");
    }
}

#[test]
fn every_form_of_a_limit_is_read() {
    for (said, expected) in [
        (r#"requests = "20/m""#, "20 requests per minute"),
        (r#"requests = "100/15m""#, "100 requests per 15 minutes"),
        (r#"requests = "500/day""#, "500 requests per day"),
        (r#"requests = "500/2 weeks""#, "500 requests per 14 days"),
        (r#"requests = "0/hour""#, "0 requests per hour"),
        (r#"tokens = "180000/minute""#, "180000 tokens per minute"),
        (r#"input_tokens = "5/s""#, "5 input tokens per second"),
        (r#"output_tokens = "5/s""#, "5 output tokens per second"),
        (r#"seconds = "1.5/hour""#, "1.500 seconds per hour"),
        (r#"usd = "1.50/minute""#, "$1.5 per minute"),
        (r#"usd = "5/day""#, "$5 per calendar day"),
        (r#"usd = "5/week""#, "$5 per calendar week"),
        (r#"usd = "5/month""#, "$5 per calendar month"),
        (r#"usd = "500/total""#, "$500 in all"),
        (r#"tokens = "1000/total""#, "1000 tokens in all"),
        (r#"requests = { amount = 7, per = "total" }"#, "7 requests in all"),
        (r#"usd = { amount = 500, per = "total", kind = "period" }"#, "$500 in all"),
        (r#"usd = "5/24h""#, "$5 per day"),
        (r#"usd = { amount = 5, per = "day", kind = "window" }"#, "$5 per day"),
        (r#"usd = { amount = 0.25, per = "month" }"#, "$0.25 per calendar month"),
        (
            r#"requests = { amount = 5, per = "month", kind = "period" }"#,
            "5 requests per calendar month",
        ),
        (r#"requests = { amount = 5, per = "10s" }"#, "5 requests per 10 seconds"),
        (
            r#"usd = { amount = "1", per = "minute", kind = "bucket", burst = "0.50" }"#,
            "$1 per minute with a burst of $0.5",
        ),
        (
            r#"bucket = { rate = "10/second", burst = 20 }"#,
            "10 requests per second with a burst of 20 requests",
        ),
        (
            r#"bucket = { rate = "0.33/second", tokens = 2, burst = 1 }"#,
            "33 requests per 100 seconds with a burst of 3 requests",
        ),
        (
            r#"bucket = { rate = "0.5/second", tokens = 2 }"#,
            "1 requests per 2 seconds with a burst of 2 requests",
        ),
        (
            r#"bucket = { rate = "1/3s", unit = "tokens" }"#,
            "1 tokens per 3 seconds with a burst of 1 tokens",
        ),
        ("concurrency = 3", "3 at once"),
        (r#"concurrency = "3""#, "3 at once"),
        ("concurrency = 0", "0 at once"),
        ("sessions = 12", "12 sessions at once"),
        (r#"sessions = { max = 12, idle = "5m" }"#, "12 sessions at once"),
    ] {
        let config = load(&format!("[[limits]]\nname = \"x\"\n{said}\n")).expect(said);
        assert_eq!(limits(&config), [format!("x per []: {expected}")], "{said}");
        assert!(config.warnings.is_empty());
    }
}

#[test]
fn what_a_limit_says_beside_its_amount_is_kept() {
    let text = r#"
        [[limits]]
        name = "x"
        per = ["team", "job"]
        sessions = { max = 12, idle = "5m" }
        tiers = { big = 50, small = { max = 2, idle = "1m" } }
        status = 503
        retry_after = "120s"
        when = { job = ["a-*", "b"], tier = "big" }
        [[limits]]
        name = "y"
        usd = "1/day"
        timezone = "Europe/Berlin"
        [[limits]]
        name = "off"
        usd = "1/day"
        enabled = false
    "#;
    let config = load(text).expect("a good policy");
    let [x, y] = config.policy.limits() else { panic!("two limits") };
    assert_eq!(x.per, [Attribute::Team, Attribute::Own("job".into())]);
    assert_eq!((x.status, x.retry_after), (Some(503), Duration::from_secs(120)));
    assert_eq!(x.tiers[0].1.cap(), 50);
    let Measure::Sessions { cap: 2, idle } = x.tiers[1].1 else { panic!("{:?}", x.tiers) };
    assert_eq!(idle, Duration::from_secs(60));
    let job = |job: &str| {
        Attributes::new().with(Attribute::Own("job".into()), job).with(Attribute::Tier, "big")
    };
    assert!(x.when.matches(&job("a-1")) && x.when.matches(&job("b")) && !x.when.matches(&job("c")));
    assert_eq!(y.unit, Unit::Usd);
    // Berlin's midnight, an hour before that of UTC.
    let noon = crate::Time::from_nanos(1_795_000_000 * 1_000_000_000);
    let crate::Kind::Period { start, .. } = y.measure.rule(noon).kind else { panic!("{y:?}") };
    assert_eq!(start / 1_000_000_000 % 86_400, 23 * 3_600);
}

#[test]
fn settings_have_their_defaults() {
    let config = load("").expect("an empty policy");
    let settings = &config.settings;
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:8787");
    assert_eq!(settings.server.admin_listen.to_string(), "127.0.0.1:8788");
    assert_eq!(settings.server.header_timeout, Duration::from_secs(10));
    assert_eq!(settings.store.kind, StoreKind::Embedded);
    assert_eq!(settings.store.hold_timeout, Duration::from_secs(600));
    assert_eq!(settings.store.retention, Duration::from_secs(400 * 86_400));
    assert_eq!(settings.prices.unpriced, Unpriced::DenyWhenBudgeted);
    assert_eq!(settings.estimates.open_input, OpenInput::Learned);
    assert!(settings.sandbox.enabled && !settings.identity.trust_headers);
    assert!(config.allows_anonymous(), "there is no limit per user");
}

#[test]
fn settings_are_read() {
    let text = r#"
        [server]
        header_timeout = "2.5s"
        max_body = "1MiB"
        [store]
        kind = "memory"
        [identity]
        trust_headers = true
        [[keys]]
        id = "alice"
        hash = "blake3:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
        user = "alice"
        attributes = { job = "x" }
        [admin]
        token = "env:ADMIN"
        [providers.app]
        dialect = "http"
        base_url = "http://127.0.0.1:3000/"
        mount = "/"
        read_timeout = "1m"
        [sandbox]
        latency = "20ms"
        error_rate = 0.5
        truncate_rate = 1
        [prices]
        unpriced = { assume = { input = "2.50", output = 10 } }
        [prices.models."Llama-3.2-3B-Instruct"]
        input = 0.2
        output = "0.60"
        max_input_tokens = 131072
        max_output_tokens = 8192
        [estimates]
        open_input = "maximum"
        [log]
        level = "debug"
        format = "json"
    "#;
    let config = load_with(text, &[("ADMIN", "t")]).expect("a good policy");
    let settings = &config.settings;
    assert_eq!(settings.server.header_timeout, Duration::from_millis(2_500));
    assert_eq!(settings.server.max_body, 1 << 20);
    assert_eq!(settings.keys[0].hash.as_bytes()[31], 31);
    let app = &settings.providers["app"];
    assert_eq!((app.mount, app.body_bound(settings)), (Mount::AtRoot, None));
    assert_eq!(settings.sandbox.error_rate.value(), 0.5);
    let dollars = |nanos| PricePerMillion(NanoUsd(nanos));
    let assumed = Assumed {
        input: dollars(2_500_000_000),
        output: dollars(10_000_000_000),
        request: None,
        search: None,
        file_search: None,
        code_interpreter: None,
        maps: None,
        kept_tools: None,
        minute: None,
    };
    assert_eq!(settings.prices.unpriced, Unpriced::Assume(assumed));
    let llama = &settings.prices.models["Llama-3.2-3B-Instruct"];
    assert_eq!((llama.input, llama.output), (dollars(200_000_000), dollars(600_000_000)));
    let most = (llama.max_input_tokens, llama.max_output_tokens);
    assert_eq!(most, (NonZeroU64::new(131_072), NonZeroU64::new(8_192)));
    assert_eq!(settings.estimates.open_input, OpenInput::Maximum);
}

#[test]
fn an_account_survives_a_changed_amount() {
    let of = |text: &str| load(text).expect(text).policy.limits()[0].id;
    let before = of("limits = [{ name = \"a\", per = [\"user\"], requests = \"1/s\" }]");
    let raised =
        of("limits = [{ name = \"a\", per = [\"user\"], requests = \"9/m\", shadow = true }]");
    let elsewhere = of("limits = [{ name = \"a\", per = [\"team\"], requests = \"1/s\" }]");
    assert_eq!(before, raised);
    assert_ne!(before, elsewhere);
}

#[test]
fn the_effective_policy_means_the_same() {
    let variables = [("OPENAI_API_KEY", "k"), ("TOLLGATE_LIMITS_USER_SLOTS_CONCURRENCY", "7")];
    let config = load_with(EXAMPLE, &variables).expect("a good policy");
    let again = load_with(config.to_toml(), &variables[..1]).expect("the same policy");
    assert_eq!(again.settings, config.settings);
    assert_eq!(limits(&again), limits(&config));
    assert!(limits(&config).contains(&"user-slots per [user]: 7 at once".to_owned()));
    assert_eq!(again.to_toml(), config.to_toml());
}

#[test]
fn without_sources_the_default_serves() {
    let config = Sources::default().load().expect("the built-in policy");
    assert!(config.allows_anonymous());
    assert!(config.policy.limits().iter().all(|limit| limit.unit != Unit::Usd));
}
