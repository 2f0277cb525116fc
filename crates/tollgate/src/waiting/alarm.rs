//! The alarm: looks at rooms at the instants that limits promised, and sleeps otherwise.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

use super::serving;
use crate::{Store, tollgate::Inner};

/// One timer for all rooms, running while any of them waits for an instant.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    is_running: AtomicBool,
    changed: Arc<Notify>,
}

/// Sees to it that the alarm rings when the next room is due.
pub(super) fn set<S: Store + 'static>(inner: &Arc<Inner<S>>) {
    let alarm = &inner.hall.alarm;
    if alarm.is_running.swap(true, Ordering::SeqCst) {
        alarm.changed.notify_one();
        return;
    }
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => {
            runtime.spawn(ring(Arc::downgrade(inner)));
        }
        // Nobody who waits does so without a runtime.
        Err(_) => alarm.is_running.store(false, Ordering::SeqCst),
    }
}

async fn ring<S: Store + 'static>(inner: Weak<Inner<S>>) {
    loop {
        let Some(strong) = inner.upgrade() else { return };
        let now = strong.clock.now().time;
        let next = strong.hall.alarms(now);
        serving::serve(&strong);
        let Some(next) = next else {
            strong.hall.alarm.is_running.store(false, Ordering::SeqCst);
            // An instant that came in between would have found it running.
            if !strong.hall.has_alarm() || strong.hall.alarm.is_running.swap(true, Ordering::SeqCst)
            {
                return;
            }
            continue;
        };
        let changed = Arc::clone(&strong.hall.alarm.changed);
        let left = next.since(strong.clock.now().time);
        drop(strong);
        tokio::select! {
            () = tokio::time::sleep(left) => {}
            () = changed.notified() => {}
        }
    }
}
