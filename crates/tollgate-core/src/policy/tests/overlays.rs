//! What lies over what.

use super::{environment, limits, load, load_with};
use crate::policy::{Config, Environment, PolicyError, Sources};

const BASE: &str = r#"
    [server]
    listen = "127.0.0.1:1"
    header_timeout = "1s"
    [[limits]]
    name = "a"
    per = ["user"]
    requests = "1/minute"
    tiers = { big = "2/minute" }
    status = 503
    [[limits]]
    name = "b"
    concurrency = 1
    [profile.production]
    server = { listen = "127.0.0.1:2" }
    limits = [{ name = "a", requests = "5/minute" }, { name = "c", concurrency = 3 }]
    [profile.testing.providers.app]
    dialect = "http"
    base_url = "http://127.0.0.1:3"
    api_key = "env:NOT_HERE"
"#;

fn told(errors: &[PolicyError]) -> Vec<String> {
    errors.iter().map(PolicyError::on_one_line).collect()
}

#[test]
fn a_profile_lies_over_the_file_and_the_environment_over_both() {
    let config = load_with(BASE, &[]).expect("a good policy");
    assert_eq!(config.settings.server.listen.port(), 1);
    assert_eq!(limits(&config), ["a per [user]: 1 requests per minute", "b per []: 1 at once"]);

    let production = [("TOLLGATE_ENV", "production")];
    let config = load_with(BASE, &production).expect("a good policy");
    assert_eq!(config.profile.as_deref(), Some("production"));
    assert_eq!(config.settings.server.listen.port(), 2);
    assert_eq!(config.settings.server.header_timeout.as_secs(), 1, "the rest of the table stays");
    let expected =
        ["a per [user]: 5 requests per minute", "b per []: 1 at once", "c per []: 3 at once"];
    assert_eq!(limits(&config), expected);
    let a = &config.policy.limits()[0];
    assert_eq!((a.status, a.tiers.len()), (Some(503), 1), "the rest of the limit stays");

    let both = [
        production[0],
        ("TOLLGATE_SERVER_LISTEN", "127.0.0.1:4"),
        ("TOLLGATE_LIMITS_B_CONCURRENCY", "9"),
    ];
    let config = load_with(BASE, &both).expect("a good policy");
    assert_eq!(config.settings.server.listen.port(), 4);
    assert_eq!(limits(&config)[1], "b per []: 9 at once");
}

#[test]
fn the_file_lies_over_the_preset() {
    let text =
        "extends = \"assistant\"\n[[limits]]\nname = \"user-minute\"\nrequests = \"7/minute\"\n";
    let extended = load(text).expect("a good policy");
    assert_eq!(limits(&extended)[0], "user-minute per [user]: 7 requests per minute");
    assert_eq!(extended.policy.limits().len(), 7);

    let file = Some(("p.toml".to_owned(), text.replace("extends = \"assistant\"\n", "")));
    let preset = Some("assistant".to_owned());
    let named = Sources { preset, file: file.clone(), ..Sources::default() };
    assert_eq!(limits(&named.load().expect("a good policy")), limits(&extended));
    let environment = environment(&[("TOLLGATE_PRESET", "assistant")]);
    let named = Sources { file, environment, ..Sources::default() };
    assert_eq!(limits(&named.load().expect("a good policy")), limits(&extended));

    let preset = Some("default".to_owned());
    let file = Some(("p.toml".to_owned(), text.to_owned()));
    let both = Sources { preset, file, ..Sources::default() };
    assert_eq!(
        told(&both.load().expect_err("two presets")),
        [
            "p.toml:1:11: this extends `assistant`, but the preset asked for is `default` (leave one of the two out)"
        ]
    );
}

#[test]
fn a_measure_that_is_laid_over_another_replaces_it() {
    let text = format!("{BASE}\n[profile.x]\nlimits = [{{ name = \"a\", usd = \"1/day\" }}]\n");
    let config = load_with(&text, &[("TOLLGATE_ENV", "x")]).expect("a good policy");
    assert_eq!(limits(&config)[0], "a per [user]: $1 per calendar day");
    assert!(config.policy.limits()[0].tiers.is_empty(), "its tiers were of requests");
}

#[test]
fn a_missing_profile_is_told() {
    let wrong = |name: &str| told(&load_with(BASE, &[("TOLLGATE_ENV", name)]).expect_err(name));
    assert_eq!(
        wrong("prodution"),
        ["the policy has no profile `prodution` (did you mean `production`?)"]
    );
    assert_eq!(
        wrong("x"),
        ["the policy has no profile `x` (its profiles are production, testing)"]
    );
    let config = load_with("", &[("TOLLGATE_ENV", "x")]).expect("no profiles at all");
    assert_eq!(
        told(&config.warnings),
        ["the policy has no profile `x` (it has no profiles at all)"]
    );
}

#[test]
fn a_profile_that_is_not_chosen_is_checked_but_for_its_secrets() {
    let text = format!("{BASE}\n[profile.x.server]\nlisten = \"x\"\n");
    let errors = told(&load(&text).expect_err("a bad profile"));
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].starts_with("p.toml:23:10: `server.listen`: `x` is no address"),
        "{errors:?}"
    );
    let elsewhere = "[profile.x.server]\nadmin_listen = \"0.0.0.0:1\"\n[profile.x.providers.new]\ndialect = \"http\"\n";
    load(&format!("{BASE}\n{elsewhere}")).expect("its token and its address may be given there");
    let chosen = load_with(BASE, &[("TOLLGATE_ENV", "testing")]).expect_err("a missing secret");
    assert_eq!(
        told(&chosen),
        [
            "p.toml:20:15: `providers.app.api_key`: the environment variable NOT_HERE is not set (set it in the environment or in .env)"
        ]
    );
}

#[test]
fn every_scalar_has_its_variable() {
    let set = [
        ("TOLLGATE_SERVER_ADMIN_LISTEN", "127.0.0.1:9"),
        ("TOLLGATE_SERVER_MAX_CONNECTIONS", "7"),
        ("TOLLGATE_STORE_PATH", "x.db"),
        ("TOLLGATE_STORE_KIND", "memory"),
        ("TOLLGATE_IDENTITY_TRUST_HEADERS", "true"),
        ("TOLLGATE_SANDBOX_LATENCY", "20ms"),
        ("TOLLGATE_SANDBOX_ERROR_RATE", "0.25"),
        ("TOLLGATE_SANDBOX_TOKENS_PER_MINUTE", "180000"),
        ("TOLLGATE_SANDBOX_OUTAGE_LASTS", "60s"),
        ("TOLLGATE_PROVIDERS_APP_BASE_URL", "http://127.0.0.1:3000"),
        ("TOLLGATE_PROVIDERS_APP_DIALECT", "http"),
        ("TOLLGATE_PROVIDERS_APP_API_KEY", "hunter2"),
        ("TOLLGATE_PRICES_UNPRICED", "deny"),
        ("TOLLGATE_LIMITS_A_REQUESTS", "3/minute"),
        ("TOLLGATE_LIMITS_A_SHADOW", "true"),
        ("TOLLGATE_LIMITS_A_PER", "user, team"),
        ("TOLLGATE_API_TOKEN", "env:THE_TOKEN"),
        ("THE_TOKEN", "hunter3"),
        ("TOLLGATE_LOG", "debug"),
        ("TOLLGATE_STORE_HOLD_TIMEOUT", ""),
    ];
    let config = load_with(BASE, &set).expect("a good policy");
    let settings = &config.settings;
    assert_eq!(settings.server.admin_listen.port(), 9);
    assert_eq!(settings.server.max_connections.get(), 7);
    assert_eq!(settings.store.path, Some("x.db".into()));
    assert!(settings.identity.trust_headers);
    assert_eq!(settings.sandbox.error_rate.value(), 0.25);
    assert_eq!(settings.sandbox.tokens_per_minute, 180_000);
    assert_eq!(settings.sandbox.outage.lasts.as_secs(), 60);
    let app = &settings.providers["app"];
    assert_eq!(app.base_url.to_string(), "http://127.0.0.1:3000");
    let key = app.api_key.as_ref().expect("a key");
    assert_eq!((key.name(), key.expose()), ("TOLLGATE_PROVIDERS_APP_API_KEY", "hunter2"));
    assert_eq!(settings.api.token.as_ref().expect("a token").expose(), "hunter3");
    assert_eq!(limits(&config)[0], "a per [user, team]: 3 requests per minute");
    assert!(config.policy.limits()[0].shadow);
    assert!(!config.to_toml().contains("hunter"));
}

#[test]
fn variables_that_are_wrong_are_named() {
    let wrong = |name, value| told(&load_with(BASE, &[(name, value)]).expect_err(name));
    for (name, value, expected) in [
        (
            "TOLLGATE_SERVER_LISTN",
            "x",
            "environment variable TOLLGATE_SERVER_LISTN: no key of the policy has this name (did you mean TOLLGATE_SERVER_LISTEN?)",
        ),
        (
            "TOLLGATE_WHATEVER_ELSE",
            "x",
            "environment variable TOLLGATE_WHATEVER_ELSE: no key of the policy has this name (names are TOLLGATE_SECTION_KEY, such as TOLLGATE_SERVER_LISTEN)",
        ),
        (
            "TOLLGATE_SERVER_MAX_CONNECTIONS",
            "many",
            "environment variable TOLLGATE_SERVER_MAX_CONNECTIONS: `server.max_connections`: expected a whole number, at least 1 and not too large, found the text `many`",
        ),
        (
            "TOLLGATE_LIMITS_A_REQUESTS",
            "3",
            "environment variable TOLLGATE_LIMITS_A_REQUESTS: `limits.a.requests`: `3` is no rate: write an amount per time, like 10/minute or 100/15m",
        ),
        (
            "TOLLGATE_LIMITS_NONE_REQUESTS",
            "3/s",
            "environment variable TOLLGATE_LIMITS_NONE_REQUESTS: no key of the policy has this name (did you mean TOLLGATE_LIMITS_B_REQUESTS?)",
        ),
        (
            "TOLLGATE_PROVIDERS_APP_COLOR",
            "x",
            "environment variable TOLLGATE_PROVIDERS_APP_COLOR: no key of the policy has this name (names are TOLLGATE_SECTION_KEY, such as TOLLGATE_SERVER_LISTEN)",
        ),
    ] {
        assert_eq!(wrong(name, value), [expected]);
    }
}

#[test]
fn the_process_lies_over_dotenv() {
    let process = [("A".to_owned(), "1".to_owned()), ("B".to_owned(), String::new())];
    let dotenv = Some((".env", "A=2\nB=3\nC=4\n"));
    let environment = Environment::new(process, dotenv).expect("a good file");
    let values = ["A", "B", "C", "D"].map(|name| environment.value(name));
    assert_eq!(values, [Some("1"), Some("3"), Some("4"), None]);
    assert!(!format!("{environment:?}").contains('4'), "values are not shown");
}

#[test]
fn an_unknown_preset_is_told() {
    let preset = Some("asistant".to_owned());
    let load: Result<Config, _> = Sources { preset, ..Sources::default() }.load();
    let errors = told(&load.expect_err("no such preset"));
    assert_eq!(errors, ["there is no preset `asistant` (did you mean `assistant`?)"]);
}

#[test]
fn a_variable_of_the_policys_own_chooses_the_profile_where_no_other_does() {
    let text = format!("{BASE}[environment]\nSTAGE = {{ profile = true }}\n");
    let chosen = |variables: &[(&str, &str)]| load_with(&text, variables).map(|it| it.profile);
    let testing = ("NOT_HERE", "a key");
    for (variables, profile) in [
        (&[][..], None),
        (&[("STAGE", "production")], Some("production")),
        (&[("STAGE", "production"), ("TOLLGATE_ENV", "testing"), testing], Some("testing")),
    ] {
        let found = chosen(variables).expect("a good policy");
        assert_eq!(found.as_deref(), profile, "{variables:?}");
    }
    let errors = chosen(&[("STAGE", "producton")]).expect_err("there is none");
    assert!(told(&errors)[0].contains("did you mean `production`?"), "{errors:?}");
}

#[test]
fn a_value_with_an_exclamation_mark_is_left_out() {
    use crate::{Attribute, Attributes};
    let text =
        "[[limits]]\nname = \"a\"\nwhen = { model = [\"!gpt-4*\", \"!o3\"] }\nrequests = \"1/s\"\n";
    let config = load(text).expect("a good policy");
    let is_for = |who: &Attributes| config.policy.limits()[0].when.matches(who);
    let of = |model: &str| Attributes::new().with(Attribute::Model, model);
    assert!(is_for(&of("gpt-5")) && !is_for(&of("gpt-4o")) && !is_for(&of("o3")));
    assert!(!is_for(&Attributes::new()), "who names no model is not meant");
}

#[test]
fn tasks_have_limits_of_time_that_make_sense() {
    let of = |text: &str| {
        load(&format!("[tasks]\n{text}\n[[limits]]\nname = \"a\"\nrequests = \"1/s\"\n"))
    };
    let tasks =
        of("soft_time_limit = \"5m\"\nhard_time_limit = \"6m\"").expect("good").settings.tasks;
    let seconds = |limit: Option<std::time::Duration>| limit.map(|it| it.as_secs());
    assert_eq!(
        (seconds(tasks.soft_time_limit), seconds(tasks.hard_time_limit)),
        (Some(300), Some(360))
    );
    for (text, expected) in [
        (
            "hard_time_limit = \"0s\"",
            "2:19: `tasks.hard_time_limit`: it would be over at once: write a time above 0",
        ),
        (
            "soft_time_limit = \"6m\"\nhard_time_limit = \"6m\"",
            "2:19: `tasks.soft_time_limit`: it must be shorter than hard_time_limit, which cuts",
        ),
    ] {
        let errors = of(text).expect_err(text);
        assert!(told(&errors)[0].ends_with(expected), "{errors:?}");
    }
}
