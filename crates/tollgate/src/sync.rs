//! The locks and atomics of what must be right under every schedule: the ordinary ones, or
//! those of shuttle, which tries the schedules out.

#[cfg(not(feature = "shuttle"))]
pub(crate) use self::ordinary::{AtomicUsize, Mutex};
#[cfg(feature = "shuttle")]
pub(crate) use self::scheduled::{AtomicUsize, Mutex};

#[cfg(not(feature = "shuttle"))]
mod ordinary {
    pub(crate) use parking_lot::Mutex;
    pub(crate) use std::sync::atomic::AtomicUsize;
}

#[cfg(feature = "shuttle")]
mod scheduled {
    pub(crate) use shuttle::sync::atomic::AtomicUsize;

    /// Shuttle's lock with the face of the ordinary one.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> shuttle::sync::MutexGuard<'_, T> {
            // A panic ends the whole exploration, so no lock is poisoned.
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }
}
