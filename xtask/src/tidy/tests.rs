use super::{Finding, check, tree::File};

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

/// The rules that one file breaks, with their lines.
fn broken(path: &str, text: &str) -> Vec<(usize, &'static str)> {
    check(&[file(path, text)]).into_iter().map(|f| (f.line, f.rule)).collect()
}

fn function_of(lines: usize) -> String {
    format!("//! Doc.\nfn long() {{\n{}}}\n", "    work();\n".repeat(lines - 2))
}

#[test]
fn a_clean_file_is_in_order() {
    assert_eq!(broken("src/a.rs", "//! Doc: “quoted”, naïve.\nfn f() {}\n"), []);
}

#[test]
fn lengths_end_where_the_rule_says() {
    assert_eq!(broken("src/a.rs", &function_of(70)), []);
    assert_eq!(broken("src/a.rs", &function_of(71)), [(2, "function-length")]);
    let lines = |n: usize| format!("//! Doc.\n{}", "// line\n".repeat(n - 1));
    assert_eq!(broken("src/a.rs", &lines(400)), []);
    assert_eq!(broken("src/a.rs", &lines(401)), [(401, "file-length")]);
}

#[test]
fn methods_and_trait_methods_count_too() {
    let body = "        work();\n".repeat(80);
    let text = format!(
        "//! Doc.\nimpl A {{\n    fn a() {{\n{body}    }}\n}}\ntrait B {{\n    fn b() {{\n{body}    }}\n}}\n"
    );
    assert_eq!(broken("src/a.rs", &text), [(3, "function-length"), (87, "function-length")]);
}

#[test]
fn a_listed_exception_excuses_and_an_idle_one_is_found() {
    let book = "# Book\n\n## Exceptions to the length rules\n- `src/a.rs` `long`: one table\n- `src/b.rs`: gone\n- nonsense\n";
    let files = [file("src/a.rs", &function_of(90)), file("ARCHITECTURE.md", book)];
    let found: Vec<_> = check(&files).into_iter().map(|f| (f.line, f.rule)).collect();
    assert_eq!(found, [(5, "exception"), (6, "exception")]);
}

#[test]
fn clocks_are_read_in_one_place() {
    let text = "//! Doc.\nfn f() { assert!(std::time::Instant::now() > then); }\n// Instant::now in words\n";
    assert_eq!(broken("crates/tollgate/src/permit.rs", text), [(2, "clock-read")]);
    assert_eq!(broken("crates/tollgate/src/clock.rs", text), []);
}

#[test]
fn tests_may_read_the_time_that_tokio_pauses() {
    let read = |path: &str| format!("//! Doc.\nfn f() {{ {path}::now(); }}\n");
    let tokio = read("tokio::time::Instant");
    assert_eq!(broken("src/a/tests.rs", &tokio), []);
    assert_eq!(broken("src/a.rs", &tokio), [(2, "clock-read")]);
    assert_eq!(broken("src/a/tests.rs", &read("Instant")), [(2, "clock-read")]);
    assert_eq!(broken("src/a/tests.rs", &read("std::time::Instant")), [(2, "clock-read")]);
}

#[test]
fn tests_do_not_sleep_unless_time_is_paused() {
    let wait = "tokio::time::sleep(SECOND).await;";
    let text = format!(
        "//! Doc.\nasync fn f() {{ {wait} }}\n#[cfg(test)]\nmod tests {{\n    #[tokio::test]\n    async fn a() {{ {wait} }}\n    #[tokio::test(start_paused = true)]\n    async fn b() {{ {wait} }}\n}}\n"
    );
    assert_eq!(broken("src/a.rs", &text), [(6, "sleep-in-test")]);
    assert_eq!(broken("crates/a/tests/a.rs", &text)[0], (2, "sleep-in-test"));
    assert_eq!(broken("tests/python/test_a.py", "time.sleep(1)\n"), [(1, "sleep-in-test")]);
}

#[test]
fn every_test_runs_and_no_code_is_missing() {
    let text = "//! Doc.\n#[test]\n#[ignore = \"slow\"]\nfn a() { todo!() }\n#[cfg_attr(miri, ignore)]\nfn b() { unimplemented!(\"b\") }\n";
    let want = [(3, "ignored-test"), (4, "missing-code"), (5, "ignored-test"), (6, "missing-code")];
    assert_eq!(broken("src/a.rs", text), want);
}

#[test]
fn texts_hold_no_notes_paths_or_hidden_characters() {
    let note = concat!("TO", "DO");
    let folder = concat!("/", "root/x");
    let text = format!(
        "# {note}: later\nsee {folder}\nhttps://a.b{folder}\nme{note}logy\na\u{200b}b\nend \nlast"
    );
    let want = [
        (1, "note"),
        (2, "machine-path"),
        (5, "invisible"),
        (6, "trailing-space"),
        (7, "last-line"),
    ];
    assert_eq!(broken("docs/a.md", &text), want);
    assert_eq!(broken("data/a.csv", &text), []);
}

#[test]
fn a_file_says_first_what_it_promises() {
    assert_eq!(broken("src/a.rs", "use std::fmt;\n"), [(1, "module-doc")]);
    assert_eq!(broken("src/a/tests.rs", "use std::fmt;\n"), []);
}

#[test]
fn crates_are_a_slope() {
    let manifest = "[package]\nname = \"tollgate-core\"\n[lints]\nworkspace = true\n[dependencies]\ntollgate.workspace = true\ntokio.workspace = true\nserde = \"1\"\n";
    let found = broken("crates/tollgate-core/Cargo.toml", manifest);
    assert_eq!(found, [(6, "slope"), (7, "slope"), (8, "shared-version")]);
    let stranger = "[package]\nname = \"tollgate-new\"\n[lints]\nworkspace = true\n";
    assert_eq!(broken("crates/tollgate-new/Cargo.toml", stranger), [(2, "slope")]);
}

#[test]
fn unsafe_code_is_in_one_crate_that_tests_alone_use() {
    let lints = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\nmissing_docs = \"warn\"\n[workspace.dependencies]\nfaults = \"1\"\n";
    let (root, found) = (file("Cargo.toml", lints), |path: &str, text: &str| {
        let root = file("Cargo.toml", lints);
        let found = check(&[root, file(path, text)]);
        found.into_iter().map(|f| (f.line, f.rule)).collect::<Vec<_>>()
    });
    let user = "[package]\nname = \"a\"\n[lints]\nworkspace = true\n[dependencies]\nfaults.workspace = true\n";
    assert_eq!(found("xtask/Cargo.toml", user), [(6, "unsafe")]);
    let tester = user.replace("[dep", "[dev-dep");
    assert_eq!(found("xtask/Cargo.toml", &tester), []);

    let lints = |more: &str| {
        let text =
            format!("[package]\nname = \"faults\"\n[lints.rust]\nunsafe_code = \"allow\"\n{more}");
        let tester = file("xtask/Cargo.toml", &tester);
        let found =
            check(&[file(&root.path, &root.text), tester, file("faults/Cargo.toml", &text)]);
        found.into_iter().map(|f| (f.line, f.rule)).collect::<Vec<_>>()
    };
    let reasons = "[lints.clippy]\nundocumented_unsafe_blocks = \"warn\"\n";
    assert_eq!(lints(&format!("missing_docs = \"warn\"\n{reasons}")), []);
    assert_eq!(lints(reasons), [(3, "lints")], "a lint of the workspace is missing");
    assert_eq!(lints("missing_docs = \"warn\"\n"), [(3, "lints")], "no reasons are asked for");
}

#[test]
fn what_is_used_on_one_system_is_held_to_the_same_rules() {
    let root = file("Cargo.toml", "[workspace.dependencies]\nrustix = \"1\"\n");
    let member = |rustix: &str| {
        let text = format!(
            "[package]\nname = \"xtask\"\n[lints]\nworkspace = true\n\
            [target.'cfg(target_os = \"linux\")'.dependencies]\nrustix{rustix}\n"
        );
        file("xtask/Cargo.toml", &text)
    };
    let rules = |rustix| {
        let found = check(&[file(&root.path, &root.text), member(rustix)]);
        found.into_iter().map(|found| found.rule).collect::<Vec<_>>()
    };
    assert_eq!(rules(".workspace = true"), Vec::<&str>::new());
    assert_eq!(rules(" = \"1\""), ["shared-version"]);
}

#[test]
fn a_shared_version_has_a_user() {
    let root = file(
        "Cargo.toml",
        "[workspace.dependencies]\nserde = \"1\"\ntoml-edit = \"1\"\ntoml = \"1\"\n",
    );
    let member = file(
        "xtask/Cargo.toml",
        "[package]\nname = \"xtask\"\n[lints]\nworkspace = true\n[dependencies]\nserde.workspace = true\n",
    );
    let found: Vec<Finding> = check(&[root, member]);
    let said: Vec<String> = found.iter().map(Finding::to_string).collect();
    assert_eq!(
        said,
        [
            "Cargo.toml:3: unused-dependency: no crate uses toml-edit; take it out",
            "Cargo.toml:4: unused-dependency: no crate uses toml; take it out",
        ]
    );
}
