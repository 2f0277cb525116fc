//! JSON as it is read and written here.

use std::{fmt, marker::PhantomData};

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

/// Reads a JSON object. An array is none, though the parser would take it for the values of
/// the members in their order.
pub(crate) fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    json.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(json).ok())?
}

/// A value in JSON. Strings, numbers and nulls always have a form.
pub(crate) fn written(value: &impl serde::Serialize) -> bytes::Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// Reads the items of an array one by one, without keeping them.
pub(crate) fn each<'a, T: Deserialize<'a>>(
    array: &'a str,
    take: impl FnMut(T),
) -> Result<(), serde_json::Error> {
    serde_json::Deserializer::from_str(array).deserialize_seq(Each(take, PhantomData))
}

struct Each<F, T>(F, PhantomData<T>);

impl<'de, T: Deserialize<'de>, F: FnMut(T)> Visitor<'de> for Each<F, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(item) = seq.next_element()? {
            (self.0)(item);
        }
        Ok(())
    }
}
