//! The policies that come with the program.

/// The preset that serves where neither preset nor file is named.
pub(crate) const DEFAULT: &str = "default";

const PRESETS: [(&str, &str); 6] = [
    (DEFAULT, include_str!("../../../../policies/default.toml")),
    ("assistant", include_str!("../../../../policies/assistant.toml")),
    ("endpoint", include_str!("../../../../policies/endpoint.toml")),
    ("pipeline", include_str!("../../../../policies/pipeline.toml")),
    ("team", include_str!("../../../../policies/team.toml")),
    ("workshop", include_str!("../../../../policies/workshop.toml")),
];

/// The text of a preset.
pub fn preset(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The names of the presets.
pub fn preset_names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}
