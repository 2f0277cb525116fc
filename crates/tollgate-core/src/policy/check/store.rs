//! What a store can and cannot be made of.

use std::time::Duration;

use crate::policy::{
    Limit, Measure, PolicyError, Settings,
    limits::Findings,
    settings::{Store, StoreKind},
    tree::Node,
    values::RedisUrl,
};

/// The shortest time that the ledger's rows are kept.
const A_MONTH: Duration = Duration::from_secs(32 * 86_400);

/// Longer than this nobody waits for a decision.
const LONGEST_CALL: Duration = Duration::from_secs(5);

/// What its scripts count exactly: they have whole numbers in doubles.
const MOST_SHARED: u64 = (1 << 53) - 1;

/// The most servers that are named; a cluster tells its others.
const MAX_SERVERS: usize = 64;

/// Notes what does not go together.
pub(super) fn check(tree: &Node, settings: &Settings, findings: &mut Findings) {
    let store = &settings.store;
    let node = tree.child("store").unwrap_or(tree);
    let mut wrong = |key: &str, why: &str| {
        let message = format!("`store.{key}`: {why}");
        findings.errors.push(PolicyError::new(message).at(node.value_origin(key)));
    };
    if store.hold_timeout.is_zero() {
        wrong("hold_timeout", "a permit that expires at once holds nothing");
    }
    if store.retention < A_MONTH {
        wrong(
            "retention",
            "rows are kept for 32 days at least, so that an audit can follow every month that is under way",
        );
    }
    if store.timeout.is_zero() || store.timeout > LONGEST_CALL {
        wrong("timeout", "a call of Redis may take up to 5s, and at least 1ms");
    }
    if store.kind == StoreKind::Redis {
        servers(store, &mut wrong);
        who(store, &mut wrong);
        one_secret(node, settings, findings);
    } else {
        unused(node, store, findings);
    }
}

/// Notes limits that allow or refill more than can be counted exactly in Redis.
pub(in crate::policy) fn shared_limits(
    tree: &Node,
    settings: &Settings,
    limits: &[Limit],
    findings: &mut Findings,
) {
    if settings.store.kind != StoreKind::Redis {
        return;
    }
    let entries = tree.child("limits").map(Node::list).unwrap_or_default();
    for limit in limits {
        let tiers = limit.tiers.iter().map(|(_, measure)| measure);
        let Some(most) = tiers.chain([&limit.measure]).find_map(uncountable) else { continue };
        let named = |entry: &&Node| entry.child("name").and_then(Node::text) == Some(&limit.name);
        let origin = entries.iter().find(named).map_or(&tree.origin, |entry| &entry.origin);
        let message = format!(
            "the limit `{}` allows more than Redis can count exactly: {} at most",
            limit.name,
            limit.say(most)
        );
        let help = "give it a smaller number, or divide it: by model, by team, by a shorter period";
        findings.errors.push(PolicyError::new(message).at(origin).help(help));
    }
}

/// The most that could be, if a measure is beyond it.
fn uncountable(measure: &Measure) -> Option<u64> {
    if measure.cap() > MOST_SHARED {
        return Some(MOST_SHARED);
    }
    let Measure::Bucket { rate, per, .. } = measure else { return None };
    // Parts of a microsecond, in lowest terms.
    let per_ns = u64::try_from(per.as_nanos()).unwrap_or(u64::MAX);
    let parts = rate / divisor(*rate, per_ns);
    (parts > MOST_SHARED / 1_000).then_some(MOST_SHARED / 1_000)
}

const fn divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { divisor(other, one % other) }
}

/// Where Redis is must be said, once, and in one way.
fn servers(store: &Store, wrong: &mut impl FnMut(&str, &str)) {
    let several = store.cluster || store.sentinel.is_some();
    if store.addresses().next().is_none() && !store.names_host() {
        wrong("kind", "it is not said where Redis is: set url = \"redis://127.0.0.1:6379/0\"");
    }
    if store.url.is_some() && !store.urls.is_empty() {
        wrong("urls", "`url` says already where Redis is: keep one of both");
    }
    for (key, given) in [
        ("host", store.host.is_some()),
        ("port", store.port.is_some()),
        ("database", store.database.is_some()),
    ] {
        if given && store.addresses().next().is_some() {
            wrong(
                key,
                "the address says already where Redis is: write it there, or leave the address out",
            );
        }
    }
    if store.urls.len() > MAX_SERVERS {
        wrong("urls", "64 addresses are enough: Redis tells where the others are");
    }
    if store.urls.len() > 1 && !several {
        wrong(
            "urls",
            "several servers are a cluster (cluster = true) or sentinels (sentinel = \"NAME\"): say which",
        );
    }
    if store.cluster && store.sentinel.is_some() {
        wrong("sentinel", "a cluster has no sentinels: leave one of `cluster` and `sentinel` out");
    }
    if store.cluster && store.database() != 0 {
        let key = if store.database.is_some() { "database" } else { "cluster" };
        wrong(key, "a cluster has database 0 alone");
    }
    let same = |a: &RedisUrl, b: &RedisUrl| {
        (a.is_tls(), a.user(), a.password(), a.database())
            == (b.is_tls(), b.user(), b.password(), b.database())
    };
    if store.urls.windows(2).any(|pair| !same(&pair[0], &pair[1])) {
        wrong("urls", "scheme, user, password and database are the same in every address");
    }
    if store.ca.is_some() && !store.addresses().any(RedisUrl::is_tls) {
        wrong("ca", "nothing is reached by TLS: begin the address with rediss://");
    }
}

/// Who it is to Redis must be said once.
fn who(store: &Store, wrong: &mut impl FnMut(&str, &str)) {
    if store.user.is_some() && store.addresses().any(|url| url.user().is_some()) {
        wrong("user", "the address has a user already: keep one of both");
    }
    if store.password.is_some() && store.addresses().any(|url| url.password().is_some()) {
        wrong("password", "the address has a password already: keep one of both");
    }
    if store.sentinel_password.is_some() && store.sentinel.is_none() {
        wrong(
            "sentinel_password",
            "there are no sentinels: set sentinel = \"NAME\", or leave it out",
        );
    }
}

/// What one node makes the others must be able to read.
fn one_secret(node: &Node, settings: &Settings, findings: &mut Findings) {
    if settings.secret.is_some() {
        return;
    }
    let message = "each node makes keys and cookies from a secret of its own, which no other knows";
    let warning = PolicyError::warning(message).at(node.value_origin("kind"));
    findings
        .warnings
        .push(warning.help("set secret = \"env:TOLLGATE_SECRET\", the same at every node"));
}

/// Where Redis is, and nobody asks it.
fn unused(node: &Node, store: &Store, findings: &mut Findings) {
    for (key, given) in [
        ("url", store.url.is_some()),
        ("urls", !store.urls.is_empty()),
        ("host", store.host.is_some()),
        ("port", store.port.is_some()),
        ("database", store.database.is_some()),
    ] {
        if given {
            let message = format!("`store.{key}` has no effect: the store's kind is not redis");
            findings.warnings.push(PolicyError::warning(message).at(node.value_origin(key)));
        }
    }
}
