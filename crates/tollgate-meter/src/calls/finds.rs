//! Counts the strings, or the names of members, at one place of a JSON object that arrives in
//! chunks.
//!
//! It follows strings and brackets only, as the search for usage does: constant memory and
//! linear time on any input, and the same count at every split.

use super::Distinct;

/// Counts what is at a path.
#[derive(Debug)]
pub(crate) struct Finds {
    /// Names of members, and `*` for each item of an array.
    path: &'static [&'static str],
    /// What counts; every string where none is named.
    wanted: &'static [&'static str],
    /// Whether names of members count, and not strings.
    are_names: bool,
    counts: [u64; MAX_WANTED],
    /// Those that were found, where they are told apart.
    distinct: Option<Distinct>,
    /// Objects and arrays that are open, and how many of them, from the outermost on, the path
    /// leads through.
    depth: usize,
    on: usize,
    /// The path leads on through the value that comes next.
    leads_on: bool,
    place: Place,
    /// The string as far as it is of interest.
    text: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before a value, after one, or within something else.
    Within,
    /// Where a member's name may begin.
    Name,
    String {
        what: What,
        escaped: bool,
    },
    /// After the object, or in what is none.
    After,
}

/// What a string is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Name,
    Found,
    Other,
}

/// No name and no wanted string is longer; longer ones are told apart by their beginning.
const MAX_TEXT_BYTES: usize = 256;

/// No more are told apart by what they are.
const MAX_WANTED: usize = 3;

const ITEM: &str = "*";

impl Finds {
    /// Counts each of these strings at a path.
    pub(crate) const fn new(
        path: &'static [&'static str],
        wanted: &'static [&'static str],
    ) -> Self {
        Self {
            path,
            wanted,
            are_names: false,
            counts: [0; MAX_WANTED],
            distinct: None,
            depth: 0,
            on: 0,
            leads_on: false,
            place: Place::Within,
            text: Vec::new(),
        }
    }

    /// Counts the strings at a path, whatever they are.
    pub(crate) fn distinct(path: &'static [&'static str]) -> Self {
        Self { distinct: Some(Distinct::default()), ..Self::new(path, &[]) }
    }

    /// Counts each of these names of members. The last step of the path stands for all of them.
    pub(crate) fn members(path: &'static [&'static str], wanted: &'static [&'static str]) -> Self {
        Self { are_names: true, ..Self::new(path, wanted) }
    }

    /// How many there were so far of each that is wanted, in order; of all, where none is named.
    pub(crate) const fn counts(&self) -> [u64; MAX_WANTED] {
        self.counts
    }

    /// How many different ones there were so far.
    pub(crate) fn distinct_count(&self) -> u64 {
        self.distinct.as_ref().map_or(0, Distinct::count)
    }

    /// Reads on.
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        let mut at = 0;
        while at < chunk.len() {
            at += self.step(&chunk[at..]);
        }
    }

    /// Takes the next bytes that belong together, at least one.
    fn step(&mut self, bytes: &[u8]) -> usize {
        match self.place {
            Place::After => bytes.len(),
            Place::String { what, escaped: true } => {
                self.keep(what, &bytes[..1]);
                self.place = Place::String { what, escaped: false };
                1
            }
            Place::String { what, escaped: false } => self.string(bytes, what),
            Place::Within | Place::Name => {
                let end = bytes.iter().position(|byte| b"\"{}[]:,".contains(byte));
                let Some(end) = end else { return bytes.len() };
                self.structure(bytes[end]);
                end + 1
            }
        }
    }

    fn string(&mut self, bytes: &[u8], what: What) -> usize {
        let end = memchr::memchr2(b'"', b'\\', bytes);
        self.keep(what, &bytes[..end.unwrap_or(bytes.len())]);
        let Some(end) = end else { return bytes.len() };
        if bytes[end] == b'\\' {
            self.keep(what, b"\\");
            self.place = Place::String { what, escaped: true };
        } else {
            self.ended(what);
        }
        end + 1
    }

    fn keep(&mut self, what: What, bytes: &[u8]) {
        if what != What::Other {
            let room = (MAX_TEXT_BYTES + 1).saturating_sub(self.text.len());
            self.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    /// A string has ended.
    fn ended(&mut self, what: What) {
        self.place = Place::Within;
        match what {
            What::Name if self.are_names && self.on == self.path.len() => self.found(),
            What::Name => self.leads_on = self.path[self.on - 1].as_bytes() == self.text,
            What::Found => self.found(),
            What::Other => {}
        }
    }

    fn found(&mut self) {
        let is = |wanted: &&str| wanted.as_bytes() == self.text;
        let place = if self.wanted.is_empty() { Some(0) } else { self.wanted.iter().position(is) };
        if let Some(count) = place.and_then(|place| self.counts.get_mut(place)) {
            *count += 1;
        }
        if let Some(distinct) = &mut self.distinct {
            distinct.insert(&self.text);
        }
    }

    fn structure(&mut self, byte: u8) {
        let is_on = self.on == self.depth;
        match byte {
            b'"' => {
                let what = if self.place == Place::Name {
                    What::Name
                } else if is_on && self.leads_on && self.on == self.path.len() {
                    What::Found
                } else {
                    What::Other
                };
                self.text.clear();
                self.place = Place::String { what, escaped: false };
            }
            b'{' | b'[' => {
                let leads = is_on && (self.depth == 0 || self.leads_on);
                let next = self.path.get(self.on).filter(|_| leads);
                let leads = next.is_some_and(|next| (*next == ITEM) == (byte == b'['));
                self.depth += 1;
                self.on += usize::from(leads);
                self.begin();
            }
            b'}' | b']' => {
                if is_on {
                    self.on = self.on.saturating_sub(1);
                }
                self.depth = self.depth.saturating_sub(1);
                self.place = if self.depth == 0 { Place::After } else { Place::Within };
                self.leads_on = false;
            }
            b',' => self.begin(),
            _ => {}
        }
    }

    /// A member or an item may begin.
    fn begin(&mut self) {
        let here = self.path.get(self.on.wrapping_sub(1)).filter(|_| self.on == self.depth);
        self.leads_on = here == Some(&ITEM);
        self.place = match here {
            Some(name) if *name != ITEM => Place::Name,
            _ => Place::Within,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TYPES: [&str; 3] = ["output", "*", "type"];

    fn count(path: &'static [&'static str], body: &str, size: usize) -> u64 {
        let mut finds = Finds::new(path, &["call"]);
        body.as_bytes().chunks(size).for_each(|chunk| finds.push(chunk));
        finds.counts()[0]
    }

    #[test]
    fn only_what_stands_at_the_path_counts_at_every_split() {
        for (body, expected) in [
            (r#"{"output":[{"type":"call"},{"id":"x","type":"call"},{"type":"other"}]}"#, 2),
            (
                r#" {"a":{"output":[{"type":"call"}]},"output" : [ {"b":[1,{"type":"call"}] , "type" : "call"} ] }"#,
                1,
            ),
            (r#"{"output":{"type":"call"}}"#, 0),
            (
                r#"{"output":["type","call",["type"],{"type":["call"]},{"type":{"type":"call"}}]}"#,
                0,
            ),
            (r#"{"output":[{"text":"\",\"type\":\"call","type":"c\u0061ll"}],"type":"call"}"#, 0),
            (r#"{"output":[{"typ":"call","types":"call","type":"calls"}]}"#, 0),
            (r#"{"type":"output","output":[]}"#, 0),
            (r#"[{"output":[{"type":"call"}]}]"#, 0),
            (r#"{"output":[{"type":"call"}]}{"output":[{"type":"call"}]}"#, 1),
            (r#"{"output":[{"type":"call"}],"output":[{"type":"call"}]}"#, 2),
            ("", 0),
            (r#"]}{"output"#, 0),
        ] {
            for size in 1..=body.len().max(1) {
                assert_eq!(count(&TYPES, body, size), expected, "{size}: {body}");
            }
        }
        let items = r#"{"output":["a","b",["c"],{"d":"e"}],"other":["f"]}"#;
        let mut all = Finds::new(&["output", "*"], &[]);
        all.push(items.as_bytes());
        assert_eq!(all.counts(), [2, 0, 0]);
    }

    #[test]
    fn each_that_is_wanted_has_a_count_of_its_own() {
        let body = r#"{"output":[{"type":"a"},{"type":"c"},{"type":"a"},{"type":"d"}]}"#;
        let mut finds = Finds::new(&TYPES, &["a", "b", "c"]);
        finds.push(body.as_bytes());
        assert_eq!(finds.counts(), [2, 0, 1]);
    }

    #[test]
    fn names_of_members_count_at_every_split() {
        let body = r#"{"of":[{"web":{"maps":1}},{"maps":{"web":"maps"},"x":"web"},["maps"],{"maps":null}],"maps":[{"maps":1}]}"#;
        for size in 1..=body.len() {
            let mut names = Finds::members(&["of", "*", ""], &["web", "maps"]);
            body.as_bytes().chunks(size).for_each(|chunk| names.push(chunk));
            assert_eq!(names.counts(), [1, 2, 0], "{size}");
        }
    }

    #[test]
    fn different_strings_are_told_apart_at_every_split() {
        let body = r#"{"output":[{"type":"one"},{"type":"two"},{"type":"one"},{"type":""},{"type":null}]}"#;
        for size in 1..=body.len() {
            let mut finds = Finds::distinct(&TYPES);
            body.as_bytes().chunks(size).for_each(|chunk| finds.push(chunk));
            assert_eq!((finds.distinct_count(), finds.counts()), (2, [4, 0, 0]), "{size}");
        }
    }

    proptest! {
        #[test]
        fn it_counts_as_a_parser_does(json in value(4), size in 1_usize..9) {
            let body = serde_json::json!({ "output": json }).to_string();
            let parsed: serde_json::Value = serde_json::from_str(&body).expect("JSON");
            let items = parsed["output"].as_array().cloned().unwrap_or_default();
            let expected = items.iter().filter(|item| item["type"] == "call").count() as u64;
            prop_assert_eq!(count(&TYPES, &body, size), expected, "{}", body);
        }

        #[test]
        fn nothing_makes_it_panic(bytes in ".*", size in 1_usize..9) {
            count(&TYPES, &bytes, size);
        }
    }

    fn value(depth: u32) -> impl Strategy<Value = serde_json::Value> {
        use serde_json::{Value, json};
        let word = prop_oneof![
            3 => Just("type"), 3 => Just("call"), 1 => Just("output"), 1 => Just("a\"}\\,[")
        ];
        let leaf = prop_oneof![
            word.clone().prop_map(|word| json!(word)),
            Just(Value::Null),
            Just(json!(1.5))
        ];
        leaf.prop_recursive(depth, 40, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(word.clone(), inner, 0..4)
                    .prop_map(|map| map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
            ]
        })
    }
}
