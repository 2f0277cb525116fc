//! What stands before providers, and names with several models behind them.

use std::time::Duration;

use super::load;
use crate::{
    adaptive::RetrySettings,
    breaker::{BreakerSettings, Mode},
    policy::{
        Config,
        settings::{Fallback, Learn, Provider},
    },
    quota::Refill,
};

const TWO: &str = "[providers.a]\ndialect = \"openai\"\nbase_url = \"https://a.example/v1\"\n[providers.b]\ndialect = \"openai\"\nbase_url = \"https://b.example/v1\"\n[providers.app]\ndialect = \"http\"\nbase_url = \"http://127.0.0.1:9\"\n";

fn with(text: &str) -> Config {
    load(&format!("{TWO}{text}")).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn provider(text: &str) -> Provider {
    with(text).settings.providers["a"].clone()
}

/// What is wrong, without its place.
fn wrong(text: &str) -> Vec<String> {
    let errors = load(&format!("{TWO}{text}")).expect_err(text);
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn an_ai_provider_has_a_breaker_and_an_application_has_none() {
    let config = with("");
    assert_eq!(config.settings.providers["a"].breaker(), Some(BreakerSettings::default()));
    assert_eq!(config.settings.providers["app"].breaker(), None);
    let app = with("[providers.app.breaker]\nfailures = 3");
    assert_eq!(app.settings.providers["app"].breaker().map(|its| its.failures), Some(3));
}

#[test]
fn all_of_it_is_read_and_shown() {
    let text = r#"
        [providers.a.breaker]
        mode = "observe"
        failures = 10
        failure_rate = 0
        recovery = "60s"
        [providers.a.retry]
        attempts = 2
        share = 0.2
        [providers.a.learn]
        announced = false
        wait = "10s"
        quota = { refill = "evenly" }
        concurrency = { signal = "per_token", max = 50 }
        interval = {}
        [models.smart]
        models = ["a/one", { model = "b/meta/llama", weight = 3 }]
        [models."deep.think"]
        models = ["a/two"]
        translate = true
        fallback = "cache"
    "#;
    let config = with(text);
    let its = &config.settings.providers["a"];
    let breaker = its.breaker().expect("a breaker");
    assert_eq!((breaker.mode, breaker.failures), (Mode::Observe, 10));
    assert_eq!(breaker.recovery, Duration::from_secs(60));
    let retry = its.retry.as_ref().expect("retries");
    assert_eq!((retry.attempts, retry.burst), (2, RetrySettings::default().burst));
    let learn = its.learn.as_ref().expect("it learns");
    assert_eq!((learn.announced, learn.wait), (false, Duration::from_secs(10)));
    assert_eq!(learn.quota.refill, Refill::Evenly);
    assert_eq!(learn.concurrency.as_ref().map(|its| its.max), Some(50));
    // The interval of an AI service as it is known there: 0.1 s to 5 s, times 1.5.
    let interval = learn.interval.as_ref().expect("an interval");
    assert_eq!(interval.min, Duration::from_millis(100));
    assert_eq!((interval.max, interval.backoff), (Duration::from_secs(5), 1.5));
    let smart = &config.settings.models["smart"];
    let models: Vec<String> = smart.models.iter().map(|one| one.model.to_string()).collect();
    assert_eq!(models, ["a/one", "b/meta/llama"]);
    assert!(smart.is_weighted() && !smart.translate);
    let deep = &config.settings.models["deep.think"];
    assert!(!deep.is_weighted() && deep.translate);
    assert_eq!(deep.fallback, Fallback::Cache);
    let again = load(config.to_toml()).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!(again.settings, config.settings);
}

#[test]
fn what_is_not_said_is_as_usual() {
    let learn = provider("[providers.a.learn]").learn.expect("it learns");
    assert_eq!(learn, Learn::default());
    assert!(learn.announced && learn.concurrency.is_none() && learn.interval.is_none());
    let breaker = provider("[providers.a.breaker]").breaker().expect("a breaker");
    assert_eq!(breaker, BreakerSettings::default());
}

#[test]
fn what_makes_no_sense_is_told() {
    for (text, told) in [
        (
            "[providers.a.breaker]\nthreshold = 5",
            "unknown key `threshold` in `providers.a.breaker`",
        ),
        (
            "[providers.a.breaker]\nprobes = 0",
            "`providers.a.breaker`: probes = 0 is not possible: write a number from 1 to 100",
        ),
        (
            "[providers.a.retry]\nattempts = 0",
            "`providers.a.retry`: attempts = 0 is not possible: write a number from 1 to 10",
        ),
        (
            "[providers.a.learn]\nconcurrency = { min = 5, initial = 1 }",
            "`providers.a.learn.concurrency`: initial = 1 is not between min = 5 and max = 200",
        ),
        (
            "[providers.app.learn]\nannounced = true",
            "`providers.app.learn`: an application is not asked twice, and tells no limits",
        ),
        (
            "[models.x]\nmodels = []",
            "`models.x.models`: an empty list serves nobody: write models like openai/gpt-5",
        ),
        ("[models.x]\nmodels = [\"a/m\", \"a/m\"]", "`models.x.models`: `a/m` is there twice"),
        ("[models.x]\nmodels = [\"c/m\"]", "`models.x.models`: there is no provider `c`"),
        ("[models.x]\nmodels = [\"app/m\"]", "`models.x.models`: `app` is no AI provider"),
        (
            "[models.x]\nmodels = [\"m\"]",
            "`models.x.models.1`: `m` is no model of a provider: write it like openai/gpt-5",
        ),
        (
            "[models.x]\nmodels = [{ model = \"a/m\", weight = 0 }]",
            "`models.x.models`: all weights are 0, so none is ever first: give one a weight",
        ),
        (
            "[models.\"a b\"]\nmodels = [\"a/m\"]",
            "a model's name has 1 to 256 visible characters, without blanks",
        ),
        ("[models.x]\nmodel = \"a/m\"", "unknown key `model` in `models.x`"),
    ] {
        assert!(wrong(text).iter().any(|error| error == told), "{text}: {:?}", wrong(text));
    }
    let many: Vec<String> = (0..17).map(|nth| format!("\"a/m{nth}\"")).collect();
    let many = format!("[models.x]\nmodels = [{}]", many.join(", "));
    assert_eq!(wrong(&many), ["`models.x.models`: there are more than 16"]);
}

#[test]
fn what_is_probably_not_meant_is_told() {
    let warnings = |text: &str| -> Vec<String> {
        with(text).warnings.iter().map(ToString::to_string).collect()
    };
    assert_eq!(warnings(""), [""; 0]);
    assert_eq!(
        warnings("[providers.a.breaker]\nprobe_lease = \"60s\""),
        [
            "`providers.a.breaker.probe_lease` of 1m is shorter than read_timeout, so a probe that is slow counts as lost"
        ]
    );
    assert_eq!(warnings("[models.x]\nmodels = [\"a/m\"]\ntranslate = true"), [""; 0]);
    let others = |more: &str| {
        let provider = |name: &str, dialect: &str| {
            let url = "https://c.example";
            format!("[providers.{name}]\ndialect = \"{dialect}\"\nbase_url = \"{url}\"\n")
        };
        let (c, d) = (provider("c", "anthropic"), provider("d", "gemini"));
        warnings(&format!("{c}{d}[models.x]\n{more}"))
    };
    assert_eq!(others("models = [\"a/m\", \"c/m\"]\ntranslate = true"), [""; 0]);
    assert_eq!(others("models = [\"a/m\", \"d/m\"]"), [""; 0]);
    assert_eq!(
        others("models = [\"a/m\", \"c/m\"]"),
        [
            "`models.x.models`: callers of `a/m` pass over `c/m`, which speaks another dialect: set `translate = true` to have requests translated"
        ]
    );
    assert_eq!(
        others("models = [\"d/m\"]\ntranslate = true"),
        [
            "`models.x.translate`: none of its models speaks OpenAI's chat completions or Anthropic's messages, and nothing else is translated"
        ]
    );
    let falls = "[models.x]\nmodels = [\"a/m\"]\nfallback = \"cache\"\n";
    assert_eq!(
        warnings(falls),
        [
            "`models.x.fallback`: no answers are kept, so none can be served: set `enabled = true` in `[cache]`"
        ]
    );
    assert_eq!(warnings(&format!("{falls}[cache]\nenabled = true")), [""; 0]);
    assert_eq!(
        warnings(&format!("{falls}[cache]\nenabled = true\nstale = \"0s\"")),
        [
            "`models.x.fallback`: no answer stays beyond its time, so there is none that is not served anyway: give `stale` a time in `[cache]`"
        ]
    );
}

#[test]
fn a_profile_and_the_environment_reach_into_them() {
    let text = format!("{TWO}[providers.a.breaker]\nfailures = 7\n");
    let config = super::load_with(&text, &[("TOLLGATE_PROVIDERS_A_BREAKER_FAILURES", "9")]);
    let config = config.unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!(config.settings.providers["a"].breaker().map(|its| its.failures), Some(9));
}
