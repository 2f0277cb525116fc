//! Circuits that operators have forced, until they let them go.

use std::collections::HashMap;

use compact_str::CompactString;
use foldhash::fast::RandomState;
use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tollgate_core::breaker::Mode;

use super::{
    Book, By, Moment, RosterError,
    audit::Change,
    privileges::bounded,
    terms::{check_name, excerpt},
};
use crate::guards::Forced;

/// How a circuit is forced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Force {
    /// Nothing passes.
    Open,
    /// Everything passes.
    Closed,
    /// Everything passes, and it is told what would not.
    Observe,
}

/// Which circuit: a provider's model, or all of a provider's that are not forced themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Which {
    pub(crate) provider: String,
    pub(crate) model: Option<String>,
}

/// A circuit that an operator has forced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ForcedCircuit {
    #[serde(flatten)]
    pub(crate) which: Which,
    pub(crate) mode: Force,
    pub(crate) reason: Option<String>,
    pub(crate) since_at: Moment,
}

/// What is forced, by provider.
pub(super) type Circuits = HashMap<CompactString, Forced, RandomState>;

/// The longest name of a model, in bytes.
const MAX_MODEL_BYTES: usize = 256;

const COLUMNS: &str = "provider, model, mode, reason, since";

impl Force {
    const ALL: [Self; 3] = [Self::Open, Self::Closed, Self::Observe];

    /// As it is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Observe => "observe",
        }
    }

    const fn mode(self) -> Mode {
        match self {
            Self::Open => Mode::Open,
            Self::Closed => Mode::Closed,
            Self::Observe => Mode::Observe,
        }
    }
}

impl Which {
    /// As people write it: `openai` or `openai/gpt-5`.
    pub(crate) fn subject(&self) -> String {
        match &self.model {
            Some(model) => format!("{}/{model}", self.provider),
            None => self.provider.clone(),
        }
    }

    /// What stands in the file where it is all of a provider's.
    fn stored(&self) -> &str {
        self.model.as_deref().unwrap_or_default()
    }

    fn check(&self) -> Result<(), RosterError> {
        check_name("the provider", &self.provider)?;
        let Some(model) = &self.model else { return Ok(()) };
        if model.is_empty() || model.len() > MAX_MODEL_BYTES {
            let why =
                format!("a model's name has 1 to {MAX_MODEL_BYTES} bytes, not {}", model.len());
            return Err(RosterError::Invalid(why));
        }
        Ok(())
    }
}

impl std::str::FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (provider, model) = match text.split_once('/') {
            Some((provider, model)) => (provider, Some(model.to_owned())),
            None => (text, None),
        };
        let which = Self { provider: provider.to_owned(), model };
        which.check().map_err(|error| error.to_string())?;
        Ok(which)
    }
}

impl ForcedCircuit {
    /// Nothing of what another version wrote.
    fn read(row: &Row<'_>) -> rusqlite::Result<Option<Self>> {
        let (model, mode): (String, String) = (row.get(1)?, row.get(2)?);
        let Some(mode) = Force::ALL.into_iter().find(|known| known.name() == mode) else {
            return Ok(None);
        };
        let model = Some(model).filter(|model| !model.is_empty());
        let which = Which { provider: row.get(0)?, model };
        Ok(Some(Self { which, mode, reason: row.get(3)?, since_at: row.get(4)? }))
    }
}

/// Reads all that are forced.
pub(super) fn read(tx: &Transaction<'_>) -> Result<Circuits, RosterError> {
    let mut circuits = Circuits::default();
    let mut statement = tx.prepare(&format!("SELECT {COLUMNS} FROM circuits"))?;
    let rows = statement.query_map([], ForcedCircuit::read)?;
    for row in rows.filter_map(Result::transpose) {
        let row = row?;
        let forced: &mut Forced = circuits.entry(row.which.provider.into()).or_default();
        match row.which.model {
            Some(model) => {
                forced.models.insert(model.into(), row.mode.mode());
            }
            None => forced.all = Some(row.mode.mode()),
        }
    }
    Ok(circuits)
}

impl Book {
    /// Forces a circuit, until it is let go. Again it changes nothing.
    ///
    /// # Errors
    /// When a name is none, or there are too many.
    pub(crate) fn force_circuit(
        &mut self,
        which: Which,
        mode: Force,
        by: &By,
    ) -> Result<ForcedCircuit, RosterError> {
        which.check()?;
        let reason = by.reason.clone();
        self.change(by, |tx, _| {
            let sql = format!("SELECT {COLUMNS} FROM circuits WHERE provider = ? AND model = ?");
            let key = params![which.provider, which.stored()];
            let before = tx.query_row(&sql, key, ForcedCircuit::read).optional()?.flatten();
            let same = |one: &ForcedCircuit| one.mode == mode && one.reason == reason;
            if let Some(same) = before.clone().filter(same) {
                return Ok((same, None));
            }
            let count = tx.query_row("SELECT count(*) FROM circuits", [], |row| row.get(0))?;
            bounded(before.is_none(), count)?;
            tx.execute(
                "REPLACE INTO circuits VALUES (?, ?, ?, ?, ?)",
                params![which.provider, which.stored(), mode.name(), reason, by.at],
            )?;
            let state =
                |mode: Force, reason: &Option<String>| json!({ "mode": mode, "reason": reason });
            let before = before.map(|one| state(one.mode, &one.reason)).unwrap_or_default();
            let (what, subject, after) = ("circuit.force", which.subject(), state(mode, &reason));
            let change = Change { what, subject, before, after };
            Ok((ForcedCircuit { which, mode, reason, since_at: by.at }, Some(change)))
        })
    }

    /// Lets a circuit go, so that it decides by itself again.
    ///
    /// # Errors
    /// When it was not forced.
    pub(crate) fn release_circuit(&mut self, which: &Which, by: &By) -> Result<(), RosterError> {
        self.change(by, |tx, _| {
            let sql = "DELETE FROM circuits WHERE provider = ? AND model = ? RETURNING mode";
            let key = params![which.provider, which.stored()];
            let mode: Option<String> = tx.query_row(sql, key, |row| row.get(0)).optional()?;
            let mode = mode.ok_or_else(|| {
                let subject = which.subject();
                let subject = excerpt(&subject);
                RosterError::Missing(format!("the circuit `{subject}` is not forced"))
            })?;
            let (before, after) = (json!({ "mode": mode }), json!(null));
            let change =
                Change { what: "circuit.release", subject: which.subject(), before, after };
            Ok(((), Some(change)))
        })
    }
}
