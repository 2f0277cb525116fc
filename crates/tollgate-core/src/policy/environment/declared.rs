//! The names that a preset gives to its own numbers: `[environment]`.
//!
//! ```toml
//! [environment]
//! RATE_LIMIT_PER_MINUTE = { set = "limits.user-minute.requests", as = "{}/minute" }
//! RATE_LIMITING_ENABLED = { set = "limits.*.enabled" }
//! MONTAGE_ENV = { profile = true }
//! REDIS_SENTINELS = { unused = "this version is told them by `store.urls`" }
//! ```

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Environment;
use crate::policy::{
    PolicyError,
    limits::Findings,
    source::Origin,
    tree::{Node, Scalar, Step, Value},
};

/// What a variable sets.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Declared {
    /// The value it sets, as `table.key` or `limits.NAME.key`; `*` stands for every name.
    pub(crate) set: Option<String>,
    /// Whether it names the profile, where `TOLLGATE_ENV` does not.
    #[serde(default)]
    pub(crate) profile: bool,
    /// Why it sets nothing, where it is known and has no effect: whoever sets it is warned.
    pub(crate) unused: Option<String>,
    /// How the value is written, with `{}` for what the variable holds.
    #[serde(rename = "as", default = "as_it_is")]
    pub(crate) form: String,
}

const PLACE: &str = "{}";

fn is_list(key: &str) -> bool {
    matches!(key, "limits" | "keys")
}

fn as_it_is() -> String {
    PLACE.to_owned()
}

/// Sets in `tree` what the declared variables say, where they are set.
pub(crate) fn apply_declared(
    tree: &mut Node,
    declared: &BTreeMap<String, (Declared, Origin)>,
    environment: &Environment,
    findings: &mut Findings,
) {
    for (name, (declared, origin)) in declared {
        let variable = Origin::Variable(name.as_str().into());
        let value = environment.value(name);
        match (&declared.set, declared.profile, &declared.unused) {
            (Some(set), false, None) => {
                let keys: Vec<&str> = set.split('.').collect();
                let mut paths = Vec::new();
                find(tree, &keys, &mut Vec::new(), &mut paths);
                if paths.is_empty() && !keys.contains(&"*") {
                    let message = format!("`{set}` names nothing that can be set");
                    findings.errors.push(PolicyError::new(message).at(origin));
                }
                let Some(value) = value else { continue };
                let given = Scalar::Given(declared.form.replace(PLACE, value));
                for path in paths {
                    tree.set(&path, given.clone(), &variable);
                }
            }
            // What it names was chosen before anything is set.
            (None, true, None) => {}
            (None, false, Some(why)) => {
                let warning = || PolicyError::warning(format!("has no effect: {why}"));
                findings.warnings.extend(value.map(|_| warning().at(&variable)));
            }
            _ => {
                let message =
                    "write one of what it sets (`set`), `profile = true`, and why it is `unused`";
                findings.errors.push(PolicyError::new(message).at(origin));
            }
        }
    }
}

/// Finds every place that the keys name, entries of lists by their names. The last key, and
/// the tables of a section that is not there, need not exist.
fn find(node: &Node, keys: &[&str], path: &mut Vec<Step>, found: &mut Vec<Vec<Step>>) {
    let Some((key, rest)) = keys.split_first() else {
        found.push(path.clone());
        return;
    };
    let at_top = path.is_empty();
    let mut go = |node: Option<&Node>, step: Step| {
        path.push(step);
        match node {
            Some(node) => find(node, rest, path, found),
            None => {
                let missing = rest.iter().map(|key| Step::Key((*key).to_owned()));
                found.push(path.iter().cloned().chain(missing).collect());
            }
        }
        path.pop();
    };
    match &node.value {
        Value::List(list) => {
            for (index, node) in list.iter().enumerate() {
                if *key == "*" || node.own_name() == Some(key) {
                    go(Some(node), Step::Index(index));
                }
            }
        }
        Value::Table(table) if *key == "*" => {
            for (name, entry) in table {
                go(Some(&entry.node), Step::Key(name.clone()));
            }
        }
        // A list that is not there has no entry of that name.
        Value::Table(table) if at_top && is_list(key) && !table.contains_key(*key) => {}
        Value::Table(table) => {
            go(table.get(*key).map(|entry| &entry.node), Step::Key((*key).to_owned()));
        }
        Value::Scalar(_) => {}
    }
}
