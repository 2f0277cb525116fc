//! Where a Redis is, as `redis://user@host:6379/0`, or as `env:NAME` where that has a password.

use std::{borrow::Cow, fmt, str::FromStr};

use http::Uri;
use percent_encoding::percent_decode_str;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::SECRET_FORMAT;

/// Asks a policy's deserializer for a text, or for name and value of the variable it names.
pub(crate) const TEXT_OR_SECRET: &str = "$tollgate::text_or_secret";

/// The address of one Redis server.
///
/// What it came from a variable is shown by that one's name; its password is never shown.
#[derive(Clone)]
pub struct RedisUrl {
    /// The variable that has it, if one has.
    variable: Option<String>,
    host: String,
    port: Option<u16>,
    database: Option<u32>,
    user: Option<String>,
    password: Option<SecretString>,
    is_tls: bool,
}

const WRITTEN: &str = "write it like redis://127.0.0.1:6379/0, or rediss:// for TLS";
const PATTERN: &str =
    r"^(env:[A-Za-z_][A-Za-z0-9_]*|rediss?://([^:@/?#\s]+@)?[^:@/?#\s]+(:[0-9]+)?(/[0-9]*)?)$";

impl RedisUrl {
    /// The host's name or IP address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, where one is written.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The database, where one is written.
    pub const fn database(&self) -> Option<u32> {
        self.database
    }

    /// The user of an access control list, where one is written.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The password, for sending it, never for showing it.
    pub fn password(&self) -> Option<&str> {
        self.password.as_ref().map(SecretString::expose_secret)
    }

    /// Whether it is reached by TLS.
    pub const fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// The address that a variable holds, password and all.
    fn of_variable(name: String, value: &str) -> Result<Self, String> {
        let read = parse(value);
        let read = read.map_err(|why| format!("what the variable {name} holds: {why}"));
        read.map(|url| Self { variable: Some(name), ..url })
    }
}

impl FromStr for RedisUrl {
    type Err = String;

    /// The address is not told back: it may hold a password.
    fn from_str(text: &str) -> Result<Self, String> {
        let url = parse(text)?;
        if url.password.is_some() {
            return Err("a password is never written into a policy: give it as password = \"env:NAME\" beside the address, or the whole address as \"env:NAME\"".to_owned());
        }
        Ok(url)
    }
}

fn parse(text: &str) -> Result<RedisUrl, String> {
    let uri: Uri = text.parse().map_err(|_| format!("this is no address: {WRITTEN}"))?;
    let (is_tls, authority) = match (uri.scheme_str(), uri.authority()) {
        (Some("redis"), Some(authority)) => (false, authority),
        (Some("rediss"), Some(authority)) => (true, authority),
        _ => return Err(format!("the address of a Redis begins with redis://: {WRITTEN}")),
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err(format!("this address has no host: {WRITTEN}"));
    }
    if uri.query().is_some() || text.contains('#') {
        return Err("the address of a Redis has no query and no fragment".to_owned());
    }
    let after = authority.as_str().rsplit('@').next().unwrap_or_default();
    if after.len() > authority.host().len() && authority.port_u16().is_none() {
        return Err(format!("this address has no port but something else there: {WRITTEN}"));
    }
    let database = match uri.path().trim_matches('/') {
        "" => None,
        digits => Some(digits.parse().map_err(|_| {
            format!("what stands behind the host is the number of a database: {WRITTEN}")
        })?),
    };
    let (user, password) = match authority.as_str().rsplit_once('@') {
        None => (None, None),
        Some((who, _)) => match who.split_once(':') {
            Some((user, password)) => (decoded(user)?, decoded(password)?),
            None => (decoded(who)?, None),
        },
    };
    let (host, port) = (host.to_owned(), authority.port_u16());
    let password = password.map(SecretString::from);
    Ok(RedisUrl { variable: None, host, port, database, user, password, is_tls })
}

fn decoded(part: &str) -> Result<Option<String>, String> {
    let text = percent_decode_str(part).decode_utf8();
    let text = text.map_err(|_| "user and password of an address are UTF-8".to_owned())?;
    Ok((!text.is_empty()).then(|| text.into_owned()))
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.variable {
            return write!(f, "env:{name}");
        }
        f.write_str(if self.is_tls { "rediss://" } else { "redis://" })?;
        if let Some(user) = &self.user {
            let kept = percent_encoding::NON_ALPHANUMERIC;
            write!(f, "{}@", percent_encoding::utf8_percent_encode(user, kept))?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        self.database.map_or(Ok(()), |database| write!(f, "/{database}"))
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for RedisUrl {
    fn eq(&self, other: &Self) -> bool {
        let same = (&self.variable, &self.host, self.port, self.database, &self.user, self.is_tls)
            == (
                &other.variable,
                &other.host,
                other.port,
                other.database,
                &other.user,
                other.is_tls,
            );
        same && self.password() == other.password()
    }
}

impl Serialize for RedisUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RedisUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(TEXT_OR_SECRET, UrlVisitor)
    }
}

struct UrlVisitor;

impl<'de> de::Visitor<'de> for UrlVisitor {
    type Value = RedisUrl;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address like \"redis://127.0.0.1:6379/0\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RedisUrl, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<RedisUrl, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut parts: A) -> Result<RedisUrl, A::Error> {
        let mut part = || {
            let part = parts.next_element::<String>()?;
            part.ok_or_else(|| de::Error::custom("a secret has two parts"))
        };
        let (name, value) = (part()?, SecretString::from(part()?));
        RedisUrl::of_variable(name, value.expose_secret()).map_err(de::Error::custom)
    }
}

impl JsonSchema for RedisUrl {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "RedisUrl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An address like redis://user@127.0.0.1:6379/0, or env:NAME",
            "type": "string",
            "format": SECRET_FORMAT,
            "pattern": PATTERN,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_an_address_is_read_and_shown_again() {
        let url: RedisUrl = "rediss://app%20one@redis.internal:6380/3".parse().expect("good");
        assert_eq!(
            (url.host(), url.port(), url.database()),
            ("redis.internal", Some(6380), Some(3))
        );
        assert_eq!((url.user(), url.password(), url.is_tls()), (Some("app one"), None, true));
        for text in ["redis://h", "redis://[::1]:1/0", "rediss://a@h:2", "redis://127.0.0.1/7"] {
            assert_eq!(text.parse::<RedisUrl>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn a_password_comes_from_the_environment_only_and_is_never_shown() {
        for text in ["redis://:hunter2@h", "redis://u:hunter2@h:1/0"] {
            let wrong = text.parse::<RedisUrl>().expect_err(text);
            assert!(wrong.contains("env:NAME") && !wrong.contains("hunter2"), "{wrong}");
            let url = RedisUrl::of_variable("REDIS".to_owned(), text).expect(text);
            assert_eq!(url.password(), Some("hunter2"));
            assert_eq!(
                (url.to_string(), format!("{url:?}")),
                ("env:REDIS".into(), "env:REDIS".into())
            );
        }
        let odd = RedisUrl::of_variable("REDIS".to_owned(), "redis://:p%40%2F@h").expect("good");
        assert_eq!((odd.user(), odd.password()), (None, Some("p@/")));
    }

    #[test]
    fn what_is_no_address_is_not_told_back() {
        for text in [
            "",
            "hunter2",
            "http://hunter2",
            "redis://",
            "redis://:hunter2@",
            "redis://h/hunter2",
            "redis://h?a=hunter2",
            "redis://h/-1",
            "redis://h#hunter2",
            "redis://h:hunter2",
        ] {
            let wrong = text.parse::<RedisUrl>().expect_err(text);
            assert!(!wrong.contains("hunter2"), "{wrong}");
        }
    }
}
