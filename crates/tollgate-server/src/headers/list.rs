//! Lists of structured fields (RFC 9651), written where they will be sent from.
//!
//! Every answer bears two of them, so they are written without the detours of a serializer
//! that knows all types: one buffer, and numbers by table.

/// A list of strings with parameters, while it is written.
#[derive(Debug)]
pub(super) struct List(Vec<u8>);

/// The parameters of the item that was written last.
#[derive(Debug)]
pub(super) struct Parameters<'a>(&'a mut Vec<u8>);

/// No structured integer is larger.
pub(super) const MAX_INTEGER: u64 = 999_999_999_999_999;

impl List {
    /// An empty list with room for so many bytes.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Adds a string, unless it has characters that no structured string can bear.
    pub(super) fn string(&mut self, text: &str) -> Option<Parameters<'_>> {
        if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return None;
        }
        if !self.0.is_empty() {
            self.0.extend_from_slice(b", ");
        }
        quote(&mut self.0, text);
        Some(Parameters(&mut self.0))
    }

    /// All of it, as the value of a header.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl Parameters<'_> {
    /// Adds a whole number, [`MAX_INTEGER`] for any that is larger. The key is one letter or
    /// more in lower case.
    pub(super) fn integer(&mut self, key: &'static str, number: u64) -> &mut Self {
        self.key(key);
        let mut digits = itoa::Buffer::new();
        self.0.extend_from_slice(digits.format(number.min(MAX_INTEGER)).as_bytes());
        self
    }

    /// Adds a word of printable characters.
    pub(super) fn word(&mut self, key: &'static str, word: &'static str) -> &mut Self {
        self.key(key);
        quote(self.0, word);
        self
    }

    fn key(&mut self, key: &'static str) {
        self.0.push(b';');
        self.0.extend_from_slice(key.as_bytes());
        self.0.push(b'=');
    }
}

fn quote(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(b'"');
    if text.contains(['"', '\\']) {
        for byte in text.bytes() {
            if matches!(byte, b'"' | b'\\') {
                bytes.push(b'\\');
            }
            bytes.push(byte);
        }
    } else {
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sfv::{BareItem, Item, ListEntry, Parser};

    use super::*;

    fn strings_and_numbers(bytes: &[u8]) -> Vec<(String, i64, String)> {
        let list: sfv::List = Parser::new(bytes).parse().unwrap();
        let item = |entry: ListEntry| {
            let ListEntry::Item(Item { bare_item: BareItem::String(text), params }) = entry else {
                panic!("{entry:?}")
            };
            let (Some(BareItem::Integer(number)), Some(BareItem::String(word))) =
                (params.get("q"), params.get("qu"))
            else {
                panic!("{params:?}")
            };
            (text.as_str().to_owned(), i64::from(*number), word.as_str().to_owned())
        };
        list.into_iter().map(item).collect()
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_readers_read(
            items in prop::collection::vec(("[ -~]{0,20}", any::<u64>()), 1..6)
        ) {
            let mut list = List::with_capacity(0);
            for (text, number) in &items {
                list.string(text).unwrap().integer("q", *number).word("qu", "usd-cents");
            }
            let read = strings_and_numbers(&list.into_bytes());
            let wanted: Vec<_> = items
                .into_iter()
                .map(|(text, number)| (text, number.min(MAX_INTEGER) as i64, "usd-cents".into()))
                .collect();
            prop_assert_eq!(read, wanted);
        }
    }

    #[test]
    fn a_name_that_no_header_can_bear_is_left_out() {
        let mut list = List::with_capacity(0);
        assert!(list.string("zwölf").is_none());
        assert!(list.string("two\nlines").is_none());
        assert!(list.into_bytes().is_empty());
    }
}
