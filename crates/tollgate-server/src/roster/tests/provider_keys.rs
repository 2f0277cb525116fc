//! Providers' keys: sealed, of use to one caller alone, and never the policy's instead.

use super::{NOON, OTHER, SECRET, by, create, settings};
use crate::roster::{Moment, ProviderKey, Roster, RosterError, snapshot::Sealed};

const CANARY: &str = "sk-canary-0123456789abcdef";

fn attach(roster: &Roster, id: &str, text: &str) -> Result<(), RosterError> {
    let own = ProviderKey::parse(text)?;
    roster.change(|book| book.attach(id, "openai", &own, &by(NOON))).map(drop)
}

/// What is sent to the provider for the holder of a key.
fn sent(roster: &Roster, text: &str) -> Result<Option<String>, Sealed> {
    let snapshot = roster.snapshot();
    let own = snapshot.find(text, NOON).expect("a key").own("openai")?;
    Ok(own.map(|value| value.to_str().expect("text").to_owned()))
}

#[test]
fn what_is_attached_is_sent_until_it_is_detached_or_the_key_revoked() {
    let roster = Roster::open(&settings(None, SECRET)).expect("it");
    let (id, text) = create(&roster, "alice");
    assert_eq!(sent(&roster, &text), Ok(None));
    for own in ["sk-one", " sk-two\n"] {
        attach(&roster, &id, own).expect("attached");
        assert_eq!(sent(&roster, &text), Ok(Some(own.trim().to_owned())));
    }
    roster.change(|book| book.detach(&id, "openai", &by(NOON))).expect("detached");
    assert_eq!(sent(&roster, &text), Ok(None));
    attach(&roster, &id, "sk-three").expect("attached");
    let revoked = roster.change(|book| book.revoke(&id, &by(NOON))).expect("revoked");
    assert_eq!(revoked.provider_keys, [""; 0], "nobody needs it any more");
    assert!(matches!(attach(&roster, &id, "sk-four"), Err(RosterError::Conflict(_))));
}

#[test]
fn it_opens_under_its_secret_for_its_caller_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = |secret: &str| Roster::open(&settings(Some(folder.path()), secret)).expect("it");
    // Made before there was a secret, so that the key itself is known under any.
    let (id, text) = create(&open(""), "alice");
    let (other, other_text) = create(&open(""), "bob");
    let none = attach(&open(""), &id, CANARY).expect_err("no secret").to_string();
    assert!(none.contains("set TOLLGATE_SECRET") && !none.contains("canary"), "{none}");
    attach(&open(SECRET), &id, CANARY).expect("attached");
    assert_eq!(sent(&open(SECRET), &text), Ok(Some(CANARY.to_owned())));
    assert_eq!(sent(&open(OTHER), &text), Err(Sealed));
    assert_eq!(sent(&open(""), &text), Err(Sealed));
    // Whoever can write the file gets nothing of it by putting the row under a key of their own.
    let roster = open(SECRET);
    let moved = format!("UPDATE provider_keys SET key = '{other}'");
    roster.ask(|book| Ok(book.connection.execute_batch(&moved)?)).expect("moved");
    assert_eq!(sent(&open(SECRET), &other_text), Err(Sealed));
    let damaged = "UPDATE provider_keys SET sealed = substr(sealed, 1, 20)";
    roster.ask(|book| Ok(book.connection.execute_batch(damaged)?)).expect("damaged");
    assert_eq!(sent(&open(SECRET), &other_text), Err(Sealed));
}

#[test]
fn no_file_no_audit_and_no_debug_text_has_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let roster = Roster::open(&settings(Some(folder.path()), SECRET)).expect("it");
    let (id, _) = create(&roster, "alice");
    attach(&roster, &id, CANARY).expect("attached");
    attach(&roster, &id, CANARY).expect("attached again, under another nonce");
    let shown = roster.ask(|book| book.key(&id, Moment::of(NOON))).expect("a key");
    let audit = roster.ask(|book| book.audit(9)).expect("rows");
    assert_eq!(audit.len(), 3);
    let own = ProviderKey::parse(CANARY).expect("a key");
    assert!(!format!("{roster:?} {shown:?} {audit:?} {own:?}").contains("canary"));
    assert!(!serde_json::json!({ "key": shown, "audit": audit }).to_string().contains("canary"));
    drop(roster);
    for file in std::fs::read_dir(folder.path()).expect("a folder") {
        let bytes = std::fs::read(file.expect("a file").path()).expect("bytes");
        assert_eq!(memchr::memmem::find(&bytes, b"canary"), None);
    }
}

#[test]
fn what_can_be_no_providers_key_is_told_without_it() {
    let long = format!("sk-canary{}", "x".repeat(4_096));
    for text in ["", " ", "sk-canary two", "tg_canary", "sk-canary\u{7f}", &long] {
        let told = ProviderKey::parse(text).expect_err("none").to_string();
        assert!(told.contains("no provider's key") && !told.contains("canary"), "{told}");
    }
}
