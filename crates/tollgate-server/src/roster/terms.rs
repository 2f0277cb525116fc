//! Whom a key names, and what it may be used for.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use tollgate_core::{
    Attribute, Grant, NanoUsd,
    policy::{KeyBudget, Settings},
};

use super::RosterError;
use crate::providers::SANDBOX;

/// Whom a key names, and what it may be used for. What is empty restricts nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Terms {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) team: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) customer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tier: Option<String>,
    /// Attributes of the operator's own, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) attributes: BTreeMap<String, String>,
    /// The models it may be used for, with `*` for any run of characters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) models: Vec<String>,
    /// The providers it may be used for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) providers: Vec<String>,
    /// What it may spend.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) budgets: Vec<Budget>,
}

/// So many dollars per period, written `5/day`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Budget {
    kind: KeyBudget,
    amount: NanoUsd,
}

/// The longest name, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// Models, providers or attributes of one key.
const MAX_LISTED: usize = 32;

impl Terms {
    /// Whether all of it makes sense under a policy.
    ///
    /// # Errors
    /// With what does not.
    pub(crate) fn check(&self, settings: &Settings) -> Result<(), RosterError> {
        let named = self.named().map(|(attribute, value)| (attribute.name().to_owned(), value));
        for (name, value) in named {
            check_name(&name, value)?;
        }
        for name in self.attributes.keys() {
            check_name("an attribute", name)?;
            if Attribute::known_names().any(|known| known == name) {
                let why =
                    format!("the attribute `{name}` has an option of its own, or is none of a key");
                return Err(RosterError::Invalid(why));
            }
        }
        for (name, length) in [
            ("models", self.models.len()),
            ("providers", self.providers.len()),
            ("attributes", self.attributes.len()),
        ] {
            if length > MAX_LISTED {
                let why = format!("these are {length} {name}, and a key has at most {MAX_LISTED}");
                return Err(RosterError::Invalid(why));
            }
        }
        self.models.iter().try_for_each(|model| check_name("a model", model))?;
        self.providers.iter().try_for_each(|name| check_provider(name, settings))?;
        let mut names: Vec<&str> = self.budgets.iter().map(|budget| budget.kind.per).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(twice) => {
                Err(RosterError::Invalid(format!("there are two budgets per {}", twice[0])))
            }
            None => Ok(()),
        }
    }

    /// What it names, by attribute.
    pub(super) fn named(&self) -> impl Iterator<Item = (Attribute, &str)> {
        let own =
            self.attributes.iter().map(|(name, value)| (Attribute::named(name), value.as_str()));
        let known = [
            (Attribute::User, &self.user),
            (Attribute::Team, &self.team),
            (Attribute::Customer, &self.customer),
            (Attribute::Tag, &self.tag),
            (Attribute::Tier, &self.tier),
        ];
        own.chain(known.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))))
    }
}

/// Whether the policy has a provider of that name.
///
/// # Errors
/// With those it has.
pub(crate) fn check_provider(name: &str, settings: &Settings) -> Result<(), RosterError> {
    let sandbox = settings.sandbox.enabled.then_some(SANDBOX);
    let known: Vec<&str> = settings.providers.keys().map(String::as_str).chain(sandbox).collect();
    if known.contains(&name) {
        return Ok(());
    }
    Err(RosterError::Invalid(format!(
        "the policy has no provider `{}`; it has {}",
        excerpt(name),
        known.join(", ")
    )))
}

/// Whether a text can be the name of something.
///
/// # Errors
/// With what is wrong with it.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), RosterError> {
    let why = match name.len() {
        0 => "is empty".to_owned(),
        1..=MAX_NAME_BYTES if name.chars().any(char::is_control) => {
            "has control characters".to_owned()
        }
        1..=MAX_NAME_BYTES => return Ok(()),
        long => format!("has {long} bytes, and at most {MAX_NAME_BYTES} are kept"),
    };
    Err(RosterError::Invalid(format!("the name of {what} {why}")))
}

/// The beginning of a text, for telling it back.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().take(40).collect()
}

impl Budget {
    /// What it grants.
    pub(super) fn grant(&self) -> Grant {
        self.kind.grant(self.amount)
    }
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, amount) = KeyBudget::parse(text)?;
        Ok(Self { kind, amount })
    }
}

impl TryFrom<String> for Budget {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Budget> for String {
    fn from(budget: Budget) -> Self {
        budget.to_string()
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.amount, self.kind.per)
    }
}
