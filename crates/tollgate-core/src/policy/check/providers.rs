//! Providers: their names and mounts, and the limits that wait for them.

use super::routes;
use crate::policy::{
    PolicyError, Settings,
    limits::{Findings, is_name},
    settings::{Dialect, Mount, Provider},
    suggest::suggestion,
    tree::Node,
    values::Span,
};

/// First segments of paths that are Tollgate's own.
pub(super) const RESERVED: [&str; 6] = ["v1", "tollgate", "livez", "readyz", "sandbox", "metrics"];

/// Notes providers at paths that are not theirs, and limits and routes that miss theirs.
pub(super) fn check(tree: &Node, settings: &Settings, findings: &mut Findings) {
    let mut root = None;
    for (name, provider) in &settings.providers {
        let node = tree.child("providers").unwrap_or(tree);
        let mut wrong = |key: Option<&str>, message: String| {
            let origin = match key {
                Some(key) => node.child(name).unwrap_or(node).value_origin(key),
                None => node.key_origin(name),
            };
            findings.errors.push(PolicyError::new(message).at(origin));
        };
        if RESERVED.contains(&name.as_str()) {
            wrong(
                None,
                format!("`{name}` is a path of Tollgate's own: give the provider another name"),
            );
        } else if !is_name(name) {
            wrong(
                None,
                format!(
                    "`{name}` is no name of a provider: use small letters, digits, `-` and `_`"
                ),
            );
        }
        if provider.mount == Mount::AtRoot {
            if provider.dialect != Dialect::Http {
                wrong(
                    Some("mount"),
                    format!(
                        "`providers.{name}.mount`: only a provider of dialect http is mounted at \"/\""
                    ),
                );
            }
            if let Some(other) = root.replace(name) {
                wrong(
                    Some("mount"),
                    format!("`{other}` and `{name}` cannot both be mounted at \"/\""),
                );
            }
        }
        credentials(name, provider, &mut wrong);
        routes::check(tree, name, provider, findings);
        protection(node.child(name).unwrap_or(node), name, provider, findings);
    }
    conditions(tree, settings, findings);
}

/// Notes credentials and names of models that are of no use to the provider.
fn credentials(name: &str, its: &Provider, wrong: &mut impl FnMut(Option<&str>, String)) {
    if its.aws.is_some() {
        let why = if its.dialect != Dialect::Bedrock {
            Some("only a provider of dialect bedrock has credentials of AWS")
        } else if its.api_key.is_some() {
            Some("give either these credentials or an api_key, not both")
        } else if its.aws_region().is_none() {
            Some("the address does not tell the region: set `region`, like \"us-east-1\"")
        } else {
            None
        };
        if let Some(why) = why {
            wrong(Some("aws"), format!("`providers.{name}.aws`: {why}"));
        }
    }
    if !its.deployments.is_empty() && its.dialect != Dialect::Azure {
        wrong(
            Some("deployments"),
            format!("`providers.{name}.deployments`: only a provider of dialect azure has them"),
        );
    }
}

/// The names of the providers that a policy has.
pub(super) fn known_providers(settings: &Settings) -> Vec<&str> {
    settings.providers.keys().map(String::as_str).chain(["sandbox"]).collect()
}

/// Notes what stands before a provider and makes no sense there.
fn protection(node: &Node, name: &str, provider: &Provider, findings: &mut Findings) {
    if provider.dialect == Dialect::Http {
        for key in ["retry", "learn"].into_iter().filter(|key| node.child(key).is_some()) {
            let message = format!(
                "`providers.{name}.{key}`: an application is not asked twice, and tells no limits"
            );
            findings.errors.push(PolicyError::new(message).at(node.key_origin(key)));
        }
    }
    let breaker = provider.breaker();
    if let Some(breaker) = breaker.filter(|its| its.probe_lease < provider.read_timeout) {
        let message = format!(
            "`providers.{name}.breaker.probe_lease` of {} is shorter than read_timeout, so a probe that is slow counts as lost",
            Span(breaker.probe_lease)
        );
        let origin = node.child("breaker").unwrap_or(node).value_origin("probe_lease");
        findings.warnings.push(PolicyError::warning(message).at(origin));
    }
}

/// Notes limits that wait for a provider that is not there.
fn conditions(tree: &Node, settings: &Settings, findings: &mut Findings) {
    for limit in tree.child("limits").map(Node::list).unwrap_or_default() {
        let Some(when) = limit.child("when").and_then(|when| when.child("provider")) else {
            continue;
        };
        let known = known_providers(settings);
        let unknown = |name: &&str| {
            let its = name.strip_prefix('!').unwrap_or(name);
            !its.contains('*') && !known.contains(&its)
        };
        for name in
            when.text().into_iter().chain(when.list().iter().filter_map(Node::text)).filter(unknown)
        {
            let left_out = name.strip_prefix('!');
            let what = match left_out {
                Some(_) => "and nothing is left out",
                None => "so the limit never applies to the gateway's requests",
            };
            let name = left_out.unwrap_or(name);
            let message = format!("this policy has no provider `{name}`, {what}");
            let warning = PolicyError::warning(message).at(&when.origin);
            findings.warnings.push(warning.help(suggestion(name, &known, "the providers are")));
        }
    }
}
