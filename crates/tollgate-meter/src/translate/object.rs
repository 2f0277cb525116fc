//! JSON read member by member, so that nothing in it is overlooked.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::{Read, Untranslatable};
use crate::json;

/// More members than any object has that is read here.
const MAX_MEMBERS: usize = 1000;

const NO_OBJECT: Untranslatable = Untranslatable::wrong("a JSON object that can be read");

/// The members of an object that have not been taken yet.
#[derive(Debug)]
pub(super) struct Object<'a> {
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Object<'a> {
    /// Reads a body.
    pub(super) fn parse(body: &'a [u8]) -> Read<Self> {
        serde_json::from_slice(body).map_err(|_| NO_OBJECT).and_then(Self::unambiguous)
    }

    /// Reads a value.
    pub(super) fn of(value: &'a RawValue) -> Read<Self> {
        serde_json::from_str(value.get()).map_err(|_| NO_OBJECT).and_then(Self::unambiguous)
    }

    /// Readers differ in which of two members with the same name they believe.
    fn unambiguous(self) -> Read<Self> {
        let mut names: Vec<&str> = self.members.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Untranslatable::wrong("there only once").within(pair[0])),
            None => Ok(self),
        }
    }

    /// The value of a member; `null` says nothing.
    pub(super) fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let at = self.members.iter().position(|(known, _)| known == name)?;
        let (_, value) = self.members.swap_remove(at);
        says_something(value).then_some(value)
    }

    /// What a member says, read so.
    pub(super) fn read<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&'a RawValue) -> Read<T>,
    ) -> Read<Option<T>> {
        self.take(name).map(read).transpose().map_err(|error| error.within(name))
    }

    /// What a member says that must be there.
    pub(super) fn need<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&'a RawValue) -> Read<T>,
    ) -> Read<T> {
        self.read(name, read)?.ok_or_else(|| Untranslatable::missing(name))
    }

    /// What the items of an array say; nothing where it is missing.
    pub(super) fn each<T>(
        &mut self,
        name: &str,
        item: impl FnMut(&'a RawValue) -> Read<T>,
    ) -> Read<Vec<T>> {
        Ok(self.read(name, |value| items(value, item))?.unwrap_or_default())
    }

    /// Takes a member that can be translated only where it asks for nothing: where it is one of
    /// these.
    pub(super) fn only(&mut self, name: &str, nothing: &[&str], reason: &'static str) -> Read<()> {
        match self.take(name) {
            Some(value) if !nothing.contains(&value.get()) => {
                Err(Untranslatable::because(reason).within(name))
            }
            _ => Ok(()),
        }
    }

    /// Takes no notice of members that merely hint.
    pub(super) fn drop_hints(&mut self, names: &[&str]) {
        self.members.retain(|(name, _)| !names.contains(&&**name));
    }

    /// Everything that means something has been taken.
    pub(super) fn end(self) -> Read<()> {
        match self.members.iter().find(|(_, value)| says_something(value)) {
            Some((name, _)) => Err(Untranslatable::unknown(name)),
            None => Ok(()),
        }
    }
}

/// Reads an array item by item.
pub(super) fn items<'a, T>(
    value: &'a RawValue,
    mut item: impl FnMut(&'a RawValue) -> Read<T>,
) -> Read<Vec<T>> {
    let mut read = Vec::new();
    let mut failed = None;
    let all = json::each(value.get(), |value| {
        if failed.is_none() {
            match item(value) {
                Ok(item) => read.push(item),
                Err(error) => failed = Some(error.at(read.len())),
            }
        }
    });
    match failed {
        Some(error) => Err(error),
        None => all.map(|()| read).map_err(|_| Untranslatable::wrong("an array")),
    }
}

/// Reads a string.
pub(super) fn text(value: &RawValue) -> Read<Cow<'_, str>> {
    let text: Result<Text<'_>, _> = serde_json::from_str(value.get());
    text.map(|Text(text)| text).map_err(|_| Untranslatable::wrong("a string"))
}

pub(super) fn flag(value: &RawValue) -> Read<bool> {
    serde_json::from_str(value.get()).map_err(|_| Untranslatable::wrong("`true` or `false`"))
}

pub(super) fn count(value: &RawValue) -> Read<u64> {
    serde_json::from_str(value.get()).map_err(|_| Untranslatable::wrong("a whole number"))
}

pub(super) fn number(value: &RawValue) -> Read<f64> {
    serde_json::from_str(value.get()).map_err(|_| Untranslatable::wrong("a number"))
}

/// Takes an object as it is written.
pub(super) fn verbatim(value: &RawValue) -> Read<&RawValue> {
    if value.get().starts_with('{') { Ok(value) } else { Err(NO_OBJECT) }
}

fn says_something(value: &RawValue) -> bool {
    value.get() != "null"
}

#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((Text(name), value)) = map.next_entry()? {
            if members.len() == MAX_MEMBERS {
                return Err(Error::custom("too many members"));
            }
            members.push((name, value));
        }
        Ok(Object { members })
    }
}
