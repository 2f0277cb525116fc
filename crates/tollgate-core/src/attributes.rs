//! Who asks for what.

use std::fmt;

use compact_str::CompactString;

use crate::Grants;

/// A name under which a request is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Attribute {
    /// The person or account that asks.
    User,
    /// A browser or client session.
    Session,
    /// A group of users.
    Team,
    /// The paid or assigned class of the user.
    Tier,
    /// The public id of the Tollgate key; never its secret.
    Key,
    /// Where the request is sent.
    Provider,
    /// The model it asks for.
    Model,
    /// The kind of work it does.
    Task,
    /// The route of an application it matched.
    Route,
    /// How urgent it is.
    Priority,
    /// Who pays in the end: an organisation, an account of the operator's.
    Customer,
    /// A mark by which spending is told apart, like `nightly` or `feature-x`.
    Tag,
    /// A name of the operator's own.
    Own(CompactString),
}

const KNOWN: [(&str, Attribute); 12] = [
    ("user", Attribute::User),
    ("session", Attribute::Session),
    ("team", Attribute::Team),
    ("tier", Attribute::Tier),
    ("key", Attribute::Key),
    ("provider", Attribute::Provider),
    ("model", Attribute::Model),
    ("task", Attribute::Task),
    ("route", Attribute::Route),
    ("priority", Attribute::Priority),
    ("customer", Attribute::Customer),
    ("tag", Attribute::Tag),
];

/// The attributes of one request: who asks for what.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    known: [Option<CompactString>; KNOWN.len()],
    own: Vec<(CompactString, CompactString)>,
    outside_sessions: bool,
    grants: Grants,
}

impl Attribute {
    /// The attribute of that name; any name that is not known is the operator's own.
    pub fn named(name: &str) -> Self {
        KNOWN
            .iter()
            .find(|(known, _)| *known == name)
            .map_or_else(|| Self::Own(name.into()), |(_, attribute)| attribute.clone())
    }

    /// The name as it is written in a policy.
    pub fn name(&self) -> &str {
        match self {
            Self::Own(name) => name,
            known => KNOWN[known.index()].0,
        }
    }

    /// The names that every policy knows.
    pub fn known_names() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().map(|(name, _)| *name)
    }

    const fn index(&self) -> usize {
        match self {
            Self::User => 0,
            Self::Session => 1,
            Self::Team => 2,
            Self::Tier => 3,
            Self::Key => 4,
            Self::Provider => 5,
            Self::Model => 6,
            Self::Task => 7,
            Self::Route => 8,
            Self::Priority => 9,
            Self::Customer => 10,
            Self::Tag => 11,
            Self::Own(_) => usize::MAX,
        }
    }
}

impl Attributes {
    /// Attributes of a request about which nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// These attributes with one more, for building them in one expression.
    #[must_use]
    pub fn with(mut self, attribute: Attribute, value: impl Into<CompactString>) -> Self {
        self.set(attribute, value);
        self
    }

    /// Sets an attribute, replacing what it was.
    pub fn set(&mut self, attribute: Attribute, value: impl Into<CompactString>) {
        let value = value.into();
        match attribute {
            Attribute::Own(name) => match self.own.iter_mut().find(|(n, _)| *n == name) {
                Some((_, old)) => *old = value,
                None => self.own.push((name, value)),
            },
            known => self.known[known.index()] = Some(value),
        }
    }

    /// The value of an attribute, if it is known.
    pub fn value(&self, attribute: &Attribute) -> Option<&str> {
        match attribute {
            Attribute::Own(name) => {
                self.own.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
            }
            known => self.known[known.index()].as_deref(),
        }
    }

    /// The request is none of a session's, and limits on sessions do not apply to it.
    pub const fn set_outside_sessions(&mut self) {
        self.outside_sessions = true;
    }

    /// Whether limits on sessions do not apply to it.
    pub const fn is_outside_sessions(&self) -> bool {
        self.outside_sessions
    }

    /// Gives it what it is granted instead of what the policy allows everybody.
    pub fn set_grants(&mut self, grants: Grants) {
        self.grants = grants;
    }

    /// What it is granted instead of what the policy allows everybody.
    #[inline]
    pub const fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Every attribute that is known, by name, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let known = KNOWN.iter().zip(&self.known);
        known.filter_map(|((name, _), value)| Some((*name, value.as_deref()?))).chain(self.own())
    }

    /// Those of the operator's own.
    pub fn own(&self) -> impl Iterator<Item = (&str, &str)> {
        self.own.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_its_own_place() {
        for (place, (name, attribute)) in KNOWN.iter().enumerate() {
            assert_eq!(attribute.index(), place);
            assert_eq!(attribute.name(), *name);
            assert_eq!(Attribute::named(name), *attribute);
        }
    }

    #[test]
    fn the_last_value_set_counts() {
        let attributes = Attributes::new()
            .with(Attribute::User, "alice")
            .with(Attribute::named("job"), "1")
            .with(Attribute::named("job"), "2");
        assert_eq!(attributes.value(&Attribute::named("job")), Some("2"));
        assert_eq!(attributes.iter().collect::<Vec<_>>(), [("user", "alice"), ("job", "2")]);
    }
}
