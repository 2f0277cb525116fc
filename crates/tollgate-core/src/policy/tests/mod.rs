//! Policies as operators write them, good and bad.

mod alerts;
mod bad;
mod bad_limits;
mod cache;
mod emergency;
mod good;
mod grants;
mod overlays;
mod pipeline;
mod presets;
mod properties;
mod protection;
mod providers;
mod queues;
mod sandbox;
mod schema;
mod stores;
mod team;
mod warnings;

use super::{Config, Environment, PolicyError, Sources};

/// Loads a policy file called `p.toml`, with nothing beside it.
fn load(text: &str) -> Result<Config, Vec<PolicyError>> {
    load_with(text, &[])
}

/// Loads a policy file called `p.toml` under environment variables.
fn load_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, Vec<PolicyError>> {
    let file = Some(("p.toml".to_owned(), text.to_owned()));
    Sources { file, environment: environment(variables), ..Sources::default() }.load()
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Environment::new(owned, None).expect("no file")
}

/// The limits of a policy, one line each.
fn limits(config: &Config) -> Vec<String> {
    let anybody = crate::Attributes::new();
    let told = config.policy.limits().iter().map(|limit| {
        let per: Vec<&str> = limit.per.iter().map(crate::Attribute::name).collect();
        format!("{} per [{}]: {}", limit.name, per.join(", "), limit.describe(&anybody))
    });
    told.collect()
}
