//! What an operator says about how a limit follows the money.

use compact_str::CompactString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Share;
use crate::LimitId;

/// By which budget and how far a limit is tightened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tighten {
    /// The limit on money, of a calendar period and for all together, whose pace it follows.
    #[schemars(with = "String")]
    pub budget: CompactString,
    /// The share of the limit that is left in any case.
    #[serde(default = "floor")]
    pub floor: Share,
    /// So large a share of its providers' calls must succeed, or it is tightened too; 0 for
    /// never.
    #[serde(default = "success")]
    pub success: Share,
}

impl Tighten {
    /// The id of the budget.
    pub fn budget_id(&self) -> LimitId {
        LimitId::new(&self.budget, &[])
    }
}

fn floor() -> Share {
    Share::of_hundred(10)
}

fn success() -> Share {
    Share::of_hundred(90)
}
