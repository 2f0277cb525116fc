use std::sync::Arc;

use rand::{SeedableRng as _, rngs::StdRng};

use super::{Loss, Platter, sectors};
use crate::{Disk, Event, Failure, Fault, Operation, VFS};

fn file() -> Arc<str> {
    "f".into()
}

fn write(offset: u64, bytes: &[u8]) -> Event {
    Event::Write { file: file(), offset, bytes: bytes.into() }
}

fn after(events: &[Event]) -> Platter {
    let mut platter = Platter::default();
    for event in [Event::Made { file: file() }, Event::FolderSynced].iter().chain(events) {
        platter.apply(event);
    }
    platter
}

fn left(platter: &Platter, loss: Loss) -> Option<Vec<u8>> {
    platter.image(loss, &mut StdRng::seed_from_u64(1)).files.get(&file()).cloned()
}

#[test]
fn what_was_synced_stays_and_the_rest_may_go() {
    let platter = after(&[write(0, b"abcd"), Event::Synced { file: file() }, write(1, b"XY")]);
    assert_eq!(left(&platter, Loss::Everything).as_deref(), Some(&b"abcd"[..]));
    assert_eq!(left(&platter, Loss::Nothing).as_deref(), Some(&b"aXYd"[..]));
}

#[test]
fn no_later_sync_saves_what_a_failed_one_left() {
    let (failed, synced) = (Event::SyncFailed { file: file() }, Event::Synced { file: file() });
    let platter = after(&[write(0, b"ab"), failed, write(2, b"cd"), synced]);
    assert_eq!(left(&platter, Loss::Everything).as_deref(), Some(&b"\0\0cd"[..]));
    assert_eq!(left(&platter, Loss::Nothing).as_deref(), Some(&b"abcd"[..]));
}

#[test]
fn a_name_counts_when_its_folder_was_synced() {
    let mut platter = Platter::default();
    for event in [Event::Made { file: file() }, write(0, b"ab"), Event::Synced { file: file() }] {
        platter.apply(&event);
    }
    assert_eq!(left(&platter, Loss::Everything), None);
    platter.apply(&Event::FolderSynced);
    assert_eq!(left(&platter, Loss::Everything).as_deref(), Some(&b"ab"[..]));
    platter.apply(&Event::Removed { file: file() });
    assert_eq!(left(&platter, Loss::Everything).as_deref(), Some(&b"ab"[..]));
    assert_eq!(left(&platter, Loss::Nothing), None);
}

#[test]
fn sectors_are_those_of_the_file() {
    let parts: Vec<_> = sectors(510, b"abcdef", 512).collect();
    assert_eq!(parts, [(510, &b"ab"[..]), (512, b"cdef")]);
}

#[test]
fn sqlite_writes_through_it_and_fails_when_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Disk::at(folder.path());
    let flags = rusqlite::OpenFlags::default();
    let path = folder.path().canonicalize().expect("a folder").join("db");
    let db = rusqlite::Connection::open_with_flags_and_vfs(&path, flags, VFS).expect("a database");
    db.pragma_update(None, "journal_mode", "wal").expect("a log");
    db.execute_batch("CREATE TABLE t (x)").expect("a table");
    let events = disk.events();
    assert!(events.contains(&Event::Made { file: "db-wal".into() }), "{events:?}");
    assert!(events.contains(&Event::Synced { file: "db".into() }), "{events:?}");

    let mut platter = Platter::default();
    events.iter().for_each(|event| platter.apply(event));
    let image = platter.image(Loss::Nothing, &mut StdRng::seed_from_u64(1));
    for (name, bytes) in &image.files {
        let real = std::fs::read(folder.path().join(&**name)).expect("a file");
        assert_eq!(&real, bytes, "{name}");
    }

    let (operation, failure) = (Operation::Write, Failure::Broken);
    disk.fail(Some(Fault { operation, after: 1, failure, lasts: false }));
    let failed = db.execute("INSERT INTO t VALUES (1)", []).expect_err("a broken disk");
    assert!(failed.to_string().contains("disk I/O error"), "{failed}");
    let failures = disk.events().iter().filter(|event| event.is_failure()).count();
    assert_eq!(failures, 1);
    assert_eq!(db.execute("INSERT INTO t VALUES (1)", []), Ok(1), "it was but one");
}
