//! Every store passes the same suite.

mod memory {
    use tollgate::Memory;

    async fn make() -> (Memory, ()) {
        (Memory::default(), ())
    }

    tollgate::conformance!(make);
}

mod embedded {
    use tempfile::TempDir;
    use tollgate::{Clock, Embedded, conformance::NOON, store::embedded::EmbeddedBounds};

    async fn make() -> (Embedded, TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tollgate.db");
        let clock = |_| Clock::set_at(NOON);
        let (store, _) = Embedded::open(&path, EmbeddedBounds::default(), clock).expect("a ledger");
        (store, folder)
    }

    tollgate::conformance!(make);
}

mod any {
    use tollgate::{AnyStore, Memory};

    async fn make() -> (AnyStore, ()) {
        (AnyStore::from(Memory::default()), ())
    }

    tollgate::conformance!(make);
}
