//! Keys through their lives, and a file that is shared, copied and tampered with.

mod circuits;
mod emergency;
mod learned;
mod privileges;
mod provider_keys;
mod sharing;

use std::{path::Path, time::Duration};

use proptest::prelude::*;
use tollgate_core::{
    Attribute, Attributes, Time,
    policy::{Environment, Settings, Sources},
};

use super::{Book, By, Draft, Listing, Moment, Roster, RosterError, Terms};
use crate::identity::Unauthorized;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "another secret of 32 bytes, or so";
const NOON: Time = Time::from_millis(1_795_435_200_000);

/// Takes away what the sixth format added.
const UNSHARED: &str = "DROP TABLE untold; DROP TABLE told; DROP VIEW telling;
    DROP TRIGGER key_made; DROP TRIGGER key_changed; DROP TRIGGER key_gone;
    DROP TRIGGER secret_made; DROP TRIGGER secret_changed; DROP TRIGGER secret_gone;
    DROP TRIGGER own_made; DROP TRIGGER own_gone; DROP TRIGGER tier_made;
    DROP TRIGGER tier_gone; DROP TRIGGER override_made; DROP TRIGGER override_gone;
    DROP TRIGGER circuit_made; DROP TRIGGER circuit_gone; DROP TRIGGER emergency_made;
    DROP TRIGGER emergency_changed;";

/// The settings of a policy with its ledger in this folder, or in memory.
fn settings(folder: Option<&Path>, secret: &str) -> Settings {
    let store = folder.map_or("kind = \"memory\"".to_owned(), |folder| {
        format!("path = {:?}", folder.join("tollgate.db"))
    });
    let secret = Some(secret).filter(|secret| !secret.is_empty());
    let secret = secret.map(|secret| ("TOLLGATE_SECRET".to_owned(), secret.to_owned()));
    let sources = Sources {
        file: Some(("policy.toml".to_owned(), format!("[store]\n{store}\n"))),
        environment: Environment::new(secret, None).expect("an environment"),
        ..Sources::default()
    };
    sources.load().expect("a policy").settings
}

fn by(wall: Time) -> By {
    By { who: "test".to_owned(), at: Moment::of(wall), reason: None }
}

fn draft(user: &str) -> Draft {
    Draft { terms: Terms { user: Some(user.to_owned()), ..Terms::default() }, ..Draft::default() }
}

fn create(roster: &Roster, user: &str) -> (String, String) {
    let made = roster.change(|book| book.create(draft(user), &by(NOON)));
    let (key, text) = made.expect("a key");
    (key.id, text.expose().to_owned())
}

/// The id of the key of that text, or why it is none.
fn find(roster: &Roster, text: &str, wall: Time) -> Result<String, Unauthorized> {
    roster.snapshot().find(text, wall).map(|key| key.id().to_owned())
}

#[derive(Debug, Clone)]
enum Step {
    Create { expires_in: Option<u64> },
    Rotate { key: usize, grace: u64 },
    Revoke { key: usize },
    Pass { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => prop::option::of(1_u64..50).prop_map(|expires_in| Step::Create { expires_in }),
        3 => (0_usize..8, 0_u64..20).prop_map(|(key, grace)| Step::Rotate { key, grace }),
        1 => (0_usize..8).prop_map(|key| Step::Revoke { key }),
        3 => (0_u64..15).prop_map(|seconds| Step::Pass { seconds }),
    ]
}

/// What a key should be, by the second.
struct Model {
    id: String,
    expires: Option<u64>,
    revoked: bool,
    /// Every text that it ever had, and when that ended.
    texts: Vec<(String, Option<u64>)>,
}

impl Model {
    fn expected(&self, ends: Option<u64>, now: u64) -> Result<String, Unauthorized> {
        match () {
            () if self.revoked => Err(Unauthorized::RevokedKey),
            () if self.expires.is_some_and(|at| at <= now) => Err(Unauthorized::ExpiredKey),
            // When it is forgotten that there was such a text, it is unknown.
            () if ends.is_some_and(|at| at <= now) => Err(Unauthorized::ReplacedKey),
            () => Ok(self.id.clone()),
        }
    }
}

fn wall(second: u64) -> Time {
    NOON.after(Duration::from_secs(second))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever happens to keys, each of their texts works exactly as long as it should.
    #[test]
    fn every_text_works_as_long_as_it_should(steps in prop::collection::vec(step(), 1..40)) {
        let roster = Roster::open(&settings(None, SECRET)).expect("a roster");
        let (mut keys, mut now) = (Vec::<Model>::new(), 0_u64);
        for step in steps {
            let by = by(wall(now));
            match step {
                Step::Create { expires_in } => {
                    let expires = expires_in.map(|seconds| now + seconds);
                    let expires_at = expires.map(|at| Moment::of(wall(at)));
                    let new = Draft { expires: expires_at, ..draft("alice") };
                    let (key, text) = roster.change(|book| book.create(new, &by)).expect("a key");
                    let texts = vec![(text.expose().to_owned(), None)];
                    keys.push(Model { id: key.id, expires, revoked: false, texts });
                }
                Step::Rotate { key, grace } => {
                    let count = keys.len();
                    let Some(key) = (count > 0).then(|| &mut keys[key % count]) else { continue };
                    let ends = Moment::of(wall(now + grace));
                    let rotated = roster.change(|book| book.rotate(&key.id, ends, &by));
                    let alive = key.texts.iter().filter(|(_, at)| at.is_none_or(|at| at > now));
                    if key.revoked || alive.count() >= 4 {
                        prop_assert!(matches!(rotated, Err(RosterError::Conflict(_))));
                        continue;
                    }
                    for (_, at) in &mut key.texts {
                        *at = Some(at.unwrap_or(u64::MAX).min(now + grace));
                    }
                    let text = rotated.expect("rotated").1.expose().to_owned();
                    key.texts.push((text, None));
                }
                Step::Revoke { key } => {
                    let count = keys.len();
                    let Some(key) = (count > 0).then(|| &mut keys[key % count]) else { continue };
                    roster.change(|book| book.revoke(&key.id, &by)).expect("revoked");
                    key.revoked = true;
                }
                Step::Pass { seconds } => now += seconds,
            }
            for key in &keys {
                for (text, ends) in &key.texts {
                    let found = find(&roster, text, wall(now));
                    let is_forgotten = found == Err(Unauthorized::UnknownKey)
                        && ends.is_some_and(|at| at <= now);
                    if !is_forgotten {
                        prop_assert_eq!(found, key.expected(*ends, now), "{}", now);
                    }
                    let nearly = format!("{text}0");
                    prop_assert_eq!(
                        find(&roster, &nearly, wall(now)),
                        Err(Unauthorized::UnknownKey)
                    );
                }
            }
        }
        let chain = roster.ask(|book| book.verify()).expect("a chain");
        prop_assert_eq!(chain.broken_at, None);
    }
}

#[test]
fn what_one_process_changes_another_sees_when_it_looks() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(Some(folder.path()), "");
    let (one, two) = (Roster::open(&settings).expect("it"), Roster::open(&settings).expect("it"));
    let (id, text) = create(&one, "alice");
    assert_eq!(find(&one, &text, NOON), Ok(id.clone()), "at once where it was made");
    assert_eq!(find(&two, &text, NOON), Err(Unauthorized::UnknownKey));
    assert!(two.look().expect("a look"));
    assert_eq!(find(&two, &text, NOON), Ok(id.clone()));
    assert!(!two.look().expect("a look"), "nothing has changed since");
    two.change(|book| book.revoke(&id, &by(NOON))).expect("revoked");
    assert!(!two.look().expect("a look"), "its own changes are in force already");
    assert!(one.look().expect("a look"));
    assert_eq!(find(&one, &text, NOON), Err(Unauthorized::RevokedKey));
    let who = |roster: &Roster| {
        let mut who = Attributes::new();
        let snapshot = roster.snapshot();
        if let Some(key) = snapshot.key_of("alice", NOON) {
            key.holder().name(&mut who);
        }
        who.value(&Attribute::Key).map(str::to_owned)
    };
    assert_eq!(who(&one), None, "a revoked key says nothing of its user");
    let (other, _) = create(&one, "alice");
    assert_eq!(who(&one), Some(other));
}

#[test]
fn keys_made_before_there_was_a_secret_work_on_and_those_of_another_secret_do_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = |secret: &str| Roster::open(&settings(Some(folder.path()), secret));
    let (old, old_text) = create(&open("").expect("it"), "alice");
    let (new, new_text) = create(&open(SECRET).expect("it"), "alice");
    let with_secret = open(SECRET).expect("it");
    assert_eq!(find(&with_secret, &old_text, NOON), Ok(old.clone()));
    assert_eq!(find(&with_secret, &new_text, NOON), Ok(new.clone()));
    for secret in ["", OTHER] {
        let without = open(secret).expect("it");
        assert_eq!(find(&without, &old_text, NOON), Ok(old.clone()));
        assert_eq!(find(&without, &new_text, NOON), Err(Unauthorized::UnknownKey));
        let shown = without.ask(|book| book.key(&new, Moment::of(NOON))).expect("a key");
        assert_eq!(shown.state, "locked");
    }
    let short = open("hunter2").expect_err("it is short").to_string();
    assert!(short.contains("TOLLGATE_SECRET has 7 bytes") && !short.contains("hunter2"), "{short}");
}

#[test]
fn the_file_has_no_text_of_a_key_and_is_its_owners_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let roster = Roster::open(&settings(Some(folder.path()), "")).expect("it");
    let (id, text) = create(&roster, "alice");
    let ends = Moment::of(NOON);
    let rotated = roster.change(|book| book.rotate(&id, ends, &by(NOON))).expect("rotated");
    let texts = [text.as_str(), rotated.1.expose()].map(|text| text.trim_start_matches("tg_"));
    let mut files = 0;
    for file in std::fs::read_dir(folder.path()).expect("a folder") {
        let path = file.expect("a file").path();
        let bytes = std::fs::read(&path).expect("bytes");
        for text in texts {
            assert_eq!(memchr::memmem::find(&bytes, text.as_bytes()), None, "{path:?}");
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = path.metadata().expect("rights").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{path:?}");
        }
        files += 1;
    }
    assert!(files >= 2, "the roster and its key");
    assert!(!format!("{roster:?} {rotated:?}").contains(texts[1]));
}

#[test]
fn whoever_changes_the_audit_breaks_its_chain() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut book = Book::open(&settings(Some(folder.path()), "")).expect("it");
    for user in ["a", "b", "c", "d"] {
        book.create(draft(user), &by(NOON)).expect("a key");
    }
    let whole = book.verify().expect("a chain");
    assert_eq!((whole.rows, whole.broken_at), (4, None));
    let rows = book.audit(1).expect("rows");
    assert_eq!(
        (rows[0].seq, rows[0].what.as_str(), rows[0].who.as_str()),
        (4, "key.create", "test")
    );
    assert_eq!(rows[0].after["terms"]["user"], "d");
    for (tampering, broken_at) in [
        ("UPDATE audit SET who = 'nobody' WHERE seq = 2", 2),
        ("UPDATE audit SET detail = replace(detail, 'b', 'x') WHERE seq = 2", 2),
        ("UPDATE audit SET at = at + 1 WHERE seq = 1", 1),
        ("DELETE FROM audit WHERE seq = 3", 4),
        ("DELETE FROM audit WHERE seq <= 2", 3),
        ("UPDATE audit SET seq = 9 WHERE seq = 4", 9),
    ] {
        book.connection.execute_batch(&format!("BEGIN; {tampering}")).expect(tampering);
        assert_eq!(book.verify().expect("a chain").broken_at, Some(broken_at), "{tampering}");
        book.connection.execute_batch("ROLLBACK").expect("undone");
    }
    assert_eq!(book.verify().expect("a chain"), whole);
}

#[test]
fn what_makes_no_sense_is_told_and_changes_nothing() {
    let mut book = Book::open(&settings(None, SECRET)).expect("it");
    let (key, text) = book.create(draft("alice"), &by(NOON)).expect("a key");
    let id = |id: &str| Draft { id: Some(id.to_owned()), ..draft("alice") };
    for (id, why) in [
        (id(&key.id), "already"),
        (id("tg_mine"), "public"),
        (id("a b"), "no id"),
        (id(&"x".repeat(65)), "no id"),
    ] {
        let refused = book.create(id, &by(NOON)).expect_err(why).to_string();
        assert!(refused.contains(why), "{refused}");
    }
    let asked = book.key(text.expose(), Moment::of(NOON)).expect_err("its text");
    assert!(!asked.to_string().contains(text.expose()), "{asked}");
    assert!(matches!(book.revoke("nobody", &by(NOON)), Err(RosterError::Missing(_))));
    let later = Moment::of(NOON).after(Duration::from_secs(91 * 86_400));
    assert!(matches!(book.rotate(&key.id, later, &by(NOON)), Err(RosterError::Invalid(_))));
    assert_eq!(book.audit(9).expect("rows").len(), 1);
    let policy = settings(None, "");
    for (terms, why) in [
        (Terms { models: vec![String::new()], ..Terms::default() }, "empty"),
        (Terms { user: Some("a\nb".to_owned()), ..Terms::default() }, "control"),
        (Terms { team: Some("x".repeat(257)), ..Terms::default() }, "257 bytes"),
        (Terms { providers: vec!["opnai".to_owned()], ..Terms::default() }, "it has sandbox"),
        (Terms { models: vec!["m".to_owned(); 33], ..Terms::default() }, "at most 32"),
        (
            Terms {
                budgets: vec!["1/day".parse().unwrap(), "2/day".parse().unwrap()],
                ..Terms::default()
            },
            "two budgets per day",
        ),
        (
            Terms { attributes: [("model".to_owned(), "m".to_owned())].into(), ..Terms::default() },
            "of its own",
        ),
    ] {
        let refused = terms.check(&policy).expect_err(why).to_string();
        assert!(refused.contains(why), "{refused}");
    }
}

#[test]
fn keys_are_listed_by_user_and_in_pages() {
    let mut book = Book::open(&settings(None, SECRET)).expect("it");
    for (nth, user) in ["a", "b", "a", "a"].into_iter().enumerate() {
        let new = Draft { id: Some(format!("key-{nth}")), ..draft(user) };
        book.create(new, &by(NOON)).expect("a key");
    }
    let mut ids = |user: Option<&str>, after: &str, most: u32| -> Vec<String> {
        let which = Listing { user: user.map(str::to_owned), after: after.to_owned(), most };
        let keys = book.keys(&which, Moment::of(NOON)).expect("keys");
        keys.into_iter().map(|key| key.id).collect()
    };
    assert_eq!(ids(None, "", 2), ["key-0", "key-1"]);
    assert_eq!(ids(None, "key-1", 9), ["key-2", "key-3"]);
    assert_eq!(ids(Some("a"), "", 2), ["key-0", "key-2"]);
    assert_eq!(ids(Some("nobody"), "", 9), [""; 0]);
}

#[test]
fn of_several_that_begin_at_once_all_have_the_same_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(Some(folder.path()), "");
    let texts: Vec<String> = std::thread::scope(|scope| {
        let begin = || create(&Roster::open(&settings).expect("a roster"), "alice").1;
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(begin)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a key")).collect()
    });
    let roster = Roster::open(&settings).expect("a roster");
    for text in texts {
        assert!(find(&roster, &text, NOON).is_ok());
    }
}

#[test]
fn a_file_that_is_no_roster_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(Some(folder.path()), "");
    let path = folder.path().join("tollgate.db-roster");
    for bytes in [&b"not a database, but longer than nothing at all"[..], &[0; 4096]] {
        std::fs::write(&path, bytes).expect("a file");
        let told = Book::open(&settings).expect_err("no roster").to_string();
        assert!(told.contains("tollgate.db-roster"), "{told}");
        std::fs::remove_file(&path).expect("a file");
    }
    let other = rusqlite::Connection::open(&path).expect("a database");
    other.execute_batch("CREATE TABLE t (x)").expect("a table");
    let told = Book::open(&settings).expect_err("no roster").to_string();
    assert!(told.contains("is no roster but some other file"), "{told}");
}
