//! Waiting for what will be so soon, bounded, in the place of a sleep.

use std::time::Duration;

use crate::Error;

/// How long anything is waited for: far longer than it takes, so that only what fails ends so.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(5);

/// Waits until `look` has something.
///
/// # Errors
/// When it has nothing for as long as [`PATIENCE`]; `what` says what was waited for.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> Result<T, Error> {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let late = |_| Error::Late { what: what.to_owned() };
    tokio::time::timeout(PATIENCE, found).await.map_err(late)
}
