//! `TOLLGATE_SECTION_KEY`: a variable for every value of every table.
//!
//! The names come from the schema and from the policy itself, so a new key has its variable
//! without further ado, and a name that matches no key is an error with a suggestion.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::Environment;
use crate::policy::{
    PolicyError, schema,
    source::Origin,
    suggest::nearest,
    tree::{Node, Scalar, Step, Value},
    values::SECRET_FORMAT,
};

const PREFIX: &str = "TOLLGATE_";

/// Names that steer the loading itself.
const RESERVED: [&str; 4] = ["TOLLGATE_ENV", "TOLLGATE_POLICY", "TOLLGATE_PRESET", "TOLLGATE_LOG"];

/// Tables that no variable reaches into.
const CLOSED: [&str; 4] = ["extends", "environment", "profile", "keys"];

/// The table whose entries a variable can make, since their names are simple.
const OPEN: &str = "providers";

/// Where a variable leads.
struct Place {
    path: Vec<Step>,
    /// Whether the variable holds the secret itself.
    secret: bool,
}

/// Sets in `tree` what `TOLLGATE_…` variables say.
pub(crate) fn apply_names(
    tree: &mut Node,
    environment: &Environment,
    errors: &mut Vec<PolicyError>,
) {
    let named: Vec<(&str, &str)> =
        environment.iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    if named.is_empty() {
        return;
    }
    let places = places(tree);
    let referred = referred(tree);
    for (name, value) in named {
        if RESERVED.contains(&name) || referred.iter().any(|referred| referred == name) {
            continue;
        }
        let made = if places.contains_key(name) { None } else { new_provider(name) };
        let Some(place) = places.get(name).or(made.as_ref()) else {
            errors.push(unknown(name, &places));
            continue;
        };
        let value = if place.secret && !value.starts_with("env:") {
            format!("env:{name}")
        } else {
            value.to_owned()
        };
        let origin = Origin::Variable(name.into());
        tree.set(&place.path, Scalar::Given(value), &origin);
    }
}

fn unknown(name: &str, places: &BTreeMap<String, Place>) -> PolicyError {
    let message = "no key of the policy has this name".to_owned();
    let error = PolicyError::new(message).at(&Origin::Variable(name.into()));
    match nearest(name, places.keys().map(String::as_str).chain(RESERVED)) {
        Some(meant) => error.help(format!("did you mean {meant}?")),
        None => error.help("names are TOLLGATE_SECTION_KEY, such as TOLLGATE_SERVER_LISTEN"),
    }
}

/// Every variable that leads somewhere in this policy.
fn places(tree: &Node) -> BTreeMap<String, Place> {
    let mut places = BTreeMap::new();
    let schema = schema::of_file();
    let mut path = Vec::new();
    for (key, part) in properties(schema, schema) {
        if !CLOSED.contains(&key.as_str()) {
            path.push(Step::Key(key.clone()));
            walk(
                schema,
                part,
                tree.child(key),
                &format!("TOLLGATE_{}", word(key)),
                &mut path,
                &mut places,
            );
            path.pop();
        }
    }
    places
}

fn walk(
    root: &Json,
    part: &Json,
    node: Option<&Node>,
    name: &str,
    path: &mut Vec<Step>,
    places: &mut BTreeMap<String, Place>,
) {
    let forms = forms(root, part);
    if forms.iter().any(|form| is_scalar(form)) {
        let secret = forms.iter().any(|form| form["format"] == SECRET_FORMAT);
        places.entry(name.to_owned()).or_insert_with(|| Place { path: path.clone(), secret });
    }
    for form in &forms {
        for (key, part) in properties(root, form) {
            path.push(Step::Key(key.clone()));
            let node = node.and_then(|node| node.child(key));
            walk(root, part, node, &format!("{name}_{}", word(key)), path, places);
            path.pop();
        }
        let (entries, part) = (&form["additionalProperties"], &form["items"]);
        match node.map(|node| &node.value) {
            Some(Value::Table(table)) if entries.is_object() => {
                for (key, entry) in table {
                    path.push(Step::Key(key.clone()));
                    let name = format!("{name}_{}", word(key));
                    walk(root, entries, Some(&entry.node), &name, path, places);
                    path.pop();
                }
            }
            Some(Value::List(list)) if part.is_object() => {
                for (index, node) in list.iter().enumerate() {
                    let Some(own) = node.own_name() else { continue };
                    path.push(Step::Index(index));
                    walk(root, part, Some(node), &format!("{name}_{}", word(own)), path, places);
                    path.pop();
                }
            }
            _ => {}
        }
    }
}

/// The place of `TOLLGATE_PROVIDERS_NAME_KEY` for a provider that the policy has not yet.
fn new_provider(name: &str) -> Option<Place> {
    let rest = name.strip_prefix(PREFIX)?.strip_prefix(&word(OPEN))?.strip_prefix('_')?;
    let schema = schema::of_file();
    let (_, providers) = properties(schema, schema).find(|(key, _)| *key == OPEN)?;
    let provider = forms(schema, &providers["additionalProperties"]);
    let keys = provider.iter().flat_map(|form| properties(schema, form));
    let (own, key, part) = keys
        .filter_map(|(key, part)| {
            let own = rest.strip_suffix(&word(key))?.strip_suffix('_')?;
            (!own.is_empty()).then_some((own, key, part))
        })
        .min_by_key(|(own, ..)| own.len())?;
    let steps = [OPEN.to_owned(), own.to_ascii_lowercase(), key.clone()];
    let secret = forms(schema, part).iter().any(|form| form["format"] == SECRET_FORMAT);
    Some(Place { path: steps.map(Step::Key).to_vec(), secret })
}

/// Every form that a schema allows, references and choices followed.
fn forms<'a>(root: &'a Json, part: &'a Json) -> Vec<&'a Json> {
    if let Some(reference) = part["$ref"].as_str() {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map_or_else(Vec::new, |target| forms(root, target));
    }
    let choices = ["anyOf", "oneOf", "allOf"].iter().filter_map(|choice| part[*choice].as_array());
    let choices: Vec<&Json> = choices.flatten().flat_map(|choice| forms(root, choice)).collect();
    if choices.is_empty() { vec![part] } else { choices }
}

fn properties<'a>(root: &'a Json, part: &'a Json) -> impl Iterator<Item = (&'a String, &'a Json)> {
    let forms = forms(root, part);
    forms.into_iter().filter_map(|form| form["properties"].as_object()).flatten()
}

fn is_scalar(form: &Json) -> bool {
    const SCALARS: [&str; 4] = ["string", "integer", "number", "boolean"];
    let is = |kind: &Json| kind.as_str().is_some_and(|kind| SCALARS.contains(&kind));
    let texts = form["type"] == "array" && is(&form["items"]["type"]);
    let several = form["type"].as_array().is_some_and(|kinds| kinds.iter().any(is));
    is(&form["type"])
        || several
        || texts
        || form.get("enum").is_some()
        || form.get("const").is_some()
}

/// A key as it stands in the name of a variable.
fn word(key: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    key.chars().map(letter).collect()
}

/// Every variable that the policy itself names as `env:NAME`.
fn referred(node: &Node) -> Vec<String> {
    match &node.value {
        Value::Scalar(_) => node
            .text()
            .and_then(|text| text.strip_prefix("env:"))
            .map(str::to_owned)
            .into_iter()
            .collect(),
        Value::List(list) => list.iter().flat_map(referred).collect(),
        Value::Table(table) => table.values().flat_map(|entry| referred(&entry.node)).collect(),
    }
}
