//! What operators are told of the nodes.

use std::time::Duration;

use serde::Serialize;
use tollgate_core::{Now, Time};

use super::Group;
use crate::api::Instant;

/// One node, as the others see it.
#[derive(Debug, Serialize)]
pub(crate) struct NodeShown {
    name: String,
    /// Whether it is the one that tells this.
    is_this: bool,
    /// Whether it has said so within two seconds.
    is_live: bool,
    /// How long ago it said that it lives.
    silent_ms: u64,
    address: String,
    version: String,
    /// Which policy it serves: nodes with the same text have the same policy.
    policy: String,
    since_at: Instant,
}

/// How Redis is.
#[derive(Debug, Serialize)]
pub(crate) struct RedisShown {
    /// `connected`; `away`; or `catching_up` where it is there and this node decides by itself
    /// until it was told what it does not know.
    state: &'static str,
    /// Why this node decides by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since_at: Option<Instant>,
    /// How long this node's last sign of life was on its way there and back.
    response_ms: Option<f64>,
}

impl Group {
    /// All nodes, the dead of the last hour too.
    pub(crate) fn nodes(&self) -> Vec<NodeShown> {
        let members = self.members();
        let shown = members.nodes.iter().map(|node| NodeShown {
            is_this: node.process == self.nodes.process(),
            name: node.name.clone(),
            is_live: node.is_live,
            silent_ms: u64::try_from(node.silent.as_millis()).unwrap_or(u64::MAX),
            address: node.facts.address.clone(),
            version: node.facts.version.clone(),
            policy: node.facts.policy.clone(),
            since_at: Instant::on_the_wall(Time::from_millis(node.facts.since)),
        });
        shown.collect()
    }

    /// How long Redis took to answer last, in milliseconds.
    pub(crate) fn response_ms(&self) -> Option<f64> {
        self.members().round_trip.map(millis)
    }

    /// How Redis is.
    pub(crate) fn redis(&self, now: Now) -> RedisShown {
        let away = self.away();
        RedisShown {
            state: match (&away, self.is_linked()) {
                (None, _) => "connected",
                (Some(_), true) => "catching_up",
                (Some(_), false) => "away",
            },
            since_at: away.as_ref().map(|(since, _)| Instant::new(*since, now)),
            why: away.map(|(_, why)| why),
            response_ms: self.response_ms(),
        }
    }
}

/// In milliseconds, to the microsecond.
fn millis(length: Duration) -> f64 {
    (length.as_secs_f64() * 1e6).round() / 1e3
}
