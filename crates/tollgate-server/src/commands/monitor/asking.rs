//! What the screen asks of the control plane, and how often each of it.

use serde_json::Value;

use crate::{commands::ask::Asker, screen::Answers};

/// Asks round after round.
pub(super) struct Questions {
    asker: Asker,
    round: u64,
    last: Answers,
}

/// Rounds for which what was spent is not asked anew: the ledger is summed up for it.
const SPEND_ROUNDS: u64 = 5;

/// Spenders that are asked for.
const SPENDERS: u64 = 50;

impl Questions {
    pub(super) fn new(asker: Asker) -> Self {
        Self { asker, round: 0, last: Answers::default() }
    }

    /// One round.
    ///
    /// # Errors
    /// When the gateway does not tell how it is. What else it does not tell is left out.
    pub(super) fn ask(&mut self) -> anyhow::Result<Answers> {
        let status = self.asker.ask("/status")?;
        let monitor = self.asker.ask("/v1/monitor")?;
        let circuits = self.asker.ask("/v1/circuits").unwrap_or_default();
        if self.round.is_multiple_of(SPEND_ROUNDS) {
            self.ask_spend();
        }
        self.round += 1;
        Ok(Answers { status, monitor, circuits, ..self.last.clone() })
    }

    fn ask_spend(&mut self) {
        let top = |by: &str| self.asker.ask(&format!("/v1/top?by={by}&since=24h&limit={SPENDERS}"));
        let asked = top("user").and_then(|users| Ok((users, top("model")?)));
        let last = &mut self.last;
        (last.by_user, last.by_model, last.no_spend) = match asked {
            Ok((users, models)) => (users, models, None),
            Err(error) => (Value::Null, Value::Null, Some(format!("{error:#}"))),
        };
    }
}
