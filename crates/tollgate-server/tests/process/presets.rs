//! What the tests of presets have in common: the policy in force as `tollgate check` prints it, key
//! by key, so that two can be compared, and providers that are played by a process of their own.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::process::{self, Serving};

/// What every key of the policy in force has for a value.
pub(crate) type Effective = BTreeMap<String, String>;

/// The policy in force, and what `check` says of it.
pub(crate) fn of(args: &[&str], environment: &[(&str, &str)]) -> (Effective, Value) {
    let checked = process::run_with(&[&["check", "--json"], args].concat(), environment);
    assert_eq!(checked.status, Some(0), "{args:?} {environment:?}: {}", checked.stdout);
    let json: Value = serde_json::from_str(&checked.stdout).expect("JSON");
    let text = json["effective"].as_str().expect("a policy").to_owned();
    (keys(&text), json)
}

/// The keys whose values differ.
pub(crate) fn changed<'a>(one: &'a Effective, other: &'a Effective) -> BTreeSet<&'a str> {
    let all = one.keys().chain(other.keys());
    all.filter(|key| one.get(*key) != other.get(*key)).map(String::as_str).collect()
}

/// Every key by its table, those of a limit by the limit's name.
fn keys(text: &str) -> Effective {
    let (mut keys, mut table) = (BTreeMap::new(), String::new());
    for line in text.lines() {
        if let Some(named) = line.strip_prefix('[') {
            table = named.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, value)) = line.split_once(" = ") {
            if table == "limits" && key == "name" {
                table = format!("limits.{}", value.trim_matches('"'));
            }
            keys.insert(format!("{table}.{key}"), value.to_owned());
        }
    }
    keys
}

/// Asserts that each variable changes these keys and no others, and to what it holds.
pub(crate) fn assert_each_changes_its_own(args: &[&str], variables: &[(&str, &str, &[&str])]) {
    let (before, _) = of(args, &[]);
    for (name, value, expected) in variables {
        let (after, _) = of(args, &[(name, value)]);
        let changed = changed(&before, &after);
        assert_eq!(changed, expected.iter().copied().collect(), "{name}={value}");
        for key in changed {
            assert!(after[key].contains(value), "{name}={value}: {key} is {}", after[key]);
        }
    }
}

/// A process that plays every provider.
pub(crate) struct Sandbox {
    child: Child,
    /// Where it does, without a path.
    pub(crate) url: String,
}

impl Sandbox {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.args(["sandbox", "--listen", "127.0.0.1:0"]).args(args).env_clear();
        let mut child = command.stdout(Stdio::piped()).spawn().expect("a process");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("its output"));
        stdout.read_line(&mut line).expect("text");
        let url = line.split("listens on ").nth(1).and_then(|it| it.trim().strip_suffix("/v1"));
        Self { url: url.expect("an address").to_owned(), child }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status of an answer.
pub(crate) fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

/// A header of an answer.
pub(crate) fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = answer.split_once("\r\n\r\n")?;
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// The body of an answer.
pub(crate) fn json(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// The rows of a ledger that is closed, as they are exported.
pub(crate) fn ledger(serving: &Serving) -> Vec<Value> {
    let path = serving.folder().join("tollgate.db");
    let path = path.to_str().expect("text");
    let exported = process::run(&["export", "ledger", "--ledger", path, "--format", "jsonl"], "");
    assert_eq!(exported.status, Some(0), "{}", exported.stderr);
    exported.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}
