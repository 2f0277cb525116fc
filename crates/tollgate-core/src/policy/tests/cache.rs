//! Which answers are kept: policies that hold, and what is wrong with others.

use std::time::Duration;

use super::{bad::assert_wrong, load, load_with};
use crate::policy::settings::CacheScope;

#[test]
fn answers_are_kept_where_the_policy_says_so_and_for_as_long() {
    const HOUR: Duration = Duration::from_secs(3_600);
    let usual = load("").expect("a good policy").settings.cache;
    assert!(!usual.enabled && usual.scope == CacheScope::Tenant);
    assert_eq!([usual.queries, usual.embeddings, usual.contexts], [24 * HOUR, 168 * HOUR, HOUR]);
    let text = r#"
[cache]
enabled = true
scope = "user"
max_bytes = "8MiB"
max_entry = "64KiB"
queries = "1h"
max_temperature = 0
wait = "0s"
persist = true
meaning = { provider = "sandbox", model = "e", threshold = 0.9 }
"#;
    let own = load_with(text, &[("TOLLGATE_CACHE_EMBEDDINGS", "2h")]).expect("a good policy");
    let own = own.settings.cache;
    assert!(own.enabled && own.scope == CacheScope::User && own.wait.is_zero() && own.persist);
    let meaning = own.meaning.expect("an embedding model");
    assert_eq!((meaning.threshold.value(), meaning.max_bytes), (0.9, 16 << 20));
    assert_eq!(
        (own.max_bytes, own.max_entry, own.max_temperature.value()),
        (8 << 20, 64 << 10, 0.0)
    );
    assert_eq!([own.queries, own.embeddings, own.contexts], [HOUR, 2 * HOUR, HOUR]);
}

#[test]
fn answers_stay_longer_only_where_a_name_falls_back_on_them() {
    const HOUR: Duration = Duration::from_secs(3_600);
    let named = "[cache]\nenabled = true\n[models.x]\nmodels = [\"sandbox/m\"]\n";
    let stale = |more: &str, environment: &[(&str, &str)]| {
        let config = load_with(&format!("{named}{more}"), environment).expect("a good policy");
        config.settings.stale()
    };
    let falls = "fallback = \"cache\"";
    assert_eq!((stale("", &[]), stale(falls, &[])), (Duration::ZERO, 24 * HOUR));
    assert_eq!(stale(falls, &[("TOLLGATE_CACHE_STALE", "2h")]), 2 * HOUR);
}

/// Policies with one bad value, and what is said about it.
const VALUES: &[(&str, &str)] = &[
    (
        "[cache]\nscope = \"team\"",
        "2:9: `cache.scope`: `team` is not known in this version (the choices are tenant, user, global)",
    ),
    (
        "[store]\nkind = \"memory\"\n[cache]\npersist = true",
        "4:11: `cache.persist`: this store has no file that one could stand beside: set `store.kind = \"embedded\"`, or `store.path`, or leave it out",
    ),
    (
        "[cache]\nmeaning = { provider = \"x\", model = \"m\" }",
        "2:11: `cache.meaning.provider`: there is no provider `x` of dialect openai: name one that has an embedding model",
    ),
    (
        "[cache]\nstale = \"soon\"",
        "2:9: `cache.stale`: `soon` is no length of time: write it like 500ms, 30s, 5m, 1h or 7d",
    ),
    (
        "[cache]\nmax_temperature = 2.5",
        "2:19: `cache.max_temperature`: 2.5 is no temperature: write a number from 0 to 2",
    ),
    (
        "[cache]\nmax_entry = \"128MiB\"",
        "2:13: `cache.max_entry`: one answer may take half of `cache.max_bytes` at most",
    ),
    (
        "[cache]\nqueries = \"0s\"",
        "2:11: `cache.queries`: what is kept for no time is not kept: give a time, or leave it out",
    ),
];

#[test]
fn a_cache_that_could_keep_nothing_is_refused() {
    for (text, expected) in VALUES {
        assert_wrong(text, &[expected]);
    }
}
