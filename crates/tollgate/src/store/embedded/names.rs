//! Who made a reservation, as a run of bytes beside its row: the values of the row's columns,
//! each after its length, so that a row needs no memory of its own for them.
//!
//! What spend is told apart by comes first: that part of the run names a sum of spend.

use tollgate_core::{Attribute, Attributes};

/// The dimensions of spend, in their order.
const DIMENSIONS: [Attribute; 8] = [
    Attribute::User,
    Attribute::Key,
    Attribute::Team,
    Attribute::Customer,
    Attribute::Provider,
    Attribute::Model,
    Attribute::Task,
    Attribute::Tag,
];

/// Attributes without a column of their own.
const OTHERS: [Attribute; 4] =
    [Attribute::Customer, Attribute::Tag, Attribute::Route, Attribute::Priority];

/// A run of bytes, read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Names<'a> {
    pub(super) user: Option<&'a str>,
    pub(super) session: Option<&'a str>,
    pub(super) team: Option<&'a str>,
    pub(super) tier: Option<&'a str>,
    pub(super) key: Option<&'a str>,
    pub(super) provider: Option<&'a str>,
    pub(super) model: Option<&'a str>,
    pub(super) task: Option<&'a str>,
    /// The attributes that have no column, as JSON, if there are any.
    pub(super) other: Option<&'a str>,
    /// The part that names a sum of spend.
    pub(super) dimensions: &'a [u8],
}

/// Adds a run to some bytes.
pub(super) fn write(bytes: &mut Vec<u8>, who: &Attributes) {
    let columns = DIMENSIONS.iter().chain(&[Attribute::Session, Attribute::Tier]);
    for attribute in columns {
        write_value(bytes, who.value(attribute));
    }
    let known = OTHERS.iter().filter_map(|other| Some((other.name(), who.value(other)?)));
    let mut others = known.chain(who.own()).peekable();
    if others.peek().is_none() {
        return write_value(bytes, None);
    }
    let start = bytes.len();
    bytes.extend([0; LENGTH]);
    for (nth, (name, value)) in others.enumerate() {
        bytes.push(if nth == 0 { b'{' } else { b',' });
        write_json(bytes, name);
        bytes.push(b':');
        write_json(bytes, value);
    }
    bytes.push(b'}');
    let length = bytes.len() - start - LENGTH;
    bytes[start..start + LENGTH].copy_from_slice(&length_of(Some(length)));
}

/// Takes the first value off a run; what is cut off is none.
pub(super) fn take<'a>(run: &mut &'a [u8]) -> Option<&'a str> {
    let (length, rest) = run.split_first_chunk()?;
    *run = rest;
    let length = u32::from_le_bytes(*length).checked_sub(1)?;
    let (value, rest) = rest.split_at_checked(length as usize)?;
    *run = rest;
    std::str::from_utf8(value).ok()
}

impl<'a> Names<'a> {
    /// Reads a run.
    pub(super) fn read(run: &'a [u8]) -> Self {
        let mut rest = run;
        let values: [_; DIMENSIONS.len()] = std::array::from_fn(|_| take(&mut rest));
        let [user, key, team, _, provider, model, task, _] = values;
        let dimensions = &run[..run.len() - rest.len()];
        let (session, tier, other) = (take(&mut rest), take(&mut rest), take(&mut rest));
        Self { user, session, team, tier, key, provider, model, task, other, dimensions }
    }
}

/// Bytes of a length.
const LENGTH: usize = size_of::<u32>();

/// The length of a value as it is written: one more, so that 0 is none.
fn length_of(value: Option<usize>) -> [u8; LENGTH] {
    let length = value.map_or(0, |length| length.saturating_add(1));
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

fn write_value(bytes: &mut Vec<u8>, value: Option<&str>) {
    bytes.extend(length_of(value.map(str::len)));
    bytes.extend(value.unwrap_or_default().as_bytes());
}

fn write_json(bytes: &mut Vec<u8>, text: &str) {
    // Writing text to memory does not fail.
    let _ = serde_json::to_writer(bytes, text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attributes() -> impl Strategy<Value = Attributes> {
        let names = prop::sample::select(
            Attribute::known_names().chain(["own", "an \"odd\" one"]).collect::<Vec<_>>(),
        );
        prop::collection::vec((names, ".{0,40}"), 0..14).prop_map(|set| {
            set.into_iter().fold(Attributes::new(), |who, (name, value)| {
                who.with(Attribute::named(name), value)
            })
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(before in attributes(), who in attributes()) {
            let mut bytes = Vec::new();
            write(&mut bytes, &before);
            let from = bytes.len();
            write(&mut bytes, &who);
            let names = Names::read(&bytes[from..]);
            let Names { user, session, team, tier, key, provider, model, task, .. } = names;
            let mut read = Attributes::new();
            let columns = [user, session, team, tier, key, provider, model, task];
            for (name, value) in Attribute::known_names().zip(columns) {
                if let Some(value) = value {
                    read.set(Attribute::named(name), value);
                }
            }
            let others: Option<std::collections::BTreeMap<String, String>> =
                names.other.map(|other| serde_json::from_str(other).expect("JSON"));
            for (name, value) in others.unwrap_or_default() {
                read.set(Attribute::named(&name), value);
            }
            let sorted = |who: &Attributes| {
                who.iter().map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect::<std::collections::BTreeMap<_, _>>()
            };
            prop_assert_eq!(sorted(&read), sorted(&who));
        }

        #[test]
        fn dimensions_are_those_of_spend(who in attributes()) {
            let mut bytes = Vec::new();
            write(&mut bytes, &who);
            let mut dimensions = Names::read(&bytes).dimensions;
            for dimension in super::super::Dimension::ALL {
                let value = who.value(&Attribute::named(dimension.name()));
                prop_assert_eq!(take(&mut dimensions), value);
            }
            prop_assert!(dimensions.is_empty());
        }

        #[test]
        fn a_run_that_is_cut_off_does_no_harm(who in attributes(), at in any::<prop::sample::Index>()) {
            let mut bytes = Vec::new();
            write(&mut bytes, &who);
            bytes.truncate(at.index(bytes.len()));
            Names::read(&bytes);
        }
    }
}
