//! How long background tasks may take.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Attribute, Attributes,
    policy::values::{Span, span},
};

/// How long a task may take from when it is admitted: any request or permit that names one in the
/// attribute `task`. A route's own limits of time stand before these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tasks {
    /// After how long it is told that it should end.
    #[serde(skip_serializing_if = "Option::is_none", with = "span::optional")]
    #[schemars(with = "Option<Span>")]
    pub soft_time_limit: Option<Duration>,
    /// After how long it is cut, and its permit released.
    #[serde(skip_serializing_if = "Option::is_none", with = "span::optional")]
    #[schemars(with = "Option<Span>")]
    pub hard_time_limit: Option<Duration>,
}

impl Tasks {
    /// The soft and the hard limit of whoever asks; none of who names no task.
    pub fn limits_of(&self, who: &Attributes) -> (Option<Duration>, Option<Duration>) {
        match who.value(&Attribute::Task) {
            Some(_) => (self.soft_time_limit, self.hard_time_limit),
            None => (None, None),
        }
    }
}
