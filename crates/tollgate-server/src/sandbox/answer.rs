//! One answer in text: how long it is, and its plain shape.

use std::fmt::Write as _;

use super::{
    Plan, content,
    plan::Report,
    request::{Style, TextRequest},
};

/// An answer in text, decided but not yet written.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) style: Style,
    /// The answer's id.
    pub(crate) id: String,
    /// When it was made, in seconds since the epoch.
    pub(crate) created: u64,
    /// The model's name as a JSON string, quotes included.
    pub(crate) model: String,
    /// The tokens of every choice; never empty.
    pub(crate) choices: Vec<usize>,
    /// Why each choice ends, `stop` or `length`.
    pub(crate) finish: &'static str,
    /// The usage as a JSON object, where it is told.
    pub(crate) usage: Option<String>,
}

const MAX_TOKENS: u32 = 1_000_000;

impl Answer {
    /// Decides the answer to `request` under `plan`.
    pub(crate) fn new(request: &TextRequest, plan: &Plan, id: String, created: u64) -> Self {
        let each = request.max_tokens.unwrap_or(u32::MAX).min(plan.settings.output_tokens);
        let total = plan.output_tokens.unwrap_or_else(|| each.saturating_mul(request.choices));
        let total = total.min(MAX_TOKENS);
        let (share, rest) = (total / request.choices, total % request.choices);
        let mut choices = vec![share as usize; request.choices as usize];
        choices[0] += rest as usize;
        let reached = request.max_tokens.is_some_and(|max| choices[0] >= max as usize);
        let input = plan.input_tokens.unwrap_or(request.input_tokens);
        Self {
            style: request.style,
            id,
            created,
            model: quoted(&request.model),
            choices,
            finish: if reached { "length" } else { "stop" },
            usage: usage(plan.report, input, total),
        }
    }

    /// How many tokens it has, in all choices together.
    pub(crate) fn tokens(&self) -> usize {
        self.choices.iter().sum()
    }

    /// The plain answer.
    pub(crate) fn json(&self) -> String {
        let text_bytes = self.tokens() * content::TOKEN_BYTES;
        let mut json = String::with_capacity(text_bytes + 512 + 160 * self.choices.len());
        self.open(&mut json, self.style.object());
        for (index, tokens) in self.choices.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let (text, finish) = (content::text(*tokens), self.finish);
            // Writing to a string cannot fail.
            let _ = match self.style {
                Style::Chat => write!(
                    json,
                    r#"{comma}{{"index":{index},"message":{{"role":"assistant","content":"{text}","refusal":null,"annotations":[]}},"logprobs":null,"finish_reason":"{finish}"}}"#
                ),
                Style::Completion => write!(
                    json,
                    r#"{comma}{{"text":"{text}","index":{index},"logprobs":null,"finish_reason":"{finish}"}}"#
                ),
            };
        }
        json.push(']');
        if let Some(usage) = &self.usage {
            json.push_str(r#","usage":"#);
            json.push_str(usage);
        }
        json.push('}');
        json
    }

    /// The members that the plain answer and all chunks begin with, up to the choices.
    pub(crate) fn open(&self, json: &mut String, object: &str) {
        let Self { id, created, model, .. } = self;
        let _ = write!(
            json,
            r#"{{"id":"{id}","object":"{object}","created":{created},"model":{model},"system_fingerprint":"fp_sandbox","choices":["#
        );
    }
}

impl Style {
    const fn object(self) -> &'static str {
        match self {
            Self::Chat => "chat.completion",
            Self::Completion => "text_completion",
        }
    }

    /// What the ids of this style begin with.
    pub(crate) const fn id_prefix(self) -> &'static str {
        match self {
            Self::Chat => "chatcmpl",
            Self::Completion => "cmpl",
        }
    }
}

/// A text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn usage(report: Report, input: u32, output: u32) -> Option<String> {
    let total = u64::from(input) + u64::from(output);
    match report {
        Report::Exact => Some(format!(
            r#"{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{total},"prompt_tokens_details":{{"cached_tokens":0,"audio_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}}"#
        )),
        Report::Omit => None,
        Report::Lie => Some(
            r#"{"prompt_tokens":-1,"completion_tokens":1e30,"total_tokens":"many"}"#.to_owned(),
        ),
    }
}
