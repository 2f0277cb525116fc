//! A policy's text as a tree in which every key and value knows where it came from.
//!
//! Files, presets, profiles and environment are overlaid as trees, and only the result is
//! read into types: so an error still points at the line of whichever text is to blame.

mod merge;
mod parse;
mod read;
mod scalar;

use std::collections::BTreeMap;

pub(crate) use merge::overlay;
pub(crate) use parse::parse;
pub(crate) use read::{Secrets, read};
pub(crate) use scalar::Scalar;

use super::source::Origin;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// What a policy is made of.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Table(Table),
}

/// Values by their keys.
pub(crate) type Table = BTreeMap<String, Entry>;

/// A value under its key.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Where the key stands.
    pub(crate) key: Origin,
    pub(crate) node: Node,
}

/// One step from a value to a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

impl Node {
    pub(crate) const fn new(value: Value, origin: Origin) -> Self {
        Self { value, origin }
    }

    pub(crate) const fn table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            Value::Scalar(_) | Value::List(_) => None,
        }
    }

    pub(crate) const fn table_mut(&mut self) -> Option<&mut Table> {
        match &mut self.value {
            Value::Table(table) => Some(table),
            Value::Scalar(_) | Value::List(_) => None,
        }
    }

    pub(crate) fn list(&self) -> &[Self] {
        match &self.value {
            Value::List(list) => list,
            Value::Scalar(_) | Value::Table(_) => &[],
        }
    }

    /// The text of a scalar that is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(Scalar::Text(text) | Scalar::Given(text)) => Some(text),
            _ => None,
        }
    }

    /// The value under a key.
    pub(crate) fn child(&self, key: &str) -> Option<&Self> {
        Some(&self.table()?.get(key)?.node)
    }

    /// Where the key stands, else the table that lacks it.
    pub(crate) fn key_origin(&self, key: &str) -> &Origin {
        self.table().and_then(|table| table.get(key)).map_or(&self.origin, |entry| &entry.key)
    }

    /// Where the value under the key stands, else the table that lacks it.
    pub(crate) fn value_origin(&self, key: &str) -> &Origin {
        self.child(key).map_or(&self.origin, |node| &node.origin)
    }

    /// Takes a key out of a table.
    pub(crate) fn take(&mut self, key: &str) -> Option<Entry> {
        self.table_mut()?.remove(key)
    }

    /// The part at the end of the steps.
    pub(crate) fn at(&self, path: &[Step]) -> Option<&Self> {
        path.iter().try_fold(self, |node, step| match step {
            Step::Key(key) => node.child(key),
            Step::Index(index) => node.list().get(*index),
        })
    }

    fn at_mut(&mut self, path: &[Step]) -> Option<&mut Self> {
        path.iter().try_fold(self, |node, step| match (step, &mut node.value) {
            (Step::Key(key), Value::Table(table)) => Some(&mut table.get_mut(key)?.node),
            (Step::Index(index), Value::List(list)) => list.get_mut(*index),
            _ => None,
        })
    }

    /// Removes the part at the end of the steps; says whether there was one.
    pub(crate) fn remove(&mut self, path: &[Step]) -> bool {
        let Some((last, parents)) = path.split_last() else { return false };
        let Some(parent) = self.at_mut(parents) else { return false };
        match (last, &mut parent.value) {
            (Step::Key(key), Value::Table(table)) => table.remove(key).is_some(),
            (Step::Index(index), Value::List(list)) if *index < list.len() => {
                list.remove(*index);
                true
            }
            _ => false,
        }
    }

    /// Puts a scalar at the end of the steps, making tables on the way; says whether the
    /// way was open.
    pub(crate) fn set(&mut self, path: &[Step], scalar: Scalar, origin: &Origin) -> bool {
        let Some((step, rest)) = path.split_first() else {
            *self = Self::new(Value::Scalar(scalar), origin.clone());
            return true;
        };
        match (step, &mut self.value) {
            (Step::Key(key), Value::Table(table)) => {
                let entry = table.entry(key.clone()).or_insert_with(|| Entry {
                    key: origin.clone(),
                    node: Self::new(Value::Table(Table::new()), origin.clone()),
                });
                entry.node.set(rest, scalar, origin)
            }
            (Step::Index(index), Value::List(list)) => {
                list.get_mut(*index).is_some_and(|node| node.set(rest, scalar, origin))
            }
            _ => false,
        }
    }

    /// The steps as people say them: `limits.user-minute.requests`. What stands in a list
    /// is told by its `name` or `id`, else by its place.
    pub(crate) fn describe(&self, path: &[Step]) -> String {
        let mut described = String::new();
        for (place, step) in path.iter().enumerate() {
            if place > 0 {
                described.push('.');
            }
            match step {
                Step::Key(key) => described.push_str(key),
                Step::Index(index) => {
                    let node = self.at(&path[..=place]);
                    match node.and_then(Self::own_name) {
                        Some(name) => described.push_str(name),
                        None => described.push_str(&(index + 1).to_string()),
                    }
                }
            }
        }
        described
    }

    /// The `name` or `id` by which an entry of a list is known.
    pub(crate) fn own_name(&self) -> Option<&str> {
        self.child("name").or_else(|| self.child("id"))?.text()
    }
}
