//! What is said where a key holds what cannot be read: which one it is, so that somebody can see
//! to it. It concerns those who ask for that key alone; Redis is there for all others.

use std::fmt::Write as _;

use redis::Value;

use super::{Shared, SharedError};
use crate::{
    StoreError,
    store::redis::{
        LinkError,
        link::{Arg, Script},
    },
};

/// Keys that an error names.
const MOST_NAMED: usize = 8;

impl Shared {
    /// Runs a script; where it failed at what keys hold, they are named.
    pub(super) async fn run(
        &self,
        script: &'static Script,
        tag: u8,
        keys: &[Vec<u8>],
        args: &[Arg<'_>],
    ) -> Result<Value, SharedError> {
        match self.link.run(script, u16::from(tag), keys, args).await {
            Err(LinkError::Failed(why)) => {
                let mut text = format!("{why}, asked for");
                for key in keys.iter().take(MOST_NAMED) {
                    let _ = write!(text, " `{}`", key.escape_ascii());
                }
                text.push_str("; one of them holds what Tollgate has not written: delete that one");
                Err(StoreError::Undecided(text).into())
            }
            answer => Ok(answer?),
        }
    }
}

/// One of the keys that a script was given, counted from 1, cannot be read.
pub(super) fn damaged(keys: &[Vec<u8>], place: u64) -> SharedError {
    let nth = usize::try_from(place).unwrap_or(0).saturating_sub(1);
    let key = keys.get(nth).map(Vec::as_slice).unwrap_or_default();
    let text = format!(
        "`{}` holds nothing that can be read as accounts; delete that key, and they begin anew",
        key.escape_ascii()
    );
    StoreError::Undecided(text).into()
}

/// The graver of two: that Redis is away, rather than that one thing could not be done.
pub(super) fn graver(one: Option<SharedError>, other: SharedError) -> Option<SharedError> {
    match one {
        Some(SharedError::Store(StoreError::Undecided(_))) | None => Some(other),
        graver => graver,
    }
}
