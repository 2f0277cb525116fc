//! A policy as it holds after every overlay, as a file that means the same.

use std::fmt::Write;

use super::{
    Settings,
    tree::{Node, Value},
};

/// The policy as TOML: settings with their defaults, then the limits as they were written.
pub(super) fn effective(tree: &Node, settings: &Settings) -> String {
    let mut text = toml::to_string(settings).unwrap_or_default();
    for limit in tree.child("limits").map(Node::list).unwrap_or_default() {
        text.push_str("\n[[limits]]\n");
        let Some(fields) = limit.table() else { continue };
        let (name, rest): (Vec<_>, Vec<_>) = fields.iter().partition(|(key, _)| *key == "name");
        for (key, entry) in name.into_iter().chain(rest) {
            // Writing into a text cannot fail.
            let _ = writeln!(text, "{key} = {}", value(&entry.node));
        }
    }
    text
}

fn value(node: &Node) -> toml::Value {
    match &node.value {
        Value::Scalar(scalar) => scalar.to_toml(),
        Value::List(list) => toml::Value::Array(list.iter().map(value).collect()),
        Value::Table(table) => {
            let fields = table.iter().map(|(key, entry)| (key.clone(), value(&entry.node)));
            toml::Value::Table(fields.collect())
        }
    }
}
