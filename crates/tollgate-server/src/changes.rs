//! What a reload changes of a policy, by the paths of its keys: for the audit, so bounded and
//! without secrets.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Paths that are told of one reload.
const MAX_PATHS: usize = 64;

/// The longest value, in bytes.
const MAX_VALUE_BYTES: usize = 200;

/// What is told of a value that is no text of a key, but made from one.
const HASH: &str = "(a hash)";

/// What is told of a value that is nobody's business.
const CHANGED: &str = "(changed)";

/// What is different in two effective policies, before and after; nothing where nothing is.
pub(crate) fn between(before: &str, after: &str) -> Option<(Value, Value)> {
    let (before, after) = (paths(before), paths(after));
    let all = before.keys().chain(after.keys());
    let changed: std::collections::BTreeSet<&String> =
        all.filter(|path| before.get(*path) != after.get(*path)).collect();
    if changed.is_empty() {
        return None;
    }
    let told = |side: &BTreeMap<String, Value>| {
        let some = changed.iter().take(MAX_PATHS);
        let told = some.filter_map(|path| Some(((*path).clone(), shown(path, side.get(*path)?))));
        let mut told: Map<String, Value> = told.collect();
        if changed.len() > MAX_PATHS {
            told.insert("(more)".to_owned(), (changed.len() - MAX_PATHS).into());
        }
        Value::Object(told)
    };
    Some((told(&before), told(&after)))
}

/// The beginning of a text, without its colours.
pub(crate) fn excerpt(text: &str) -> String {
    let mut text: String = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    text.truncate(text.floor_char_boundary(MAX_VALUE_BYTES * 10));
    text
}

/// Every scalar of a policy by its path, like `limits.user-minute.requests`: entries of lists
/// that have a name or an id go by that.
fn paths(policy: &str) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    // What the policy was rendered as is TOML.
    let table: toml::Table = policy.parse().unwrap_or_default();
    let table = serde_json::to_value(table).unwrap_or_default();
    walk("", table, &mut all);
    all
}

fn walk(path: &str, value: Value, all: &mut BTreeMap<String, Value>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(table) => {
            table.into_iter().for_each(|(key, value)| walk(&below(&key), value, all));
        }
        Value::Array(list) if list.iter().any(Value::is_object) => {
            for (place, entry) in list.into_iter().enumerate() {
                let name = entry.get("name").or_else(|| entry.get("id")).and_then(Value::as_str);
                let key = name.map_or_else(|| place.to_string(), str::to_owned);
                walk(&below(&key), entry, all);
            }
        }
        value => {
            all.insert(path.to_owned(), value);
        }
    }
}

fn shown(path: &str, value: &Value) -> Value {
    if path.ends_with(".hash") {
        return HASH.into();
    }
    // Addresses, bodies and arguments of who is told of alerts bear secrets with many services.
    let of_sink = path.strip_prefix("alerts.sinks.").and_then(|path| path.rsplit('.').next());
    match of_sink {
        Some("url") => return host_of(value).into(),
        Some("body" | "command") => return CHANGED.into(),
        _ => {}
    }
    let text = value.to_string();
    if text.len() <= MAX_VALUE_BYTES {
        return value.clone();
    }
    Value::String(format!("{}…", &text[..text.floor_char_boundary(MAX_VALUE_BYTES)]))
}

/// An address without what stands behind its host.
fn host_of(address: &Value) -> String {
    let uri = address.as_str().and_then(|text| text.parse::<http::Uri>().ok());
    match uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.authority()?))) {
        Some((scheme, authority)) => {
            let host = authority.as_str().rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}/…")
        }
        None => CHANGED.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_different_is_told_by_its_path() {
        let before = "[server]\nlisten = \"a\"\n[[limits]]\nname = \"x\"\nrequests = \"1/s\"\n[[limits]]\nname = \"y\"\nusd = \"5/day\"\n";
        let after = before.replace("1/s", "2/s").replace("\"y\"", "\"z\"");
        assert_eq!(between(before, before), None);
        assert_eq!(
            between(before, &after),
            Some((
                json!({ "limits.x.requests": "1/s", "limits.y.name": "y", "limits.y.usd": "5/day" }),
                json!({ "limits.x.requests": "2/s", "limits.z.name": "z", "limits.z.usd": "5/day" }),
            ))
        );
    }

    #[test]
    fn however_much_is_different_the_row_is_short_and_has_no_hash_of_a_key() {
        let many: String =
            (0..500).map(|nth| format!("k{nth} = \"{}\"\n", "v".repeat(900))).collect();
        let keys = "[[keys]]\nid = \"ci\"\nhash = \"blake3:canary\"\n";
        let (before, after) = between("", &format!("{many}{keys}")).expect("a difference");
        let told = format!("{before}{after}");
        assert!(told.len() < 20_000 && !told.contains("canary"), "{}", told.len());
        let (_, after) = between("", keys).expect("a difference");
        assert_eq!(after, json!({ "keys.ci.id": "ci", "keys.ci.hash": HASH }));
    }

    #[test]
    fn of_who_is_told_of_alerts_the_host_alone_is_told() {
        let before = "[[alerts.sinks]]\nname = \"chat\"\nkind = \"webhook\"\nurl = \"https://chat.example:8443/canary?token=canary\"\nbody = '{\"key\":\"canary\"}'\n[[alerts.sinks]]\nname = \"page\"\ncommand = [\"page\", \"--key=canary\"]\n";
        let told = between(before, &before.replace("canary", "canary2")).expect("a difference");
        let expected = json!({
            "alerts.sinks.chat.url": "https://chat.example:8443/…",
            "alerts.sinks.chat.body": CHANGED,
            "alerts.sinks.page.command": CHANGED,
        });
        assert_eq!(told, (expected.clone(), expected));
    }
}
