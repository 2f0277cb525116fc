//! Rules for Rust files.

use std::ops::RangeInclusive;

use proc_macro2::TokenStream;
use syn::{
    Attribute, Block, ImplItemFn, ItemFn, ItemMod, Meta, Signature, TraitItemFn,
    visit::{self, Visit},
};

use super::{
    Finding,
    exceptions::Exceptions,
    tokens::{self, Sighting},
    tree::File,
};

const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 70;

/// The one module that may read clocks.
const CLOCK: &str = "crates/tollgate/src/clock";

type Lines = RangeInclusive<usize>;

/// What the syntax tree says about a file.
#[derive(Default)]
struct Outline {
    functions: Vec<(String, Lines)>,
    /// Test modules and test functions.
    tests: Vec<Lines>,
    /// Test functions in which time is paused, so that waiting takes none.
    paused: Vec<Lines>,
}

pub(super) fn check(file: &File, exceptions: &mut Exceptions, findings: &mut Vec<Finding>) {
    let mut find = |line, rule, advice: String| {
        findings.push(Finding::new(&file.path, line, rule, advice));
    };
    let lines = file.text.lines().count();
    if lines > FILE_LINES && !exceptions.allow(&file.path, None) {
        let advice = format!(
            "{lines} lines, {FILE_LINES} at most; split it by idea, or give a reason in ARCHITECTURE.md"
        );
        find(lines, "file-length", advice);
    }
    if !file.is_test() && !file.text.starts_with("//!") && !file.text.starts_with("#![no_main]") {
        find(1, "module-doc", "begin with a module doc: what this file promises".into());
    }
    let (Ok(tree), Ok(code)) = (syn::parse_file(&file.text), file.text.parse::<TokenStream>())
    else {
        return find(1, "syntax", "this is no Rust; the compiler knows more".into());
    };
    let mut outline = Outline::default();
    outline.visit_file(&tree);
    for (name, lines) in &outline.functions {
        let length = lines.end() + 1 - lines.start();
        if length > FUNCTION_LINES && !exceptions.allow(&file.path, Some(name)) {
            let advice = format!(
                "`{name}` has {length} lines, {FUNCTION_LINES} at most; split it, or give a reason in ARCHITECTURE.md"
            );
            find(*lines.start(), "function-length", advice);
        }
    }
    for (line, sighting) in tokens::sightings(code) {
        if let Some((rule, advice)) = judge(sighting, line, file, &outline) {
            find(line, rule, advice.to_owned());
        }
    }
}

/// The rule that something seen breaks there, if it does.
fn judge(
    sighting: Sighting,
    line: usize,
    file: &File,
    outline: &Outline,
) -> Option<(&'static str, &'static str)> {
    let within = |places: &[Lines]| places.iter().any(|lines| lines.contains(&line));
    let in_test = file.is_test() || within(&outline.tests);
    let is_clock = file.path.starts_with(CLOCK);
    let clock_read =
        ("clock-read", "only tollgate::clock reads clocks; take the present as an argument");
    match sighting {
        Sighting::ClockRead => (!is_clock).then_some(clock_read),
        Sighting::TokioClockRead => (!is_clock && !in_test).then_some(clock_read),
        Sighting::Sleep => (in_test && !within(&outline.paused)).then_some((
            "sleep-in-test",
            "wait for an event, or pause time with #[tokio::test(start_paused = true)]",
        )),
        Sighting::Ignored => {
            Some(("ignored-test", "a test that does not run is none; make it run or remove it"))
        }
        Sighting::Missing => Some(("missing-code", "write the code, or leave the function out")),
    }
}

impl Outline {
    fn function(&mut self, attributes: &[Attribute], signature: &Signature, body: Option<&Block>) {
        let from = signature.fn_token.span.start().line;
        let to = body.map_or(from, |body| body.brace_token.span.close().end().line);
        let lines = from..=to;
        if attributes.iter().any(is_test) {
            self.tests.push(lines.clone());
            if attributes.iter().any(is_paused) {
                self.paused.push(lines.clone());
            }
        }
        self.functions.push((signature.ident.to_string(), lines));
    }
}

impl<'ast> Visit<'ast> for Outline {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.function(&item.attrs, &item.sig, Some(&item.block));
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.function(&item.attrs, &item.sig, Some(&item.block));
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        self.function(&item.attrs, &item.sig, item.default.as_ref());
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let is_test = item.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg") && arguments(attribute).starts_with("test")
        });
        if let (true, Some((braces, _))) = (is_test, &item.content) {
            self.tests.push(braces.span.open().start().line..=braces.span.close().end().line);
        }
        visit::visit_item_mod(self, item);
    }
}

/// Whether it is `#[test]`, `#[tokio::test]` or the like.
fn is_test(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|last| last.ident == "test")
}

fn is_paused(attribute: &Attribute) -> bool {
    is_test(attribute) && arguments(attribute).contains("start_paused = true")
}

/// What stands between an attribute's brackets.
fn arguments(attribute: &Attribute) -> String {
    match &attribute.meta {
        Meta::List(list) => list.tokens.to_string(),
        _ => String::new(),
    }
}
