//! What somebody may have meant.

/// How alike two names must be for the one to be suggested for the other, of 1.
const ALIKE: f64 = 0.7;

/// The name that is most like `written`, if one is.
pub(crate) fn nearest<'a>(
    written: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let alike = |name: &&str| strsim::normalized_damerau_levenshtein(written, name);
    // A name that is long and wrong in many places costs no more than a short one.
    if written.len() > 128 {
        return None;
    }
    let named = names.into_iter().map(|name| (alike(&name), name));
    named
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// A sentence that names the likeliest choice, or all of them.
pub(crate) fn suggestion(written: &str, names: &[&str], all: &str) -> String {
    match nearest(written, names.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("{all} {}", names.join(", ")),
    }
}
