//! The auditor: it finds nothing in a long honest history, and what was tampered with.

use rusqlite::Connection;
use tollgate::store::embedded::audit;

use crate::{
    history::live,
    world::{World, every_kind},
};

#[tokio::test]
async fn an_honest_history_is_clean() {
    for seed in 0..4 {
        let world = World::new(every_kind());
        live(&world, seed, 1_500).await;
        let found = audit(&world.path()).expect("a ledger");
        assert!(found.is_clean(), "seed {seed}: {:#?}", found.findings);
        assert!(found.reservations > 100 && found.outstanding == 0, "{found:#?}");
        assert!(found.overrun.output_tokens > 0, "{found:#?}");
        let minute = found.limits.iter().find(|limit| limit.limit == "minute");
        let minute = minute.expect("its name was noted").balance;
        assert_eq!(minute.reserved, found.reservations);
        assert!(minute.is_even(), "{minute:?}");
    }
}

#[tokio::test]
async fn what_was_tampered_with_is_found() {
    for (sql, finding) in [
        (
            "DELETE FROM entries WHERE seq = (SELECT min(seq) FROM entries WHERE seq > 6)",
            "is missing",
        ),
        ("UPDATE rules SET cap = 1 WHERE unit = 'requests' AND kind LIKE '%window%'", "above its"),
        ("UPDATE rules SET cap = 1 WHERE kind LIKE '%concurrency%'", "above its limit of 1"),
        ("UPDATE rules SET cap = 1 WHERE kind LIKE '%bucket%'", "takes burst of"),
        ("UPDATE rules SET cap = 9 WHERE kind LIKE '%period%'", "takes spend of"),
        ("UPDATE entries SET nano_usd = nano_usd - 1 WHERE kind = 4", "than was used"),
        ("UPDATE entries SET nano_usd = nano_usd + 1 WHERE kind = 1", "than it reserves"),
        ("UPDATE entries SET kind = 3 WHERE kind = 7", "overrun"),
        ("UPDATE entries SET kind = 4 WHERE kind = 3", "other charges"),
    ] {
        let world = World::new(every_kind());
        live(&world, 3, 600).await;
        let file = Connection::open(world.path()).expect("a database");
        assert!(file.execute(sql, []).expect(sql) > 0, "{sql} changes something");
        drop(file);
        let found = audit(&world.path()).expect("a ledger");
        let is_found = found.findings.iter().any(|found| found.contains(finding));
        assert!(is_found, "{sql}: {:#?}", found.findings);
    }
}
