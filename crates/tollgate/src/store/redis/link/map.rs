//! Which server has which slots.

use std::sync::Arc;

use redis::Value;

use super::{
    keeper::Kept,
    settings::Address,
    slot::{self, SLOTS, TAGS},
};

/// Nobody has the slot.
const NOBODY: u8 = u8::MAX;

/// How many servers a map may name: more than a cluster should have.
const MOST: usize = NOBODY as usize;

/// The servers, and which of them has which slots.
#[derive(Clone)]
pub(super) struct Map {
    nodes: Vec<Arc<Kept>>,
    /// For each slot the number of its server.
    owners: Box<[u8]>,
}

/// Slots from one to another, and the server that has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) address: Address,
}

impl Map {
    /// Nobody has anything.
    pub(super) fn empty() -> Self {
        Self { nodes: Vec::new(), owners: vec![NOBODY; SLOTS].into() }
    }

    pub(super) fn nodes(&self) -> &[Arc<Kept>] {
        &self.nodes
    }

    /// Who has a slot.
    pub(super) fn owner(&self, slot: u16) -> Option<&Arc<Kept>> {
        self.nodes.get(usize::from(*self.owners.get(usize::from(slot))?))
    }

    /// A server by its address.
    pub(super) fn at(&self, address: &Address) -> Option<&Arc<Kept>> {
        self.nodes.iter().find(|node| node.address() == address)
    }

    /// Gives slots to a server, and takes it in if it is new.
    pub(super) fn give(&mut self, first: u16, last: u16, node: &Arc<Kept>) {
        let known = self.nodes.iter().position(|known| Arc::ptr_eq(known, node));
        let number = known.unwrap_or_else(|| {
            self.nodes.push(Arc::clone(node));
            self.nodes.len() - 1
        });
        let Some(slots) = self.owners.get_mut(usize::from(first)..=usize::from(last)) else {
            return;
        };
        if number < MOST {
            slots.fill(number as u8);
        }
    }

    /// Tells every server of a tag that lies there.
    pub(super) fn assign_tags(&self) {
        for node in &self.nodes {
            node.set_tag(TAGS);
        }
        for tag in (0..TAGS as u16).rev() {
            if let Some(node) = self.owner(slot::of_tag(tag)) {
                node.set_tag(usize::from(tag));
            }
        }
    }

    /// Whether every tag lies somewhere.
    pub(super) fn is_whole(&self) -> bool {
        (0..TAGS as u16).all(|tag| self.owner(slot::of_tag(tag)).is_some())
    }
}

/// Reads the answer of `CLUSTER SLOTS`, asked of the server at `asked`: the masters alone. Nothing
/// where it is not of that form.
pub(super) fn read(answer: &Value, asked: &Address) -> Option<Vec<Range>> {
    let Value::Array(rows) = answer else { return None };
    let row = |row: &Value| {
        let Value::Array(parts) = row else { return None };
        let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = &parts[..] else {
            return None;
        };
        let [host, Value::Int(port), ..] = &master[..] else { return None };
        let host = match host {
            Value::BulkString(bytes) if !bytes.is_empty() => {
                String::from_utf8(bytes.clone()).ok()?
            }
            // A server that does not know its own address is where it was asked.
            _ => asked.host.clone(),
        };
        let (first, last) = (u16::try_from(*first).ok()?, u16::try_from(*last).ok()?);
        let port = u16::try_from(*port).ok()?;
        Some(Range { first, last, address: Address { host, port, is_tls: asked.is_tls } })
    };
    rows.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(first: i64, last: i64, host: &[u8], port: i64) -> Value {
        let node = Value::Array(vec![Value::BulkString(host.to_vec()), Value::Int(port)]);
        Value::Array(vec![Value::Int(first), Value::Int(last), node.clone(), node])
    }

    #[test]
    fn slots_are_read_and_a_server_without_a_name_is_where_it_was_asked() {
        let asked = Address { host: "here".to_owned(), port: 1, is_tls: true };
        let answer = Value::Array(vec![row(0, 99, b"there", 2), row(100, 16_383, b"", 3)]);
        let range = |first, last, host: &str, port| Range {
            first,
            last,
            address: Address { host: host.to_owned(), port, is_tls: true },
        };
        let expected = vec![range(0, 99, "there", 2), range(100, 16_383, "here", 3)];
        assert_eq!(read(&answer, &asked), Some(expected));
        for strange in [Value::Nil, Value::Array(vec![Value::Int(3)]), row(0, 1, b"x", 2)] {
            assert_eq!(read(&strange, &asked), None);
        }
        let negative = Value::Array(vec![row(-1, 99, b"there", 2)]);
        assert_eq!(read(&negative, &asked), None);
    }
}
