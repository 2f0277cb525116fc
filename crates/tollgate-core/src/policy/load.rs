//! From the sources of a policy to a policy.
//!
//! A preset lies at the bottom, the file is laid over it, then the chosen profile of both,
//! then what the environment says. Only the result is read into types.

use super::{
    Config, Environment, Policy, PolicyError, Settings, check,
    environment::{apply_declared, apply_names},
    file::File,
    layers::Layers,
    limits::{Findings, compile},
    render,
    suggest::suggestion,
    tree::{Node, Secrets, overlay, read},
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
    /// The profile to choose; what `TOLLGATE_ENV` or a variable of the policy's names if not
    /// given.
    pub profile: Option<String>,
}

impl Sources {
    /// Makes the policy.
    ///
    /// # Errors
    /// Everything that is wrong with it, as far as it can be found in one go.
    pub fn load(&self) -> Result<Config, Vec<PolicyError>> {
        let mut findings = Findings::default();
        let layers = self.layers().map_err(distinct)?;
        let profile = self.profile.as_deref().or_else(|| self.named_profile(&layers));
        let chosen = profile.and_then(|name| layers.profiles.get(name));
        if let (Some(name), None) = (profile, chosen) {
            missing_profile(name, &layers, &mut findings);
        }
        let tree = self.overlaid(&layers, chosen, &mut findings);
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

    /// The profile that the environment names: `TOLLGATE_ENV`, or a variable of the policy's.
    fn named_profile(&self, layers: &Layers) -> Option<&str> {
        let mut declared = layers.declared.iter().filter(|(_, (declared, _))| declared.profile);
        let named = || declared.find_map(|(name, _)| self.environment.value(name));
        self.environment.value("TOLLGATE_ENV").or_else(named)
    }

    /// The layers with a profile and the environment laid over them.
    fn overlaid(&self, layers: &Layers, profile: Option<&Node>, findings: &mut Findings) -> Node {
        let mut tree = layers.base.clone();
        if let Some(profile) = profile {
            overlay(&mut tree, profile.clone());
        }
        apply_declared(&mut tree, &layers.declared, &self.environment, findings);
        apply_names(&mut tree, &self.environment, &mut findings.errors);
        tree
    }

    /// What is wrong with the profiles that are not chosen now, but may be elsewhere, where
    /// the environment gives other values and the secrets.
    fn errors_of_other_profiles(&self, layers: &Layers, chosen: Option<&str>) -> Vec<PolicyError> {
        let mut findings = Findings::default();
        let secret = |_: &str| Some(String::new());
        for (_, profile) in layers.profiles.iter().filter(|(name, _)| chosen != Some(name)) {
            let tree = self.overlaid(layers, Some(profile), &mut Findings::default());
            read::<File>(&tree, &[], &secret, &mut findings.errors);
            compile(&tree, &secret, &mut findings);
        }
        findings.errors.retain(PolicyError::is_of_text);
        findings.errors
    }
}

/// Reads a tree into a policy, and notes what is wrong with it.
fn build(tree: &Node, secrets: Secrets<'_>, findings: &mut Findings) -> Option<(Policy, Settings)> {
    let file: Option<File> = read(tree, &[], secrets, &mut findings.errors);
    let limits = compile(tree, secrets, findings);
    let mut settings = Settings::from(file?);
    let kind = tree.child("store").and_then(|store| store.child("kind"));
    settings.store.settle(kind.is_some());
    check::settings(tree, &settings, findings);
    check::shared_limits(tree, &settings, &limits, findings);
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
