//! What runs beside the listeners for as long as the process serves.
//!
//! The promise: a part that ends before the process stops, as by a panic, is told of: in the log
//! when it ends, and from then on wherever operators ask how the process is.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::app::{App, Stage};

/// The parts that have ended too early.
#[derive(Debug, Default)]
pub(crate) struct Ended(Mutex<Vec<&'static str>>);

/// A part that runs.
struct Running {
    app: Arc<App>,
    name: &'static str,
}

/// Runs a part, and sees how it ends.
pub(crate) async fn watched(app: Arc<App>, name: &'static str, part: impl Future<Output = ()>) {
    let _running = Running { app, name };
    part.await;
}

impl Ended {
    /// Their names, in the order of their ends.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.0.lock().clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.app.stage() == Stage::Draining {
            return;
        }
        let Self { app, name } = self;
        tracing::error!(part = name, "a part of this process has ended: start the process anew");
        app.ended.0.lock().push(name);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::tests::World;

    #[tokio::test]
    async fn a_part_that_panics_is_told_of_and_one_that_is_stopped_is_not() {
        let world = World::new("store = { kind = \"memory\" }");
        let app = &world.app;
        world.get("/v1/health").await.expect(200);
        let fails = async { panic!("a fault of the program") };
        let failed = tokio::spawn(watched(Arc::clone(app), "expiry", fails)).await;
        assert!(failed.is_err_and(|error| error.is_panic()));
        let health = world.get("/v1/health").await.expect(503);
        assert_eq!(
            (&health["status"], &health["ended"]),
            (&json!("unhealthy"), &json!(["expiry"]))
        );
        app.enter(Stage::Draining);
        tokio::spawn(watched(Arc::clone(app), "alerts", async {})).await.expect("its end");
        assert_eq!(app.ended.names(), ["expiry"]);
    }
}
