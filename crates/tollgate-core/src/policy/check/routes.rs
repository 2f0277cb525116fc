//! Routes of applications.

use std::time::Duration;

use crate::policy::{
    PolicyError,
    limits::Findings,
    settings::{Dialect, Provider, SessionUse},
    tree::Node,
};

/// A request is compared with each of them at worst.
const MAX_ROUTES: usize = 64;

/// Notes routes of a provider that make no sense, or do nothing.
pub(super) fn check(tree: &Node, name: &str, provider: &Provider, findings: &mut Findings) {
    let routes = provider.routes.all();
    let node = tree.child("providers").and_then(|providers| providers.child(name)).unwrap_or(tree);
    let wrong = |message: &str| {
        let message = format!("`providers.{name}.routes`: {message}");
        PolicyError::new(message).at(node.key_origin("routes"))
    };
    if !routes.is_empty() && provider.dialect != Dialect::Http {
        findings.errors.push(wrong("only a provider of dialect http has routes"));
    }
    if routes.len() > MAX_ROUTES {
        findings.errors.push(wrong(&format!("there are more than {MAX_ROUTES}")));
        return;
    }
    let sessions = counts_sessions(tree);
    let nodes = node.child("routes").map(Node::list).unwrap_or_default();
    for (place, (route, node)) in routes.iter().zip(nodes).enumerate() {
        let told = format!("providers.{name}.routes.{}", place + 1);
        let limits = (route.soft_time_limit, route.hard_time_limit);
        limits_of_time(limits, node, &told, findings);
        if route.session == SessionUse::Register && !sessions {
            let message = format!("`{told}` begins sessions, and no limit counts them");
            let warning = PolicyError::warning(message).at(node.value_origin("session"));
            findings.warnings.push(warning.help("give the policy a limit with sessions = …"));
        }
        if let Some(earlier) = routes[..place].iter().position(|earlier| earlier.covers(route)) {
            let message =
                format!("`{told}` is never reached: route {} takes all of it", earlier + 1);
            let warning = PolicyError::warning(message).at(node.value_origin("path"));
            findings.warnings.push(warning.help("write the narrower route first"));
        }
    }
}

/// Notes limits of time, a soft and a hard one, that make no sense.
pub(super) fn limits_of_time(
    (soft, hard): (Option<Duration>, Option<Duration>),
    node: &Node,
    told: &str,
    findings: &mut Findings,
) {
    let limits = [("soft_time_limit", soft), ("hard_time_limit", hard)];
    let mut wrong = |key: &str, why: &str| {
        let message = format!("`{told}.{key}`: {why}");
        findings.errors.push(PolicyError::new(message).at(node.value_origin(key)));
    };
    for (key, limit) in limits {
        if limit.is_some_and(|limit: Duration| limit.is_zero()) {
            wrong(key, "it would be over at once: write a time above 0");
        }
    }
    if let (Some(soft), Some(hard)) = (soft, hard)
        && soft >= hard
    {
        wrong("soft_time_limit", "it must be shorter than hard_time_limit, which cuts");
    }
}

fn counts_sessions(tree: &Node) -> bool {
    let limits = tree.child("limits").map(Node::list).unwrap_or_default();
    limits.iter().any(|limit| limit.child("sessions").is_some())
}
