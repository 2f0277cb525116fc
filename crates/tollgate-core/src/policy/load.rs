//! From the sources of a policy to a policy.
//!
//! A preset lies at the bottom, the file is laid over it, then the chosen profile of both,
//! then what the environment says. Only the result is read into types.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Config, Environment, Policy, PolicyError, Settings, check,
    environment::{Declared, apply_declared, apply_names},
    file::File,
    limits::{Findings, compile},
    presets, render,
    source::{Origin, Source},
    suggest::suggestion,
    tree::{Node, Secrets, Step, overlay, parse, read},
};

/// What a policy is made from, all of it data: nothing is read from disk or process here.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The name of a preset; `TOLLGATE_PRESET` if not given.
    pub preset: Option<String>,
    /// A policy file: what it is called, and its text.
    pub file: Option<(String, String)>,
    /// Environment variables.
    pub environment: Environment,
    /// The profile to choose; `TOLLGATE_ENV` if not given.
    pub profile: Option<String>,
}

/// The layers, before anything is chosen.
struct Layers {
    base: Node,
    profiles: BTreeMap<String, Node>,
    declared: BTreeMap<String, (Declared, Origin)>,
}

/// More presets than this on top of each other are a circle.
const MAX_LAYERS: usize = 8;

impl Sources {
    /// Makes the policy.
    ///
    /// # Errors
    /// Everything that is wrong with it, as far as it can be found in one go.
    pub fn load(&self) -> Result<Config, Vec<PolicyError>> {
        let mut findings = Findings::default();
        let layers = self.layers().map_err(distinct)?;
        let profile = self.profile.as_deref().or_else(|| self.environment.value("TOLLGATE_ENV"));
        let chosen = profile.and_then(|name| layers.profiles.get(name));
        if let (Some(name), None) = (profile, chosen) {
            missing_profile(name, &layers, &mut findings);
        }
        let tree = self.overlaid(&layers, chosen, &mut findings.errors);
        let secret = |name: &str| self.environment.value(name).map(str::to_owned);
        let built = build(&tree, &secret, &mut findings);
        findings.errors.extend(self.errors_of_other_profiles(&layers, profile));
        match built {
            Some((policy, settings)) if findings.errors.is_empty() => Ok(Config {
                effective: render::effective(&tree, &settings),
                policy,
                settings,
                profile: profile.map(str::to_owned),
                warnings: distinct(findings.warnings),
            }),
            _ => Err(distinct(findings.errors)),
        }
    }

    /// The layers with a profile and the environment laid over them.
    fn overlaid(
        &self,
        layers: &Layers,
        profile: Option<&Node>,
        errors: &mut Vec<PolicyError>,
    ) -> Node {
        let mut tree = layers.base.clone();
        if let Some(profile) = profile {
            overlay(&mut tree, profile.clone());
        }
        apply_declared(&mut tree, &layers.declared, &self.environment, errors);
        apply_names(&mut tree, &self.environment, errors);
        tree
    }

    /// What is wrong with the profiles that are not chosen now, but may be elsewhere. Their
    /// secrets need not be here.
    fn errors_of_other_profiles(&self, layers: &Layers, chosen: Option<&str>) -> Vec<PolicyError> {
        let mut findings = Findings::default();
        for (_, profile) in layers.profiles.iter().filter(|(name, _)| chosen != Some(name)) {
            let tree = self.overlaid(layers, Some(profile), &mut Vec::new());
            build(&tree, &|_| Some(String::new()), &mut findings);
        }
        findings.errors
    }

    /// Reads the file and every preset below it, and lays them over each other.
    fn layers(&self) -> Result<Layers, Vec<PolicyError>> {
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
type Extends = Option<(String, Origin)>;

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

/// Reads a tree into a policy, and notes what is wrong with it.
fn build(tree: &Node, secrets: Secrets<'_>, findings: &mut Findings) -> Option<(Policy, Settings)> {
    let file: Option<File> = read(tree, &[], secrets, &mut findings.errors);
    let limits = compile(tree, secrets, findings);
    let settings = Settings::from(file?);
    check::settings(tree, &settings, findings);
    match Policy::new(limits) {
        Ok(policy) => Some((policy, settings)),
        Err(duplicate) => {
            let error = PolicyError::new(duplicate.to_string()).at(tree.key_origin("limits"));
            findings.errors.push(error);
            None
        }
    }
}

fn missing_profile(name: &str, layers: &Layers, findings: &mut Findings) {
    let known: Vec<&str> = layers.profiles.keys().map(String::as_str).collect();
    let message = format!("the policy has no profile `{name}`");
    if known.is_empty() {
        let warning = PolicyError::warning(message).help("it has no profiles at all");
        findings.warnings.push(warning);
        return;
    }
    let help = suggestion(name, &known, "its profiles are");
    findings.errors.push(PolicyError::new(message).help(help));
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

/// In the order of their places; the same complaint about the same place is made once.
fn distinct(mut errors: Vec<PolicyError>) -> Vec<PolicyError> {
    errors.sort_by(|a, b| {
        a.file().cmp(&b.file()).then_with(|| a.line_and_column().cmp(&b.line_and_column()))
    });
    let mut distinct: Vec<PolicyError> = Vec::new();
    for error in errors {
        if !distinct.iter().any(|known| known.repeats(&error)) {
            distinct.push(error);
        }
    }
    distinct
}
