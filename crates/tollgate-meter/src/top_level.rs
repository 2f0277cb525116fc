//! Finds one member of a JSON object that arrives in chunks, without keeping the rest.
//!
//! It follows strings and brackets only, so that it takes constant memory and linear time
//! on any input. Whether the value found is valid JSON is for its reader to say.

/// Looks for the value of one top-level member.
#[derive(Debug)]
pub(crate) struct TopLevel {
    name: &'static str,
    max_value_bytes: usize,
    depth: usize,
    place: Place,
    /// The name of the current member, or as much of it as is needed to compare.
    member: Vec<u8>,
    /// The value as far as it has come; the last one counts if there are several.
    value: Vec<u8>,
    found: Found,
}

/// What the scan has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    /// The value is arriving.
    Arriving,
    /// The value is here.
    Whole,
    /// The value is larger than the maximum.
    TooLarge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the object, or in something that is none.
    Before,
    /// Where a member's name may begin.
    Name,
    /// In a string; `name` if it is a member's name on the top level.
    String { name: bool, escaped: bool },
    /// Anywhere else within the object.
    Within,
    /// After the object.
    After,
}

impl TopLevel {
    pub(crate) const fn new(name: &'static str, max_value_bytes: usize) -> Self {
        Self {
            name,
            max_value_bytes,
            depth: 0,
            place: Place::Before,
            member: Vec::new(),
            value: Vec::new(),
            found: Found::Nothing,
        }
    }

    /// Whether the object has ended.
    pub(crate) fn is_complete(&self) -> bool {
        self.place == Place::After
    }

    /// The value, if the member is there; an error if it is larger than the maximum.
    pub(crate) fn value(&self) -> Result<Option<&[u8]>, ()> {
        match self.found {
            Found::Whole => Ok(Some(&self.value)),
            Found::TooLarge => Err(()),
            Found::Nothing | Found::Arriving => Ok(None),
        }
    }

    /// Reads on.
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        let (mut at, mut kept) = (0, 0);
        while at < chunk.len() {
            let from = at;
            let arriving = self.found == Found::Arriving;
            at += self.step(&chunk[at..]);
            match (arriving, self.found == Found::Arriving) {
                (true, false) => self.keep(&chunk[kept..from]),
                (false, true) => kept = at,
                _ => {}
            }
        }
        if self.found == Found::Arriving {
            self.keep(&chunk[kept..]);
        }
    }

    /// Takes the next bytes that belong together, at least one.
    fn step(&mut self, bytes: &[u8]) -> usize {
        match self.place {
            Place::String { name, escaped } => return self.string(bytes, name, escaped),
            Place::After => return bytes.len(),
            Place::Before if bytes[0] == b'{' => {
                self.depth = 1;
                self.place = Place::Name;
            }
            Place::Before if bytes[0] == b'[' => {
                self.depth = 1;
                self.place = Place::Within;
            }
            Place::Before => {}
            Place::Within if self.depth > 1 => {
                let end = bytes.iter().position(|b| matches!(b, b'"' | b'{' | b'}' | b'[' | b']'));
                let Some(end) = end else { return bytes.len() };
                self.structure(bytes[end]);
                return end + 1;
            }
            Place::Name | Place::Within => self.structure(bytes[0]),
        }
        1
    }

    fn string(&mut self, bytes: &[u8], name: bool, escaped: bool) -> usize {
        if escaped {
            self.place = Place::String { name, escaped: false };
            return 1;
        }
        let end = memchr::memchr2(b'"', b'\\', bytes);
        if name {
            // With its escapes, which the wanted name does not have; one byte more than the
            // name is enough to differ from it.
            let text =
                &bytes[..end.map_or(bytes.len(), |end| end + usize::from(bytes[end] == b'\\'))];
            let room = (self.name.len() + 1).saturating_sub(self.member.len());
            self.member.extend_from_slice(&text[..text.len().min(room)]);
        }
        let Some(end) = end else { return bytes.len() };
        self.place =
            if bytes[end] == b'"' { Place::Within } else { Place::String { name, escaped: true } };
        end + 1
    }

    fn structure(&mut self, byte: u8) {
        match byte {
            b'"' => {
                let name = self.place == Place::Name;
                if name {
                    self.member.clear();
                }
                self.place = Place::String { name, escaped: false };
            }
            b'{' | b'[' => {
                self.depth += 1;
                self.place = Place::Within;
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    self.end_value();
                    self.place = Place::After;
                }
            }
            b':' if self.depth == 1 && self.member == self.name.as_bytes() => {
                self.member.clear();
                self.value.clear();
                self.found = Found::Arriving;
            }
            b',' if self.depth == 1 => {
                self.end_value();
                self.place = Place::Name;
            }
            _ => {}
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.value.len() + bytes.len() > self.max_value_bytes {
            self.value = Vec::new();
            self.found = Found::TooLarge;
        } else {
            self.value.extend_from_slice(bytes);
        }
    }

    fn end_value(&mut self) {
        if self.found == Found::Arriving {
            self.found = Found::Whole;
        }
    }
}
