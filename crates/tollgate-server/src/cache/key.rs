//! Under what an answer is kept: all that determines it, and whose it is.

use http::{HeaderMap, HeaderName};
use tollgate_core::{Attribute, Attributes, policy::settings::CacheScope};

use super::Digest;
use crate::identity::KEY_HEADERS;

/// Under what an answer is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key(pub(super) [u8; 32]);

/// A request, as far as it determines its answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) dialect: &'a str,
    /// As the policy names it.
    pub(crate) provider: &'a str,
    /// With the query, as it is sent on.
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Digest,
}

/// Who may get an answer again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Audience(Vec<u8>);

/// Headers that change what a provider answers.
static TELLING: [HeaderName; 4] = [
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("openai-beta"),
    HeaderName::from_static("accept"),
];

/// Who a tenant is: the first of these that a request has.
const TENANTS: [Attribute; 4] =
    [Attribute::Customer, Attribute::Team, Attribute::Key, Attribute::User];

impl Audience {
    /// The audience of a request's answer. Where the caller's own provider key is sent on,
    /// that is part of who it is, since nobody has said so by name.
    pub(crate) fn new(scope: CacheScope, who: &Attributes, sent_on: Option<&HeaderMap>) -> Self {
        let mut text = Vec::with_capacity(64);
        put(&mut text, scope.name().as_bytes());
        if scope == CacheScope::Global {
            return Self(text);
        }
        let tenant = TENANTS.iter().find_map(|named| Some((named.name(), who.value(named)?)));
        let (named, value) = tenant.unwrap_or_default();
        put(&mut text, named.as_bytes());
        put(&mut text, value.as_bytes());
        if scope == CacheScope::User {
            put(&mut text, who.value(&Attribute::User).unwrap_or_default().as_bytes());
        }
        for name in &KEY_HEADERS {
            for value in sent_on.into_iter().flat_map(|headers| headers.get_all(name)) {
                put(&mut text, value.as_bytes());
            }
        }
        Self(text)
    }
}

impl Key {
    /// The key of a request's answer.
    pub(crate) fn new(audience: &Audience, question: &Question<'_>) -> Self {
        let mut text = Vec::with_capacity(256);
        put(&mut text, &audience.0);
        for part in [question.dialect, question.provider, question.path] {
            put(&mut text, part.as_bytes());
        }
        for name in &TELLING {
            let values = question.headers.get_all(name);
            put(&mut text, &(values.iter().count() as u64).to_be_bytes());
            for value in values {
                put(&mut text, value.as_bytes());
            }
        }
        put(&mut text, question.body.hash.as_bytes());
        Self(*blake3::hash(&text).as_bytes())
    }

    /// The key of an application's entry.
    pub(crate) fn of_entry(tenant: &str, namespace: &str, name: &str) -> Self {
        let mut text = Vec::with_capacity(tenant.len() + namespace.len() + name.len() + 24);
        for part in [tenant, namespace, name] {
            put(&mut text, part.as_bytes());
        }
        Self(*blake3::hash(&text).as_bytes())
    }
}

/// A part that no other parts together can look like.
fn put(text: &mut Vec<u8>, part: &[u8]) {
    text.extend_from_slice(&(part.len() as u64).to_be_bytes());
    text.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cache::digest;

    fn who(named: &[(Attribute, &str)]) -> Attributes {
        let mut who = Attributes::new();
        for (attribute, value) in named {
            who.set(attribute.clone(), *value);
        }
        who
    }

    fn tenant(named: &[(Attribute, &str)]) -> Audience {
        Audience::new(CacheScope::Tenant, &who(named), None)
    }

    #[test]
    fn a_tenant_is_the_customer_else_the_team_else_the_key_else_the_user() {
        use Attribute::{Customer, Key, Team, User};
        let acme = tenant(&[(Customer, "acme"), (User, "a")]);
        assert_eq!(acme, tenant(&[(Customer, "acme"), (Team, "x"), (User, "b")]));
        let apart = [
            acme,
            tenant(&[(Team, "acme")]),
            tenant(&[(Key, "acme"), (User, "a")]),
            tenant(&[(User, "acme")]),
            tenant(&[(User, "a")]),
            tenant(&[]),
        ];
        for (place, one) in apart.iter().enumerate() {
            assert!(apart[..place].iter().all(|other| other != one), "{one:?}");
        }
    }

    #[test]
    fn a_user_shares_with_nobody_and_everybody_with_all() {
        let a = who(&[(Attribute::Key, "k"), (Attribute::User, "a")]);
        let b = who(&[(Attribute::Key, "k"), (Attribute::User, "b")]);
        let of = |scope, who| Audience::new(scope, who, None);
        assert_eq!(of(CacheScope::Tenant, &a), of(CacheScope::Tenant, &b));
        assert_ne!(of(CacheScope::User, &a), of(CacheScope::User, &b));
        assert_eq!(of(CacheScope::Global, &a), of(CacheScope::Global, &who(&[])));
    }

    #[test]
    fn strangers_with_keys_of_their_own_are_strangers_to_each_other() {
        let of = |key: &'static str| {
            let headers = [("authorization", key)].map(|(name, value)| {
                (HeaderName::from_static(name), http::HeaderValue::from_static(value))
            });
            let headers: HeaderMap = headers.into_iter().collect();
            Audience::new(CacheScope::Tenant, &Attributes::new(), Some(&headers))
        };
        assert_ne!(of("Bearer sk-1"), of("Bearer sk-2"));
        assert_eq!(of("Bearer sk-1"), of("Bearer sk-1"));
    }

    #[test]
    fn all_that_determines_an_answer_is_in_its_key() {
        let body = digest(b"{\"model\":\"m\"}").unwrap();
        let other_body = digest(b"{\"model\":\"n\"}").unwrap();
        let none = HeaderMap::new();
        let mut beta = HeaderMap::new();
        beta.insert("openai-beta", http::HeaderValue::from_static("x"));
        let question = Question {
            dialect: "openai",
            provider: "up",
            path: "/v1/chat/completions",
            headers: &none,
            body: &body,
        };
        let of = |question: &Question<'_>| Key::new(&tenant(&[]), question);
        let key = of(&question);
        for other in [
            Question { dialect: "gemini", ..question },
            Question { provider: "down", ..question },
            Question { path: "/v1/chat/completions?a=b", ..question },
            Question { headers: &beta, ..question },
            Question { body: &other_body, ..question },
        ] {
            assert_ne!(of(&other), key, "{other:?}");
        }
        assert_ne!(Key::new(&tenant(&[(Attribute::User, "a")]), &question), key);
    }

    /// The attributes that make a tenant, as far as they have values.
    fn named(values: &[Option<String>; 4]) -> Vec<(Attribute, &str)> {
        let named = TENANTS.iter().cloned().zip(values);
        named.filter_map(|(attribute, value)| Some((attribute, value.as_deref()?))).collect()
    }

    proptest! {
        #[test]
        fn an_entry_of_one_tenant_is_never_found_by_another(
            one in ["[ab/]{0,3}", "[ab/]{0,3}", "[ab/]{0,3}"],
            other in ["[ab/]{0,3}", "[ab/]{0,3}", "[ab/]{0,3}"],
        ) {
            let of = |[tenant, namespace, name]: &[String; 3]| Key::of_entry(tenant, namespace, name);
            prop_assert_eq!(of(&one) == of(&other), one == other);
        }

        #[test]
        fn an_answer_of_one_tenant_is_never_found_by_another(
            one in prop::array::uniform4(prop::option::of("[ab]{1,2}")),
            other in prop::array::uniform4(prop::option::of("[ab]{1,2}")),
        ) {
            let (one, other) = (named(&one), named(&other));
            prop_assert_eq!(tenant(&one) == tenant(&other), one.first() == other.first());
        }
    }
}
