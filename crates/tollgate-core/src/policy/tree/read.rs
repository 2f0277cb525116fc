//! From the tree to types, by serde, with every error that can be found in one go.

use std::fmt;

use serde::{
    de::{
        DeserializeOwned, DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer,
        MapAccess, SeqAccess, Unexpected, Visitor,
        value::{BorrowedStrDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};

use super::{Entry, Node, Scalar, Step, Value};
use crate::policy::{
    PolicyError,
    suggest::suggestion,
    values::{SECRET, TEXT, TEXT_OR_SECRET, excerpt},
};

/// Finds the value of an environment variable that a policy names.
pub(crate) type Secrets<'a> = &'a dyn Fn(&str) -> Option<String>;

/// More errors than this help nobody.
const MAX_ERRORS: usize = 32;

/// Reads a part of a policy: what stands at `path` of `root`.
///
/// What is wrong is noted, taken out, and the rest read again, until all errors are known.
pub(crate) fn read<T: DeserializeOwned>(
    root: &Node,
    path: &[Step],
    secrets: Secrets<'_>,
    errors: &mut Vec<PolicyError>,
) -> Option<T> {
    let node = root.at(path)?;
    let mut wrong = match T::deserialize(Reader { node, secrets }) {
        Ok(value) => return Some(value),
        Err(wrong) => wrong,
    };
    let mut pruned = root.clone();
    let mut taken: Vec<Vec<Step>> = Vec::new();
    for _ in 0..MAX_ERRORS {
        let mut at = path.to_vec();
        at.extend(wrong.path.drain(..).rev());
        if !taken.iter().any(|taken| wrong.misses(&at, taken)) {
            errors.push(wrong.located(&pruned, &at));
        }
        if at.len() == path.len() || !pruned.remove(&at) {
            break;
        }
        taken.push(at);
        match T::deserialize(Reader { node: pruned.at(path)?, secrets }) {
            Ok(_) => break,
            Err(next) => wrong = next,
        }
    }
    None
}

/// A node, being read.
#[derive(Clone, Copy)]
struct Reader<'de> {
    node: &'de Node,
    secrets: Secrets<'de>,
}

/// What a type found wrong, and the steps to it, the last one first.
#[derive(Debug)]
struct Wrong {
    message: String,
    help: Option<String>,
    path: Vec<Step>,
    /// Whether the key is wrong, not its value.
    key: bool,
    /// The key that is not there.
    missing: Option<&'static str>,
}

impl Wrong {
    /// Whether what is missing at `at` is what was taken out of there.
    fn misses(&self, at: &[Step], taken: &[Step]) -> bool {
        match (self.missing, taken.split_last()) {
            (Some(field), Some((Step::Key(key), table))) => field == key && table == at,
            _ => false,
        }
    }

    fn within(mut self, step: Step) -> Self {
        self.path.push(step);
        self
    }

    fn located(&self, root: &Node, at: &[Step]) -> PolicyError {
        let (table, named) = match at.split_last() {
            Some((_, parents)) if self.key => (parents, root.describe(parents)),
            _ => (at, root.describe(at)),
        };
        let message = match (named.as_str(), self.key) {
            ("", _) => self.message.clone(),
            (table, true) => format!("{} in `{table}`", self.message),
            (value, false) => format!("`{value}`: {}", self.message),
        };
        let origin = match (root.at(table), at.last()) {
            (Some(table), Some(Step::Key(key))) if self.key => table.key_origin(key),
            (Some(node), _) => &node.origin,
            (None, _) => &root.origin,
        };
        let error = PolicyError::new(message).at(origin);
        let error = if self.missing.is_some() { error.incomplete() } else { error };
        match &self.help {
            Some(help) => error.help(help),
            None => error,
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Wrong {}

impl Error for Wrong {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            message: message.to_string(),
            help: None,
            path: Vec::new(),
            key: false,
            missing: None,
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format!("expected {}, found {}", wanted(expected), described(&found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> Self {
        let message = format!("`{}` is not known in this version", excerpt(found));
        Self { help: Some(suggestion(found, expected, "the choices are")), ..Self::custom(message) }
    }

    fn unknown_field(found: &str, expected: &'static [&'static str]) -> Self {
        let message = format!("unknown key `{}`", excerpt(found));
        let help = Some(suggestion(found, expected, "the keys here are"));
        Self { help, key: true, ..Self::custom(message) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { missing: Some(field), ..Self::custom(format!("`{field}` is missing")) }
    }
}

/// What a type wants, without the names of Rust's types.
fn wanted(expected: &dyn Expected) -> String {
    let expected = expected.to_string();
    match expected.as_str() {
        "a map" => "a table",
        "a sequence" => "a list",
        "a string" => "a text",
        "a boolean" => "true or false",
        "f64" => "a number",
        "u16" | "u32" | "u64" | "usize" => "a whole number, at least 0 and not too large",
        "a nonzero u32" | "a nonzero u64" => "a whole number, at least 1 and not too large",
        other if other.starts_with("struct ") => "a table",
        other => other,
    }
    .to_owned()
}

fn described(found: &Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(number) => format!("the number {number}"),
        Unexpected::Signed(number) => format!("the number {number}"),
        Unexpected::Float(number) => format!("the number {number}"),
        Unexpected::Str(text) => format!("the text `{}`", excerpt(text)),
        Unexpected::Map => "a table".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        other => other.to_string(),
    }
}

impl<'de> Reader<'de> {
    const fn of(self, node: &'de Node) -> Self {
        Self { node, ..self }
    }

    /// What stands here, where a scalar of another kind was wanted.
    fn unexpected(self, visitor: &dyn Expected) -> Wrong {
        let found = match &self.node.value {
            Value::Scalar(scalar) => scalar.described(),
            Value::List(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
        };
        Wrong::custom(format!("expected {}, found {found}", wanted(visitor)))
    }

    fn text<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match &self.node.value {
            Value::Scalar(
                Scalar::Text(text)
                | Scalar::Given(text)
                | Scalar::Integer(text)
                | Scalar::Float(text),
            ) => visitor.visit_str(text),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn secret<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let name = self.node.text().and_then(|text| text.strip_prefix("env:"));
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            let help = "put it in an environment variable or in .env, and write \"env:NAME\" here";
            let message = "a secret is never written into a policy".to_owned();
            return Err(Wrong { help: Some(help.to_owned()), ..Wrong::custom(message) });
        };
        let Some(value) = (self.secrets)(name) else {
            let message = format!("the environment variable {} is not set", excerpt(name));
            let help = "set it in the environment or in .env";
            return Err(Wrong { help: Some(help.to_owned()), ..Wrong::custom(message) });
        };
        visitor.visit_seq(SeqDeserializer::new([name.to_owned(), value].into_iter()))
    }
}

/// Numbers and truth values may be given as text by the environment.
macro_rules! scalars {
    ($($method:ident, $visit:ident, $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            match &self.node.value {
                Value::Scalar(Scalar::Given(text)) => match text.trim().parse::<$type>() {
                    Ok(value) => visitor.$visit(value),
                    Err(_) => Err(self.unexpected(&visitor)),
                },
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match &self.node.value {
            Value::Scalar(Scalar::Text(text) | Scalar::Given(text)) => visitor.visit_str(text),
            Value::Scalar(Scalar::Bool(value)) => visitor.visit_bool(*value),
            Value::Scalar(Scalar::Integer(digits)) => match (digits.parse(), digits.parse()) {
                (Ok(number), _) => visitor.visit_u64(number),
                (_, Ok(number)) => visitor.visit_i64(number),
                _ => Err(self.unexpected(&visitor)),
            },
            Value::Scalar(Scalar::Float(digits)) => match digits.parse() {
                Ok(number) => visitor.visit_f64(number),
                Err(_) => Err(self.unexpected(&visitor)),
            },
            Value::Scalar(Scalar::Date(_)) => Err(self.unexpected(&visitor)),
            Value::List(list) => {
                visitor.visit_seq(List { reader: self, list: list.iter().enumerate() })
            }
            Value::Table(table) => {
                visitor.visit_map(Fields { reader: self, fields: table.iter(), value: None })
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match name {
            TEXT => self.text(visitor),
            SECRET => self.secret(visitor),
            TEXT_OR_SECRET => match self.node.text() {
                Some(text) if text.starts_with("env:") => self.secret(visitor),
                _ => self.text(visitor),
            },
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self.node.text() {
            Some(text) => visitor.visit_enum(text.into_deserializer()),
            None => Err(self.unexpected(&"a word")),
        }
    }

    /// A list from the environment is written with commas.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match &self.node.value {
            Value::Scalar(Scalar::Given(text)) => {
                visitor.visit_seq(SeqDeserializer::new(text.split(',').map(str::trim)))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    scalars! {
        deserialize_bool, visit_bool, bool;
        deserialize_i8, visit_i8, i8;
        deserialize_i16, visit_i16, i16;
        deserialize_i32, visit_i32, i32;
        deserialize_i64, visit_i64, i64;
        deserialize_u8, visit_u8, u8;
        deserialize_u16, visit_u16, u16;
        deserialize_u32, visit_u32, u32;
        deserialize_u64, visit_u64, u64;
        deserialize_f32, visit_f32, f32;
        deserialize_f64, visit_f64, f64;
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct map
        struct identifier ignored_any
    }
}

struct List<'de> {
    reader: Reader<'de>,
    list: std::iter::Enumerate<std::slice::Iter<'de, Node>>,
}

impl<'de> SeqAccess<'de> for List<'de> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Wrong> {
        let Some((index, node)) = self.list.next() else { return Ok(None) };
        let read = seed.deserialize(self.reader.of(node));
        read.map(Some).map_err(|wrong| wrong.within(Step::Index(index)))
    }
}

struct Fields<'de> {
    reader: Reader<'de>,
    fields: std::collections::btree_map::Iter<'de, String, Entry>,
    value: Option<(&'de str, &'de Node)>,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Wrong> {
        let Some((key, entry)) = self.fields.next() else { return Ok(None) };
        self.value = Some((key, &entry.node));
        let read = seed.deserialize(BorrowedStrDeserializer::new(key));
        read.map(Some)
            .map_err(|wrong: Wrong| Wrong { key: true, ..wrong }.within(Step::Key(key.clone())))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Wrong> {
        let Some((key, node)) = self.value.take() else {
            return Err(Wrong::custom("a value was asked for before its key"));
        };
        let read = seed.deserialize(self.reader.of(node));
        read.map_err(|wrong| wrong.within(Step::Key(key.to_owned())))
    }
}
