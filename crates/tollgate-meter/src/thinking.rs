//! Whether a request asks its model to think: what is thought is charged, and seldom sent.

use serde_json::value::RawValue;

use crate::members::Raw;

/// Members by which the dialects ask for it.
pub(crate) const MEMBERS: [&str; 7] = [
    "thinking",
    "reasoning",
    "reasoning_effort",
    "thinkingConfig",
    "thinking_config",
    "reasoning_config",
    "reasoningConfig",
];

/// What is said in one of them: whether, and how much.
const WITHIN: [&str; 7] = [
    "type",
    "effort",
    "enabled",
    "budget_tokens",
    "max_tokens",
    "thinkingBudget",
    "thinking_budget",
];

/// What says that nothing is to be thought.
const NO: [&str; 4] = [r#""disabled""#, r#""none""#, "false", "0"];

/// Whether an object has a member that asks for it. Whatever is not a plain no counts as yes.
pub(crate) fn asked<const N: usize>(raw: &Raw<'_, N>) -> bool {
    MEMBERS.iter().filter_map(|member| raw.value(member)).any(asks)
}

/// The same, of an object whose other members are somebody else's.
pub(crate) fn asked_in(object: Option<&RawValue>) -> bool {
    object.is_some_and(|object| Raw::parse(&MEMBERS, object.get()).map_or(true, |raw| asked(&raw)))
}

fn asks(value: &RawValue) -> bool {
    if !value.get().starts_with('{') {
        return !NO.contains(&value.get());
    }
    let Ok(raw) = Raw::parse(&WITHIN, value.get()) else { return true };
    !WITHIN.iter().filter_map(|member| raw.value(member)).any(|told| NO.contains(&told.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_no_is_told_from_all_else() {
        let asked = |body| asked(&Raw::parse(&MEMBERS, body).expect("an object"));
        for body in [
            "{}",
            r#"{"thinking":null}"#,
            r#"{"thinking":{"type":"disabled"}}"#,
            r#"{"reasoning_effort":"none"}"#,
            r#"{"reasoning":{"effort":"none"}}"#,
            r#"{"reasoning":{"enabled":false}}"#,
            r#"{"thinkingConfig":{"thinkingBudget":0}}"#,
        ] {
            assert!(!asked(body), "{body}");
        }
        for body in [
            r#"{"thinking":{"type":"enabled","budget_tokens":1024}}"#,
            r#"{"thinking":{"type":"adaptive"}}"#,
            r#"{"thinking":{"type":"enabled","type":"disabled"}}"#,
            r#"{"thinking":true}"#,
            r#"{"reasoning_effort":"minimal"}"#,
            r#"{"reasoning":{}}"#,
            r#"{"reasoning":{"summary":"auto"}}"#,
            r#"{"thinkingConfig":{"thinkingLevel":"low"}}"#,
            r#"{"thinking_config":{"thinking_budget":-1}}"#,
            r#"{"thinking":null,"reasoning_config":{"type":"enabled"}}"#,
        ] {
            assert!(asked(body), "{body}");
        }
    }
}
