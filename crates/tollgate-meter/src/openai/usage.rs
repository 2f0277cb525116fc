//! Usage as OpenAI tells it, believed only where it can be true.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Counts, json,
    told::{Told, part},
};

#[derive(Deserialize)]
struct Usage<'a> {
    #[serde(default, alias = "input_tokens")]
    prompt_tokens: Option<u64>,
    #[serde(default, alias = "output_tokens")]
    completion_tokens: Option<u64>,
    #[serde(default)]
    total_tokens: Option<u64>,
    #[serde(default, borrow, alias = "input_tokens_details", alias = "input_token_details")]
    prompt_tokens_details: Option<&'a RawValue>,
    #[serde(default, borrow, alias = "output_tokens_details")]
    completion_tokens_details: Option<&'a RawValue>,
}

/// Details of either side; what one lacks is 0.
#[derive(Default, Deserialize)]
struct Details {
    #[serde(default)]
    cached_tokens: Option<u64>,
    #[serde(default)]
    cache_write_tokens: Option<u64>,
    #[serde(default)]
    audio_tokens: Option<u64>,
    #[serde(default)]
    reasoning_tokens: Option<u64>,
}

/// Reads the value of a `usage` member: an object with counts of tokens, or `null`.
///
/// OpenAI's prompt tokens include the cached ones. Some compatible providers leave reasoning
/// out of the completion tokens and count it in the total alone, so the output is what the
/// total has above the input, if that is more.
pub(crate) fn read(usage: &[u8]) -> Told {
    match usage.trim_ascii() {
        b"null" => Told::Nothing,
        object => json::object::<Usage<'_>>(object).map_or(Told::Implausible, |u| u.told()),
    }
}

impl Usage<'_> {
    fn told(&self) -> Told {
        let (prompt, completion, total) =
            (self.prompt_tokens, self.completion_tokens, self.total_tokens);
        let Some(input) = prompt else {
            let nothing = completion.is_none() && total.is_none();
            return if nothing { Told::Nothing } else { Told::Implausible };
        };
        let beyond = total.map(|total| total.saturating_sub(input));
        let Some(output) = completion.max(beyond) else { return Told::Implausible };
        let (sent, made) =
            (details(self.prompt_tokens_details), details(self.completion_tokens_details));
        let mut counts = Counts::tokens(input, output);
        counts.cached_tokens = part(sent.cached_tokens, input);
        counts.cache_write_tokens =
            part(sent.cache_write_tokens, input.saturating_sub(counts.cached_tokens));
        counts.input_audio_tokens = part(sent.audio_tokens, input);
        counts.output_audio_tokens = part(made.audio_tokens, output);
        counts.reasoning_tokens = part(made.reasoning_tokens, output);
        Told::counts(counts)
    }
}

/// Details that cannot be read change nothing: the tokens are charged as plain ones.
fn details(raw: Option<&RawValue>) -> Details {
    raw.and_then(|raw| json::object(raw.get().as_bytes())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_with_its_details() {
        let told = read(
            br#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
            "prompt_tokens_details":{"cached_tokens":60,"audio_tokens":10,"cache_write_tokens":20},
            "completion_tokens_details":{"reasoning_tokens":30,"audio_tokens":null,"new":{}}}"#,
        );
        let counts = Counts {
            cached_tokens: 60,
            cache_write_tokens: 20,
            input_audio_tokens: 10,
            reasoning_tokens: 30,
            ..Counts::tokens(100, 50)
        };
        assert_eq!(told, Told::Counts(counts));
    }

    #[test]
    fn output_that_only_the_total_counts_is_charged() {
        let told = read(br#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":40}"#);
        assert_eq!(told, Told::Counts(Counts::tokens(10, 30)));
    }

    #[test]
    fn details_that_cannot_be_true_make_nothing_cheaper() {
        for details in [r#"{"cached_tokens":11}"#, r#"{"cached_tokens":-1}"#, "[1]", "7", "null"] {
            let usage = format!(
                r#"{{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{details}}}"#
            );
            assert_eq!(read(usage.as_bytes()), Told::Counts(Counts::tokens(10, 5)));
        }
    }
}
