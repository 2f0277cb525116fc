//! An answer in tokens, decided but not yet written in any dialect.

use serde_json::{Value, json};
use tollgate_core::Time;

use super::{Plan, content, dialect::TextRequest, plan::Report};

/// How long an answer is, and what it tells of itself.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// What makes its ids unique: hexadecimal digits.
    pub(crate) id: String,
    /// When it was made, by the wall clock.
    pub(crate) created: Time,
    pub(crate) model: String,
    /// The tokens of every choice; never empty.
    pub(crate) choices: Vec<usize>,
    /// Whether it ends since it may not be longer.
    pub(crate) is_full: bool,
    /// Tokens sent to the model.
    pub(crate) input: u32,
    /// What it tells of its use.
    pub(crate) report: Report,
}

/// The usage that an answer tells, as the values of JSON: the truth, or what cannot be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) input: Value,
    pub(crate) output: Value,
    pub(crate) total: Value,
}

const MAX_TOKENS: u32 = 1_000_000;

impl Answer {
    /// Decides the answer to `request` under `plan`.
    pub(crate) fn new(request: &TextRequest, plan: &Plan, id: String, created: Time) -> Self {
        let each = request.max_tokens.unwrap_or(u32::MAX).min(plan.settings.output_tokens);
        let total = plan.output_tokens.unwrap_or_else(|| each.saturating_mul(request.choices));
        let total = total.min(MAX_TOKENS);
        let (share, rest) = (total / request.choices, total % request.choices);
        let mut choices = vec![share as usize; request.choices as usize];
        choices[0] += rest as usize;
        Self {
            id,
            created,
            model: request.model.clone(),
            is_full: request.max_tokens.is_some_and(|max| choices[0] >= max as usize),
            choices,
            input: plan.input_tokens.unwrap_or(request.input_tokens),
            report: plan.report,
        }
    }

    /// How many tokens it has, in all choices together.
    pub(crate) fn tokens(&self) -> usize {
        self.choices.iter().sum()
    }

    /// Its text, where it has one choice.
    pub(crate) fn text(&self) -> std::borrow::Cow<'static, str> {
        content::text(self.tokens())
    }

    /// When it was made, in seconds since the epoch.
    pub(crate) const fn created_secs(&self) -> u64 {
        self.created.as_nanos() / 1_000_000_000
    }

    /// The usage, where it is told.
    pub(crate) fn told(&self) -> Option<Told> {
        self.told_at(self.tokens())
    }

    /// The usage after so many tokens, where it is told.
    pub(crate) fn told_at(&self, output: usize) -> Option<Told> {
        let total = u64::from(self.input) + output as u64;
        match self.report {
            Report::Exact => {
                Some(Told { input: self.input.into(), output: output.into(), total: total.into() })
            }
            Report::Omit => None,
            Report::Lie => {
                Some(Told { input: json!(-1), output: json!(1e30), total: json!("many") })
            }
        }
    }
}

/// Adds a member to an object where there is something to say.
pub(crate) fn with(mut object: Value, name: &str, value: Option<Value>) -> Value {
    if let (Some(members), Some(value)) = (object.as_object_mut(), value) {
        members.insert(name.to_owned(), value);
    }
    object
}

/// A text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
