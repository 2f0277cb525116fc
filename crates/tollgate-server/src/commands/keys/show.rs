//! How keys are shown: in tables, one by one, and once with their text.

use serde::Serialize;

use crate::{
    commands::{roster::RosterArgs, table::table},
    output,
    roster::{Key, KeyText},
};

/// A key with its text, which nobody can show again.
#[derive(Serialize)]
struct Once<'a> {
    /// The text.
    key: &'a str,
    #[serde(flatten)]
    about: &'a Key,
}

/// Shows a key that was made or rotated, with its text.
pub(super) fn tell_once(args: &RosterArgs, (about, text): (Key, KeyText)) {
    args.tell(&Once { key: text.expose(), about: &about }, |once| {
        output::note(format_args!(
            "The key `{}`, shown this once; give it to the caller as the API key:",
            once.about.id
        ));
        output::line(once.key);
        output::note("");
        described(once.about, output::note);
    });
}

/// Shows one key.
pub(super) fn one(key: &Key) {
    described(key, output::line);
}

fn described(key: &Key, tell: impl Fn(String)) {
    let terms = &key.terms;
    let list = |all: &[String]| (!all.is_empty()).then(|| all.join(", "));
    let budgets: Vec<String> = terms.budgets.iter().map(ToString::to_string).collect();
    let own = terms.attributes.iter().map(|(name, value)| format!("{name}={value}"));
    let ends = key.secrets.iter().filter_map(|secret| secret.ends_at);
    let ends = ends.map(|at| format!("the one before works until {at}"));
    for (name, value) in [
        ("key", Some(key.id.clone())),
        ("state", Some(key.state.to_owned())),
        ("user", terms.user.clone()),
        ("team", terms.team.clone()),
        ("customer", terms.customer.clone()),
        ("tag", terms.tag.clone()),
        ("tier", terms.tier.clone()),
        ("attributes", list(&own.collect::<Vec<_>>())),
        ("models", list(&terms.models)),
        ("providers", list(&terms.providers)),
        ("budget", list(&budgets)),
        ("created", Some(key.created_at.to_string())),
        ("rotated", list(&ends.collect::<Vec<_>>())),
        ("expires", key.expires_at.map(|at| at.to_string())),
        ("revoked", key.revoked_at.map(|at| at.to_string())),
        ("own provider keys", list(&key.provider_keys)),
    ] {
        let Some(value) = value else { continue };
        tell(format!("{name:<18} {value}"));
    }
}

/// Shows many keys.
pub(super) fn all(keys: &[Key]) {
    let mut table = table(&[
        "key",
        "state",
        "user",
        "team",
        "tier",
        "models",
        "providers",
        "budget",
        "expires",
    ]);
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let list = |all: &[String]| if all.is_empty() { "any".to_owned() } else { all.join(", ") };
    for key in keys {
        let terms = &key.terms;
        let budgets: Vec<String> = terms.budgets.iter().map(ToString::to_string).collect();
        table.add_row([
            key.id.clone(),
            key.state.to_owned(),
            text(&terms.user),
            text(&terms.team),
            text(&terms.tier),
            list(&terms.models),
            list(&terms.providers),
            if budgets.is_empty() { "-".to_owned() } else { budgets.join(", ") },
            key.expires_at.map_or_else(|| "never".to_owned(), |at| at.to_string()),
        ]);
    }
    output::line(table);
}
