//! Single values, numbers as they are written.

/// A single value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scalar {
    Text(String),
    /// A whole number, in decimal digits.
    Integer(String),
    /// A number with a fraction or exponent, as it is written.
    Float(String),
    Bool(bool),
    Date(String),
    /// What the environment gives: a text that may stand for any of the others.
    Given(String),
}

impl Scalar {
    /// What kind of value it is, as people say it.
    pub(crate) fn described(&self) -> String {
        match self {
            Self::Text(text) | Self::Given(text) => {
                format!("the text `{}`", crate::policy::values::excerpt(text))
            }
            Self::Integer(number) | Self::Float(number) => format!("the number {number}"),
            Self::Bool(value) => value.to_string(),
            Self::Date(_) => "a date".to_owned(),
        }
    }

    /// As TOML writes it.
    pub(crate) fn to_toml(&self) -> toml::Value {
        let number = |text: &str| text.parse().ok().map(toml::Value::Integer);
        let text = |text: &str| toml::Value::String(text.to_owned());
        match self {
            Self::Text(value) | Self::Date(value) => text(value),
            Self::Integer(value) => number(value).unwrap_or_else(|| text(value)),
            // A number that a binary float would change stays as it is written.
            Self::Float(value) => match value.parse::<f64>() {
                Ok(float) if float.to_string() == *value => toml::Value::Float(float),
                _ => text(value),
            },
            Self::Bool(value) => toml::Value::Boolean(*value),
            Self::Given(value) => match value.parse() {
                Ok(value) => toml::Value::Boolean(value),
                Err(_) => number(value).unwrap_or_else(|| text(value)),
            },
        }
    }
}
