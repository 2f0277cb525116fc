//! The texts of a policy, laid over each other: what stands at the bottom of all choices.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    PolicyError, Sources, check,
    environment::Declared,
    presets,
    source::{Origin, Source},
    suggest::suggestion,
    tree::{Node, Step, overlay, parse, read},
};

/// The layers, before anything is chosen.
pub(super) struct Layers {
    pub(super) base: Node,
    /// Overlays by their names, one of which may be chosen.
    pub(super) profiles: BTreeMap<String, Node>,
    /// Variables that the layers declare, and where.
    pub(super) declared: BTreeMap<String, (Declared, Origin)>,
}

/// What a text extends, and where it says so.
type Extends = Option<(String, Origin)>;

/// More presets than this on top of each other are a circle.
const MAX_LAYERS: usize = 8;

impl Sources {
    /// Reads the file and every preset below it, and lays them over each other.
    ///
    /// # Errors
    /// What is wrong with the texts as such, in no order.
    pub(super) fn layers(&self) -> Result<Layers, Vec<PolicyError>> {
        let mut errors = Vec::new();
        let mut stack = Vec::new();
        let asked = self.preset.as_deref().or_else(|| self.environment.value("TOLLGATE_PRESET"));
        let mut next = asked.map(|name| (name.to_owned(), None));
        if let Some((name, text)) = &self.file {
            let (node, extends) = layer(name, text, &mut errors)?;
            stack.push(node);
            match (asked, extends) {
                (Some(asked), Some((extended, origin))) if asked != extended => {
                    let message =
                        format!("this extends `{extended}`, but the preset asked for is `{asked}`");
                    let error = PolicyError::new(message).at(&origin);
                    errors.push(error.help("leave one of the two out"));
                }
                (None, Some((extended, origin))) => next = Some((extended, Some(origin))),
                _ => {}
            }
        } else if next.is_none() {
            next = Some((presets::DEFAULT.to_owned(), None));
        }
        while let Some((name, origin)) = next.take() {
            let Some(text) = presets::preset(&name).filter(|_| stack.len() < MAX_LAYERS) else {
                errors.push(unknown_preset(&name, origin.as_ref()));
                break;
            };
            let (node, extends) = layer(&format!("preset {name}"), text, &mut errors)?;
            stack.push(node);
            next = extends.map(|(name, origin)| (name, Some(origin)));
        }
        let layers = stack.into_iter().rev().reduce(|mut base, over| {
            overlay(&mut base, over);
            base
        });
        match layers {
            Some(base) if errors.is_empty() => split(base),
            _ => Err(errors),
        }
    }
}

/// Reads one text, and what it extends.
fn layer(
    name: &str,
    text: &str,
    errors: &mut Vec<PolicyError>,
) -> Result<(Node, Extends), Vec<PolicyError>> {
    let source: Arc<Source> = Source::new(name, text);
    let mut node = parse(&source, text)?;
    check::names_are_distinct(&node, errors);
    let extends = match node.child("extends") {
        Some(extends) => {
            let path = [Step::Key("extends".to_owned())];
            let origin = extends.origin.clone();
            read::<String>(&node, &path, &|_| None, errors).map(|name| (name, origin))
        }
        None => None,
    };
    node.take("extends");
    Ok((node, extends))
}

/// Takes what steers the overlays out of the tree.
fn split(mut base: Node) -> Result<Layers, Vec<PolicyError>> {
    let mut errors = Vec::new();
    let path = [Step::Key("environment".to_owned())];
    let declared = read(&base, &path, &|_| None, &mut errors);
    let origins = base.take("environment");
    let located = |(name, declared): (String, Declared)| {
        let node = origins.as_ref().map_or(&base, |entry| &entry.node);
        let origin = node.value_origin(&name).clone();
        (name, (declared, origin))
    };
    let declared: BTreeMap<String, Declared> = declared.unwrap_or_default();
    let declared = declared.into_iter().map(located).collect();
    let mut profiles = BTreeMap::new();
    if let Some(profile) = base.take("profile") {
        for (name, entry) in profile.node.table().cloned().unwrap_or_default() {
            check::profile(&name, &entry, &mut errors);
            profiles.insert(name, entry.node);
        }
        if profile.node.table().is_none() {
            let message = "`profile` holds tables: write [profile.NAME]";
            errors.push(PolicyError::new(message).at(&profile.key));
        }
    }
    if errors.is_empty() { Ok(Layers { base, profiles, declared }) } else { Err(errors) }
}

fn unknown_preset(name: &str, origin: Option<&Origin>) -> PolicyError {
    let known: Vec<&str> = presets::preset_names().collect();
    let error = PolicyError::new(format!("there is no preset `{name}`"));
    let error = error.help(suggestion(name, &known, "the presets are"));
    match origin {
        Some(origin) => error.at(origin),
        None => error,
    }
}
