//! Ends that are on their way to the shared store: of one reservation, one at a time.
//!
//! A second one that came between the first one's end there and its end in the books would find
//! it unknown there and held here, as what was granted without the shared store is.

use hashbrown::HashSet;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tollgate_core::ReservationId;

/// The reservations that are being ended.
#[derive(Debug, Default)]
pub(super) struct Underway {
    ids: Mutex<HashSet<ReservationId, foldhash::fast::RandomState>>,
    over: Notify,
}

/// The one that ends a reservation, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a>(&'a Underway, ReservationId);

impl Underway {
    /// Waits until nobody ends this reservation.
    pub(super) async fn turn(&self, id: ReservationId) -> Turn<'_> {
        while !self.ids.lock().insert(id) {
            let over = self.over.notified();
            // It may have been over before anybody listened.
            if self.ids.lock().contains(&id) {
                over.await;
            }
        }
        Turn(self, id)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.ids.lock().remove(&self.1);
        self.0.over.notify_waiters();
    }
}
