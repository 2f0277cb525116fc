//! What scripts answer.

use redis::Value;

use super::{SharedError, bytes::Reader, micros::whole};
use crate::StoreError;

/// An answer's parts, in their order.
pub(super) struct Reply(std::vec::IntoIter<Value>);

/// Where the sessions of one charge stand, in the server's microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seats {
    pub(super) live: u64,
    /// When the next one goes.
    pub(super) next: u64,
    /// When as many have gone as are over the cap, and one more.
    pub(super) free: u64,
    /// When the order's own goes; 0 if there is none.
    pub(super) mine: u64,
}

impl Reply {
    pub(super) fn of(value: Value) -> Result<Self, SharedError> {
        match value {
            Value::Array(parts) => Ok(Self(parts.into_iter())),
            _ => Err(unexpected()),
        }
    }

    pub(super) fn int(&mut self) -> Result<u64, SharedError> {
        match self.0.next() {
            Some(Value::Int(number)) => Ok(u64::try_from(number).unwrap_or(0)),
            _ => Err(unexpected()),
        }
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, SharedError> {
        match self.0.next() {
            Some(Value::BulkString(bytes)) => Ok(bytes),
            _ => Err(unexpected()),
        }
    }

    pub(super) fn seats(&mut self) -> Result<Seats, SharedError> {
        let bytes = self.bytes()?;
        let mut from = Reader(&bytes);
        let mut next = || from.double().map(whole).ok_or_else(unexpected);
        Ok(Seats { live: next()?, next: next()?, free: next()?, mine: next()? })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.len() == 0
    }
}

/// What is not said by this version's scripts.
pub(super) fn unexpected() -> SharedError {
    let text = "it answered as none of this version's scripts does";
    StoreError::Undecided(text.to_owned()).into()
}
