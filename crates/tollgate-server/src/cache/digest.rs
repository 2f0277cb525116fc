//! What a body of JSON asks for, whatever way it is written: the order of members, white
//! space and the members that change no answer make no difference.
//!
//! A body that two parsers could read in two ways has no digest: a member that occurs twice
//! would be kept under what one of them reads and answered by what the other one does.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// What a body asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Digest {
    /// Of all that determines the answer.
    pub(super) hash: blake3::Hash,
    /// How freely the model may choose its words, where the body says so.
    pub(crate) temperature: Option<f64>,
    /// Whether it begins or goes on with something that the provider remembers.
    pub(crate) is_stateful: bool,
}

/// Members of the body itself that change no answer: they say for whom it is.
const IDLE: [&str; 5] =
    ["user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "metadata"];

/// Members of the body itself by which a provider remembers something.
const STATEFUL: [&str; 4] = ["previous_response_id", "conversation", "background", "store"];

/// Members of the body itself in which some dialects say how the model is to write.
const SETTINGS: [&str; 3] = ["generationConfig", "generation_config", "inferenceConfig"];

/// Digests a body; `None` where it is not JSON, or could be read in two ways.
pub(crate) fn digest(body: &[u8]) -> Option<Digest> {
    let mut found = Found { text: Vec::with_capacity(body.len()), temperature: None, state: false };
    let mut json = serde_json::Deserializer::from_slice(body);
    let root = Part { found: &mut found, place: Place::Body };
    root.deserialize(&mut json).and_then(|()| json.end()).ok()?;
    let hash = blake3::hash(&found.text);
    Some(Digest { hash, temperature: found.temperature, is_stateful: found.state })
}

/// What has been read so far.
struct Found {
    /// In one form, each value preceded by its kind and, where it has one, its length.
    text: Vec<u8>,
    temperature: Option<f64>,
    state: bool,
}

/// Where in a body something stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Body,
    /// The value of a member of [`SETTINGS`].
    Settings,
    /// A temperature that counts.
    Temperature,
    /// The value of a member of [`STATEFUL`].
    State,
    Within,
}

struct Part<'a> {
    found: &'a mut Found,
    place: Place,
}

impl Place {
    fn of_member(self, name: &str) -> Self {
        match self {
            Self::Body | Self::Settings if name == "temperature" => Self::Temperature,
            Self::Body if SETTINGS.contains(&name) => Self::Settings,
            Self::Body if STATEFUL.contains(&name) => Self::State,
            _ => Self::Within,
        }
    }
}

impl Part<'_> {
    fn put(&mut self, kind: u8, bytes: &[u8]) {
        // `false` and `null` say that nothing is remembered.
        self.found.state |= self.place == Place::State && !matches!(kind, b'f' | b'n');
        self.found.text.push(kind);
        self.found.text.extend_from_slice(bytes);
    }

    fn number(&mut self, kind: u8, bytes: [u8; 8], value: f64) {
        if self.place == Place::Temperature {
            self.found.temperature = Some(value);
        }
        self.put(kind, &bytes);
    }
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(mut self) -> Result<(), E> {
        self.put(b'n', &[]);
        Ok(())
    }

    fn visit_bool<E>(mut self, value: bool) -> Result<(), E> {
        self.put(if value { b't' } else { b'f' }, &[]);
        Ok(())
    }

    fn visit_u64<E>(mut self, value: u64) -> Result<(), E> {
        self.number(b'u', value.to_be_bytes(), value as f64);
        Ok(())
    }

    fn visit_i64<E>(mut self, value: i64) -> Result<(), E> {
        self.number(b'i', value.to_be_bytes(), value as f64);
        Ok(())
    }

    fn visit_f64<E>(mut self, value: f64) -> Result<(), E> {
        self.number(b'd', value.to_bits().to_be_bytes(), value);
        Ok(())
    }

    fn visit_str<E>(mut self, value: &str) -> Result<(), E> {
        self.put(b's', &(value.len() as u64).to_be_bytes());
        self.found.text.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        self.put(b'[', &[]);
        let place = Place::Within;
        while list.next_element_seed(Part { found: self.found, place })?.is_some() {}
        self.found.text.push(b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.put(b'{', &[]);
        let start = self.found.text.len();
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            let (from, place) = (self.found.text.len(), self.place.of_member(&name));
            map.next_value_seed(Part { found: self.found, place })?;
            members.push((name, from..self.found.text.len()));
        }
        members.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        if members.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(de::Error::custom("a member occurs twice"));
        }
        if self.place == Place::Body {
            members.retain(|(name, _)| !IDLE.contains(&name.as_str()));
        }
        let mut sorted = Vec::with_capacity(self.found.text.len() - start);
        for (name, range) in members {
            sorted.extend_from_slice(&(name.len() as u64).to_be_bytes());
            sorted.extend_from_slice(name.as_bytes());
            sorted.extend_from_slice(&self.found.text[range]);
        }
        self.found.text.truncate(start);
        self.found.text.extend_from_slice(&sorted);
        self.found.text.push(b'}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn of(value: &Value) -> Digest {
        digest(value.to_string().as_bytes()).expect("JSON")
    }

    #[test]
    fn what_changes_no_answer_makes_no_difference() {
        let plain = digest(br#"{"model":"m","n":1,"messages":[{"role":"user","content":"hi"}]}"#);
        for same in [
            r#" { "messages" : [ {"content":"h\u0069","role":"user"} ], "n": 1, "model":"m" } "#,
            r#"{"user":"a","model":"m","n":1,"messages":[{"role":"user","content":"hi"}]}"#,
            r#"{"model":"m","n":1,"messages":[{"role":"user","content":"hi"}],"metadata":{"x":[1]}}"#,
        ] {
            assert_eq!(digest(same.as_bytes()), plain, "{same}");
        }
        for other in [
            r#"{"model":"m","n":2,"messages":[{"role":"user","content":"hi"}]}"#,
            r#"{"model":"m","n":"1","messages":[{"role":"user","content":"hi"}]}"#,
            r#"{"model":"m","n":1,"messages":[{"role":"user","content":"hi"}],"stream":true}"#,
            r#"{"model":"m","n":1,"messages":[{"role":"user","content":"hi","user":"a"}]}"#,
            r#"{"model":"m","n":1,"messages":[{"role":"user"},{"content":"hi"}]}"#,
            r#"{"model":"m","n":1,"messages":{"role":"user","content":"hi"}}"#,
        ] {
            assert_ne!(digest(other.as_bytes()).expect(other).hash, plain.clone().unwrap().hash);
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_has_no_digest() {
        for text in
            ["", "{", "{} {}", r#"{"a":1,"a":1}"#, r#"{"x":{"a":1,"\u0061":2}}"#, "{\"a\":1e999}"]
        {
            assert_eq!(digest(text.as_bytes()), None, "{text}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(digest(deep.as_bytes()), None);
    }

    #[test]
    fn temperature_and_state_are_found_where_they_count() {
        assert_eq!(of(&json!({"temperature": 0.25})).temperature, Some(0.25));
        assert_eq!(of(&json!({"temperature": 0})).temperature, Some(0.0));
        let gemini = json!({"generationConfig": {"temperature": 2}});
        assert_eq!(of(&gemini).temperature, Some(2.0));
        assert_eq!(of(&json!({"tools": [{"temperature": 2}]})).temperature, None);
        assert!(of(&json!({"previous_response_id": "r"})).is_stateful);
        assert!(of(&json!({"store": true})).is_stateful);
        assert!(!of(&json!({"store": false, "background": null})).is_stateful);
        assert!(!of(&json!({"input": {"store": true}})).is_stateful);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (0.0_f64..9.0).prop_map(Value::from),
            "[a-c{}\\[\\],:\"]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c]{0,2}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn two_values_have_one_digest_only_if_they_are_the_same(a in value(), b in value()) {
            prop_assert_eq!(of(&json!([a])).hash == of(&json!([b])).hash, a == b);
            let (pretty, plain) = (serde_json::to_string_pretty(&a).unwrap(), of(&a));
            prop_assert_eq!(digest(pretty.as_bytes()), Some(plain));
        }
    }
}
