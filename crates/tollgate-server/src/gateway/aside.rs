//! Work that would keep a worker for longer than others may wait for it.

use crate::refusal::{Failure, What};

/// A body of more bytes takes longer to read than a worker may be kept.
pub(super) const LONG_BODY_BYTES: usize = 256 * 1024;

/// Does it aside from the workers, and waits for it.
///
/// # Errors
/// When the process ends meanwhile: only then is what was begun let go.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Failure::new(What::Overloaded, "Tollgate is stopping; try again."))
}
