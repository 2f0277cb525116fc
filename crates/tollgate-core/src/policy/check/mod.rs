//! What no single value shows: names, and settings that do not go together.

mod alerts;
mod emergency;
mod models;
mod providers;
mod routes;
mod store;

pub(super) use store::shared_limits;

use std::collections::BTreeSet;

use super::{
    PolicyError, Settings,
    limits::Findings,
    settings::Dialect,
    source::Origin,
    tree::{Entry, Node},
};

/// Keys that steer the overlays, and so cannot stand in one.
const STEERING: [&str; 3] = ["extends", "environment", "profile"];

/// Notes limits and keys of one text that have the same name: the later would be laid over
/// the earlier, which nobody means.
pub(super) fn names_are_distinct(node: &Node, errors: &mut Vec<PolicyError>) {
    for (list, key, what) in [("limits", "name", "limit"), ("keys", "id", "key")] {
        let mut seen = BTreeSet::new();
        let entries = node.child(list).map(Node::list).unwrap_or_default();
        for entry in entries {
            let Some(name) = entry.child(key).and_then(Node::text) else { continue };
            if !seen.insert(name) {
                let message = format!("there are two {what}s `{name}`: rename one of them");
                errors.push(PolicyError::new(message).at(entry.value_origin(key)));
            }
        }
    }
}

/// Notes what cannot stand in a profile.
pub(super) fn profile(name: &str, entry: &Entry, errors: &mut Vec<PolicyError>) {
    if entry.node.table().is_none() {
        let message = format!("`profile.{name}` is a table: write [profile.{name}]");
        errors.push(PolicyError::new(message).at(&entry.key));
    }
    for key in STEERING {
        if entry.node.child(key).is_some() {
            let message = format!("`{key}` cannot stand in a profile");
            let error = PolicyError::new(message).at(entry.node.key_origin(key));
            errors.push(error.help("write it at the top of the policy"));
        }
    }
    names_are_distinct(&entry.node, errors);
}

/// Notes settings that do not go together.
pub(super) fn settings(tree: &Node, settings: &Settings, findings: &mut Findings) {
    alerts::check(tree, settings, findings);
    providers::check(tree, settings, findings);
    emergency::check(tree, settings, findings);
    models::check(tree, settings, findings);
    store::check(tree, settings, findings);
    keys(tree, settings, findings);
    let server = &settings.server;
    let at = |table: &str, key: &str| {
        tree.child(table).map_or(&tree.origin, |table| table.value_origin(key)).clone()
    };
    if server.listen == server.admin_listen && server.listen.port() != 0 {
        let message = "`server.admin_listen` is the address that `server.listen` has already";
        let error = PolicyError::new(message).at(&at("server", "admin_listen"));
        findings.errors.push(error);
    }
    if !server.admin_listen.ip().is_loopback() && settings.admin.token.is_none() {
        let message = format!(
            "the control plane listens at {}, which others can reach, and has no token",
            server.admin_listen
        );
        let error = PolicyError::new(message).at(&at("server", "admin_listen"));
        findings
            .errors
            .push(error.help("set [admin] token = \"env:NAME\", or listen on 127.0.0.1"));
    }
    if settings.sandbox.limit_window.is_zero() {
        let message =
            "`sandbox.limit_window`: nothing is due in no time: give a time, or leave it out";
        findings.errors.push(PolicyError::new(message).at(&at("sandbox", "limit_window")));
    }
    cache(settings, at, findings);
    let tasks = (settings.tasks.soft_time_limit, settings.tasks.hard_time_limit);
    routes::limits_of_time(tasks, tree.child("tasks").unwrap_or(tree), "tasks", findings);
    exposed(settings, &at("server", "listen"), &at("identity", "trust_headers"), findings);
}

/// Notes a cache that could keep nothing.
fn cache(settings: &Settings, at: impl Fn(&str, &str) -> Origin, findings: &mut Findings) {
    let cache = &settings.cache;
    let mut note = |key: &str, message: String| {
        findings.errors.push(PolicyError::new(message).at(&at("cache", key)));
    };
    for (key, lasts) in
        [("queries", cache.queries), ("embeddings", cache.embeddings), ("contexts", cache.contexts)]
    {
        if lasts.is_zero() {
            note(
                key,
                format!(
                    "`cache.{key}`: what is kept for no time is not kept: give a time, or leave it out"
                ),
            );
        }
    }
    if let Some(meaning) = &cache.meaning {
        let provider = settings.providers.get(&meaning.provider);
        let is_sandbox = meaning.provider == "sandbox" && settings.sandbox.enabled;
        if !is_sandbox && provider.is_none_or(|it| it.dialect != Dialect::Openai) {
            let message = format!(
                "`cache.meaning.provider`: there is no provider `{}` of dialect openai: name one that has an embedding model",
                meaning.provider
            );
            note("meaning", message);
        }
    }
    if cache.persist && settings.store.ledger().is_none() {
        let message = "`cache.persist`: this store has no file that one could stand beside: set `store.kind = \"embedded\"`, or `store.path`, or leave it out";
        note("persist", message.to_owned());
    }
    if cache.max_entry > cache.max_bytes / 2 {
        let message = "`cache.max_entry`: one answer may take half of `cache.max_bytes` at most";
        note("max_entry", message.to_owned());
    }
}

/// Notes what strangers could do where the gateway can be reached from elsewhere.
fn exposed(settings: &Settings, listen: &Origin, trust: &Origin, findings: &mut Findings) {
    let address = settings.server.listen;
    if address.ip().is_loopback() {
        return;
    }
    if settings.identity.trust_headers {
        let message = format!("names in headers are believed from everybody who reaches {address}");
        let warning = PolicyError::warning(message).at(trust);
        findings.warnings.push(warning.help("see that only your own servers can reach it"));
    }
    let keyed = settings.providers.iter().find(|(_, provider)| provider.api_key.is_some());
    if let (Some(true), Some((name, _))) = (settings.identity.allow_anonymous, keyed) {
        let message = format!("everybody who reaches {address} can use your key of `{name}`");
        let warning = PolicyError::warning(message).at(listen);
        findings
            .warnings
            .push(warning.help("set allow_anonymous = false, or see who can reach it"));
    }
}

fn keys(tree: &Node, settings: &Settings, findings: &mut Findings) {
    let named = settings.keys.iter().enumerate();
    for (place, key) in named.filter(|(_, key)| key.id.is_empty() || key.id.len() > 64) {
        let keys = tree.child("keys").map(Node::list).unwrap_or_default();
        let origin = keys.get(place).map_or(&tree.origin, |entry| entry.value_origin("id"));
        let message = format!("a key's id has 1 to 64 characters, this one has {}", key.id.len());
        findings.errors.push(PolicyError::new(message).at(origin));
    }
}
