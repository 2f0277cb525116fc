//! From TOML to the tree.

use std::sync::Arc;

use toml::{
    Spanned,
    de::{DeInteger, DeTable, DeValue},
};

use super::{Entry, Node, Scalar, Table, Value};
use crate::policy::{
    PolicyError,
    source::{Origin, Source},
};

/// The most that is read of one text; a policy is far smaller.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// Reads TOML into a tree.
///
/// # Errors
/// Every place at which the text is not TOML.
pub(crate) fn parse(source: &Arc<Source>, text: &str) -> Result<Node, Vec<PolicyError>> {
    if text.len() > MAX_BYTES {
        let message = format!("{} has more than 1 MiB, which no policy needs", source.name);
        return Err(vec![PolicyError::new(message)]);
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let origin = Origin::Text(Arc::clone(source), table.span());
        return Ok(Node::new(Value::Table(convert_table(source, table.into_inner())), origin));
    }
    let located = |error: &toml::de::Error| {
        let span = error.span().unwrap_or(0..0);
        let found = PolicyError::new(format!("this is not TOML: {}", error.message()));
        found.at(&Origin::Text(Arc::clone(source), span))
    };
    Err(errors.iter().map(located).collect())
}

fn convert_table(source: &Arc<Source>, table: DeTable<'_>) -> Table {
    let entry = |(key, value): (Spanned<std::borrow::Cow<'_, str>>, Spanned<DeValue<'_>>)| {
        let origin = Origin::Text(Arc::clone(source), key.span());
        (key.into_inner().into_owned(), Entry { key: origin, node: convert(source, value) })
    };
    table.into_iter().map(entry).collect()
}

fn convert(source: &Arc<Source>, value: Spanned<DeValue<'_>>) -> Node {
    let origin = Origin::Text(Arc::clone(source), value.span());
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Scalar(Scalar::Text(text.into_owned())),
        DeValue::Integer(number) => Value::Scalar(Scalar::Integer(decimal(&number))),
        DeValue::Float(number) => Value::Scalar(Scalar::Float(number.as_str().to_owned())),
        DeValue::Boolean(value) => Value::Scalar(Scalar::Bool(value)),
        DeValue::Datetime(date) => Value::Scalar(Scalar::Date(date.to_string())),
        DeValue::Array(list) => {
            Value::List(list.into_iter().map(|value| convert(source, value)).collect())
        }
        DeValue::Table(table) => Value::Table(convert_table(source, table)),
    };
    Node::new(value, origin)
}

/// The digits in base ten, where they fit; else as they are written.
fn decimal(number: &DeInteger<'_>) -> String {
    i128::from_str_radix(number.as_str(), number.radix())
        .map_or_else(|_| number.to_string(), |value| value.to_string())
}
