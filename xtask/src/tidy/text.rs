//! Rules for every text that people write.

use super::{Finding, tree::File};

/// Kinds of file that people write; data and fixtures are left alone.
const WRITTEN: &[&str] = &["md", "py", "rs", "sh", "toml", "yml"];

/// Notes that say that something is not done.
const NOTES: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Where one machine keeps its files.
const MACHINE_FOLDERS: &[&str] =
    &[concat!("/", "work/"), concat!("/", "root/"), concat!("/", "home/"), concat!("/", "Users/")];

pub(super) fn check(file: &File, findings: &mut Vec<Finding>) {
    let script = file.path == ".ci/run";
    if !script && !WRITTEN.iter().any(|extension| file.has_extension(extension)) {
        return;
    }
    let mut find = |line, rule, advice: String| {
        findings.push(Finding::new(&file.path, line, rule, advice));
    };
    for (line, text) in (1..).zip(file.text.lines()) {
        if let Some(note) = NOTES.iter().find(|note| has_word(text, note)) {
            find(line, "note", format!("{note} says it is not done; do it, or take the note out"));
        }
        if let Some(folder) = MACHINE_FOLDERS.iter().find(|folder| names_folder(text, folder)) {
            let advice = format!("{folder} is one machine's folder; use a path from the root");
            find(line, "machine-path", advice);
        }
        if let Some(c) = text.chars().find(|c| is_invisible(*c)) {
            let advice =
                format!("U+{:04X} cannot be seen; write an escape or take it out", c as u32);
            find(line, "invisible", advice);
        }
        if text.ends_with([' ', '\t']) {
            find(line, "trailing-space", "take the space at the end of the line out".into());
        }
        if file.path.starts_with("tests/") && text.contains("time.sleep(") {
            let advice = "wait for an event (a line, an answer) instead of a time";
            find(line, "sleep-in-test", advice.into());
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        let last = file.text.lines().count();
        find(last, "last-line", "end the file with a newline".into());
    }
}

/// Whether `word` stands alone in the text.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// Whether an absolute path into `folder` stands in the text; a part of a longer path or of
/// a URL is another thing.
fn names_folder(text: &str, folder: &str) -> bool {
    text.match_indices(folder).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "/._-~}*".contains(c))
    })
}

/// Characters that change a text without being seen: controls, zero width, directions, and
/// spaces that are no space.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{a0}' | '\u{ad}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}')
}
