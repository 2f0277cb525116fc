//! A node is a store like any other: while the shared one is there, and while it never is.

mod up {
    use tollgate::{conformance::NOON, store::redis::Redis};
    use tollgate_core::{Now, Policy, policy::settings::OnStoreFailure};

    use crate::hub::{Hub, Line, books};

    async fn make() -> (Redis<Line>, ()) {
        let policy = Policy::new(Vec::new()).expect("no limits");
        let node = Redis::new(Hub::new(1, 0).line(0), books(), OnStoreFailure::Closed, &policy);
        assert!(node.recover(Now::at(NOON)).await);
        (node, ())
    }

    tollgate::conformance!(make);
}
