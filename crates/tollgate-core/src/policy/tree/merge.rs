//! One tree laid over another.

use std::mem;

use super::{Entry, Node, Table, Value};

/// Lists whose entries are laid over the entry of the same name, with the key that names it.
const NAMED: [(&str, &str); 3] = [("limits", "name"), ("keys", "id"), ("sinks", "name")];

/// The keys that say what a limit counts. One that is laid over another replaces it, and
/// with it the tiers that were written for it.
pub(crate) const MEASURES: [&str; 9] = [
    "requests",
    "tokens",
    "input_tokens",
    "output_tokens",
    "usd",
    "seconds",
    "bucket",
    "concurrency",
    "sessions",
];

/// Lays one policy over another: tables key by key, limits and keys by their names, all
/// else as a whole.
pub(crate) fn overlay(base: &mut Node, over: Node) {
    let over = match (&mut base.value, over.value) {
        (Value::Table(base), Value::Table(over)) => {
            for (name, entry) in over {
                overlay_entry(base, name, entry);
            }
            return;
        }
        (_, value) => Node::new(value, over.origin),
    };
    *base = over;
}

fn overlay_entry(base: &mut Table, name: String, over: Entry) {
    let Some(entry) = base.get_mut(&name) else {
        base.insert(name, over);
        return;
    };
    let named_by = NAMED.iter().find(|(list, _)| *list == name).map(|(_, key)| *key);
    match (named_by, &mut entry.node.value, over.node.value) {
        (Some(key), Value::List(base), Value::List(over)) => overlay_named(base, over, key),
        (_, _, value) => overlay(&mut entry.node, Node::new(value, over.node.origin)),
    }
}

fn overlay_named(base: &mut Vec<Node>, over: Vec<Node>, key: &str) {
    for mut node in over {
        let same = |old: &&mut Node| match (old.child(key), node.child(key)) {
            (Some(old), Some(new)) => old.text().is_some() && old.text() == new.text(),
            _ => false,
        };
        let Some(old) = base.iter_mut().find(same) else {
            base.push(node);
            continue;
        };
        let (Some(fields), Some(given)) = (old.table_mut(), node.table_mut()) else {
            continue;
        };
        if key == "name" && MEASURES.iter().any(|measure| given.contains_key(*measure)) {
            let stale = |field: &str| {
                let other = MEASURES.contains(&field) || field == "tiers";
                other && !given.contains_key(field)
            };
            let same_measure =
                MEASURES.iter().any(|m| given.contains_key(*m) && fields.contains_key(*m));
            fields.retain(|field, _| !stale(field) || (same_measure && field == "tiers"));
        }
        fields.extend(mem::take(given));
    }
}
