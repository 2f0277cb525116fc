//! Rules for the manifests: the crates are a slope, and versions stand in one place.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::{Finding, tree::File};

const ROOT: &str = "Cargo.toml";

/// What each crate of the product may use of the workspace. No arrow goes upward.
const SLOPE: &[(&str, &[&str])] = &[
    ("tollgate-core", &[]),
    ("tollgate-meter", &["tollgate-core"]),
    ("tollgate", &["tollgate-core"]),
    ("tollgate-server", &["tollgate", "tollgate-core", "tollgate-meter"]),
];

/// What must be absent from a crate, so that it stays pure: no I/O, no runtime, no clock.
const ABSENT: &[(&str, &[&str])] = &[
    ("tollgate-core", &["axum", "hyper", "quanta", "redis", "rusqlite", "rustls", "tokio"]),
    ("tollgate-meter", &["axum", "hyper", "quanta", "redis", "rusqlite", "rustls", "tokio"]),
    ("tollgate", &["axum", "hyper"]),
];

/// The one crate with `unsafe` code. Tests alone may use it, and its other lints are the
/// workspace's.
const UNSAFE: &str = "faults";

/// Tables of a manifest that name dependencies.
const TABLES: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

/// The manifest of a crate, parsed.
struct Manifest<'a> {
    file: &'a File,
    name: String,
    table: Table,
}

pub(super) fn check(files: &[File], findings: &mut Vec<Finding>) {
    let mut manifests = Vec::new();
    let mut root = None;
    for file in files.iter().filter(|file| file.path.ends_with("Cargo.toml")) {
        match file.text.parse::<Table>() {
            Ok(table) if file.path == ROOT => root = Some(Manifest::new(file, table)),
            // A workspace of its own, as the fuzz targets are, has its own rules.
            Ok(table) if table.contains_key("workspace") => {}
            Ok(table) => manifests.push(Manifest::new(file, table)),
            Err(error) => {
                findings.push(Finding::new(&file.path, 1, "manifest", error.message()));
            }
        }
    }
    for manifest in &manifests {
        manifest.check_slope(findings);
        manifest.check_inheritance(root.as_ref(), findings);
    }
    if let Some(root) = root {
        check_use(&root, &manifests, findings);
    }
}

/// Every shared version has a user.
fn check_use(root: &Manifest<'_>, members: &[Manifest<'_>], findings: &mut Vec<Finding>) {
    let used: BTreeSet<&str> = members.iter().flat_map(Manifest::dependencies).collect();
    let shared = root.table.get("workspace").and_then(|w| w.get("dependencies")?.as_table());
    for name in shared.into_iter().flat_map(Table::keys) {
        if !used.contains(name.as_str()) {
            let advice = format!("no crate uses {name}; take it out");
            root.find(name, "unused-dependency", advice, findings);
        }
    }
}

/// Whether the lints of the crate with `unsafe` code are the workspace's but for that one, and
/// ask for the reason of each unsafe block.
fn are_as_strict(own: &Value, workspace: &Value) -> bool {
    let is_kept = |(tool, lints): (&String, &Value)| {
        let lints = lints.as_table().into_iter().flatten();
        lints.filter(|(name, _)| *name != "unsafe_code").all(|(name, level)| {
            own.get(tool).and_then(|own| own.get(name)).is_some_and(|own| own == level)
        })
    };
    let reasons = own.get("clippy").and_then(|clippy| clippy.get("undocumented_unsafe_blocks"));
    reasons.is_some() && workspace.as_table().into_iter().flatten().all(is_kept)
}

impl<'a> Manifest<'a> {
    fn new(file: &'a File, table: Table) -> Self {
        let name = table.get("package").and_then(|package| package.get("name")?.as_str());
        Self { file, name: name.unwrap_or_default().to_owned(), table }
    }

    /// The tables that name dependencies, by their own names: for every system, and for some.
    fn tables(&self) -> impl Iterator<Item = (&'static str, &Table)> {
        let systems = self.table.get("target").and_then(Value::as_table);
        let systems = systems.into_iter().flat_map(Table::values).filter_map(Value::as_table);
        std::iter::once(&self.table).chain(systems).flat_map(|place| {
            TABLES.iter().filter_map(|name| Some((*name, place.get(*name)?.as_table()?)))
        })
    }

    fn dependencies(&self) -> impl Iterator<Item = &str> {
        self.tables().flat_map(|(_, table)| table.keys().map(String::as_str))
    }

    fn check_slope(&self, findings: &mut Vec<Finding>) {
        let ours = |name: &str| name.starts_with("tollgate");
        let of = |rules: &[(&str, &'static [&'static str])]| {
            rules.iter().find(|(name, _)| *name == self.name).map(|(_, list)| *list)
        };
        if let Some(allowed) = of(SLOPE) {
            for name in self.dependencies().filter(|name| ours(name) && !allowed.contains(name)) {
                let advice = format!("{} must not depend on {name}: that is uphill", self.name);
                self.find(name, "slope", advice, findings);
            }
        } else if self.file.path.starts_with("crates/") {
            self.find("name", "slope", "give the new crate its place in xtask's SLOPE", findings);
        }
        for absent in of(ABSENT).unwrap_or_default() {
            if self.dependencies().any(|name| name == *absent) {
                let advice = format!("{} stays free of {absent}: its work is pure", self.name);
                self.find(absent, "slope", advice, findings);
            }
        }
    }

    /// Versions, lints and the package's facts come from the workspace.
    fn check_inheritance(&self, root: Option<&Manifest<'_>>, findings: &mut Vec<Finding>) {
        for (_, table) in self.tables() {
            for (name, value) in table {
                if value.get("workspace").is_none() {
                    let advice = "name its version in the root's [workspace.dependencies]";
                    self.find(name, "shared-version", advice, findings);
                }
            }
        }
        let mut others = self.tables().filter(|(name, _)| *name != "dev-dependencies");
        if others.any(|(_, table)| table.contains_key(UNSAFE)) {
            let advice = format!("{UNSAFE} has unsafe code; only [dev-dependencies] may name it");
            self.find(UNSAFE, "unsafe", advice, findings);
        }
        let lints = self.table.get("lints");
        if self.name == UNSAFE {
            let all = root.and_then(|root| root.table.get("workspace")?.get("lints"));
            if !lints.is_some_and(|lints| all.is_none_or(|all| are_as_strict(lints, all))) {
                let advice = "repeat the workspace's lints, all but `unsafe_code`, and add clippy's `undocumented_unsafe_blocks`";
                self.find("[lints.rust]", "lints", advice, findings);
            }
        } else if lints.and_then(|lints| lints.get("workspace")).is_none() {
            self.find("[lints]", "lints", "add [lints] workspace = true", findings);
        }
    }

    fn find(
        &self,
        key: &str,
        rule: &'static str,
        advice: impl Into<String>,
        findings: &mut Vec<Finding>,
    ) {
        let names = |line: &str| {
            line.strip_prefix(key)
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-'))
        };
        let line = self.file.text.lines().position(names);
        findings.push(Finding::new(&self.file.path, line.map_or(1, |l| l + 1), rule, advice));
    }
}
