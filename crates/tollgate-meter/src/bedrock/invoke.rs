//! What a body of `invoke` asks for, by the family of its model.

use super::{
    converse::{self, nested},
    families::Family,
};
use crate::{Input, MAX_OUTPUT_TOKENS, ScanError, anthropic, members::Raw, ruler::Ruler};

/// What a body asks for: how much it sends, and how much may be made.
pub(super) type Asked = (Input, Option<u64>);

/// Members that bound the output, of all other families; and those that hold one.
const NAMES: [&str; 9] = [
    "max_tokens",
    "max_new_tokens",
    "max_completion_tokens",
    "max_gen_len",
    "maxTokens",
    "max_tokens_to_sample",
    "inferenceConfig",
    "textGenerationConfig",
    "generationConfig",
];

/// Those that hold one.
const CONFIGS: [&str; 3] = ["inferenceConfig", "textGenerationConfig", "generationConfig"];

/// What a body asks for.
pub(super) fn asked(
    family: Family,
    body: &str,
    tokenizer: Option<crate::Tokenizer>,
) -> Result<Asked, ScanError> {
    let ruler = |words| {
        let ruler = Ruler::of(words);
        tokenizer.map_or(ruler, |tokenizer| ruler.with(tokenizer))
    };
    match family {
        Family::Anthropic => {
            let raw = Raw::parse(&anthropic::NAMES, body)?;
            let most = anthropic::most(&raw)?.ok_or(ScanError::Missing("max_tokens"))?;
            Ok((anthropic::input(&raw, ruler(&anthropic::WORDS))?, Some(most)))
        }
        Family::Nova => {
            let raw = Raw::parse(&converse::NAMES, body)?;
            Ok((converse::input(&raw, ruler(&converse::WORDS))?, converse::most(&raw)?))
        }
        Family::Embedding | Family::Other => {
            let raw = Raw::parse(&NAMES, body)?;
            // Its shape is not known, so all of it is taken for text.
            let input = Input::text(body.len() as u64);
            let mut most = None;
            for member in NAMES {
                let told = if CONFIGS.contains(&member) {
                    nested(member, raw.value(member))?
                } else {
                    raw.count(member, 0, MAX_OUTPUT_TOKENS)?
                };
                most = most.max(told);
            }
            Ok((input, most))
        }
    }
}
