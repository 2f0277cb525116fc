//! What a body of `invoke` asks for, by the family of its model.

use super::{
    converse::{self, nested},
    families::Family,
};
use crate::{
    Input, MAX_OUTPUT_TOKENS, PaidTools, ScanError, anthropic, members::Raw, ruler::Ruler,
    thinking, tier,
};

/// What a body asks for.
#[derive(Debug)]
pub(super) struct Asked {
    /// How much it sends.
    pub(super) input: Input,
    /// How much may be made.
    pub(super) most: Option<u64>,
    /// The member that asks for a dearer tier.
    pub(super) dearer: Option<&'static str>,
    /// Whether the model is asked to think.
    pub(super) thinks: bool,
    /// What it enables that is charged by the call.
    pub(super) tools: PaidTools,
}

/// Members that bound the output, of all other families; those that hold one; and those
/// of tiers and of thinking.
const NAMES: [&str; 14] = [
    "max_tokens",
    "max_new_tokens",
    "max_completion_tokens",
    "max_gen_len",
    "maxTokens",
    "max_tokens_to_sample",
    "inferenceConfig",
    "textGenerationConfig",
    "generationConfig",
    "service_tier",
    "thinking",
    "reasoning",
    "reasoning_effort",
    "reasoning_config",
];

/// So many of them, the first, bound it themselves.
const MAXIMA: usize = 6;

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
            let input = anthropic::input(&raw, ruler(&anthropic::WORDS))?;
            let thinks = thinking::asked(&raw);
            let tools = anthropic::paid_tools(&raw);
            Ok(Asked { input, most: Some(most), dearer: tier::dearer(&raw)?, thinks, tools })
        }
        Family::Nova => {
            let raw = Raw::parse(&converse::NAMES, body)?;
            converse::asked(&raw, ruler(&converse::WORDS))
        }
        Family::Embedding | Family::Other => {
            let raw = Raw::parse(&NAMES, body)?;
            // Its shape is not known, so all of it is taken for text.
            let input = Input::text(body.len() as u64);
            let mut most = None;
            for member in &NAMES[..MAXIMA] {
                most = most.max(raw.count(member, 0, MAX_OUTPUT_TOKENS)?);
            }
            for member in CONFIGS {
                most = most.max(nested(member, raw.value(member))?);
            }
            let thinks = thinking::asked(&raw);
            let tools = PaidTools::default();
            Ok(Asked { input, most, dearer: tier::dearer(&raw)?, thinks, tools })
        }
    }
}
