//! Names with several models behind them.

use super::providers::known_providers;
use crate::policy::{
    PolicyError, Settings,
    limits::Findings,
    settings::{Candidate, Dialect, Fallback, NamedModel, is_model},
    suggest::suggestion,
    tree::Node,
};

/// A request tries each of them at worst.
const MAX_CANDIDATES: usize = 16;

/// Names of a policy.
const MAX_NAMES: usize = 1_024;

/// Notes names whose models are not there, or that do nothing.
pub(super) fn check(tree: &Node, settings: &Settings, findings: &mut Findings) {
    let node = tree.child("models").unwrap_or(tree);
    if settings.models.len() > MAX_NAMES {
        let message = format!("`models`: there are more than {MAX_NAMES} names");
        findings.errors.push(PolicyError::new(message).at(&node.origin));
    }
    for (name, named) in &settings.models {
        if !is_model(name) {
            let message = "a model's name has 1 to 256 visible characters, without blanks";
            findings.errors.push(PolicyError::new(message).at(node.key_origin(name)));
        }
        one(node.child(name).unwrap_or(node), (name, named), settings, findings);
    }
}

fn one(
    node: &Node,
    (name, named): (&str, &NamedModel),
    settings: &Settings,
    findings: &mut Findings,
) {
    let list = node.value_origin("models");
    let wrong = |why: &str| PolicyError::new(format!("`models.{name}.models`: {why}")).at(list);
    if named.models.is_empty() {
        findings.errors.push(wrong("an empty list serves nobody: write models like openai/gpt-5"));
    }
    if named.models.len() > MAX_CANDIDATES {
        findings.errors.push(wrong(&format!("there are more than {MAX_CANDIDATES}")));
    }
    if named.is_weighted() && named.models.iter().all(|one| one.weight == Some(0)) {
        findings.errors.push(wrong("all weights are 0, so none is ever first: give one a weight"));
    }
    let known = known_providers(settings);
    for (place, candidate) in named.models.iter().enumerate() {
        let path = &candidate.model;
        if named.models[..place].iter().any(|earlier| earlier.model == *path) {
            findings.errors.push(wrong(&format!("`{path}` is there twice")));
        }
        if !known.contains(&path.provider.as_str()) {
            let error = wrong(&format!("there is no provider `{}`", path.provider));
            let help = suggestion(&path.provider, &known, "the providers are");
            findings.errors.push(error.help(help));
        } else if settings
            .providers
            .get(path.provider.as_str())
            .is_some_and(|its| its.dialect == Dialect::Http)
        {
            findings.errors.push(wrong(&format!("`{}` is no AI provider", path.provider)));
        }
    }
    translation(node, (name, named), settings, findings);
    let useless = match &settings.cache {
        cache if !cache.enabled => {
            "no answers are kept, so none can be served: set `enabled = true`"
        }
        cache if cache.stale.is_zero() => {
            "no answer stays beyond its time, so there is none that is not served anyway: give `stale` a time"
        }
        _ => return,
    };
    if named.fallback == Fallback::Cache {
        let message = format!("`models.{name}.fallback`: {useless} in `[cache]`");
        findings.warnings.push(PolicyError::warning(message).at(node.value_origin("fallback")));
    }
}

/// Notes where what is said of translation does nothing, or where nothing is said that would.
fn translation(
    node: &Node,
    (name, named): (&str, &NamedModel),
    settings: &Settings,
    findings: &mut Findings,
) {
    let speaks = |one: &Candidate, dialects: &[Dialect]| {
        let its = settings.providers.get(one.model.provider.as_str());
        its.is_some_and(|its| dialects.contains(&its.dialect))
    };
    let find = |dialects: &[Dialect]| named.models.iter().find(|one| speaks(one, dialects));
    let completions = find(&[Dialect::Openai, Dialect::Azure]);
    let messages = find(&[Dialect::Anthropic]);
    let (key, message) = match (named.translate, completions, messages) {
        (true, None, None) => {
            let why = "none of its models speaks OpenAI's chat completions or Anthropic's messages, and nothing else is translated";
            ("translate", format!("`models.{name}.translate`: {why}"))
        }
        (false, Some(one), Some(other)) => {
            let (one, other) = (&one.model, &other.model);
            let why = format!(
                "callers of `{one}` pass over `{other}`, which speaks another dialect: set `translate = true` to have requests translated"
            );
            ("models", format!("`models.{name}.models`: {why}"))
        }
        _ => return,
    };
    findings.warnings.push(PolicyError::warning(message).at(node.value_origin(key)));
}
