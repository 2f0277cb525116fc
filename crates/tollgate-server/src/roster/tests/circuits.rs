//! Circuits that operators have forced.

use rusqlite::params;
use tollgate_core::breaker::Mode;

use super::{NOON, SECRET, UNSHARED, by, settings};
use crate::roster::{Book, Force, Roster, RosterError, Which};

fn which(text: &str) -> Which {
    text.parse().expect(text)
}

fn force(roster: &Roster, text: &str, mode: Force) {
    let by = by(NOON).because(Some("an incident".to_owned())).expect("a reason");
    let forced = roster.change(|book| book.force_circuit(which(text), mode, &by));
    forced.expect("a circuit");
}

#[test]
fn what_is_forced_holds_until_it_is_let_go_and_is_written_down() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || Roster::open(&settings(Some(folder.path()), SECRET)).expect("a roster");
    let roster = open();
    force(&roster, "openai", Force::Open);
    force(&roster, "openai/gpt-5", Force::Closed);
    force(&roster, "router/meta/llama", Force::Observe);
    force(&roster, "openai", Force::Open);
    drop(roster);
    let roster = open();
    let snapshot = roster.snapshot();
    let openai = snapshot.forced("openai");
    assert_eq!((openai.of("gpt-5"), openai.of("other")), (Some(Mode::Closed), Some(Mode::Open)));
    assert_eq!(snapshot.forced("router").of("meta/llama"), Some(Mode::Observe));
    assert_eq!(snapshot.forced("router").of("other"), None);
    let let_go = || roster.change(|book| book.release_circuit(&which("openai"), &by(NOON)));
    let_go().expect("it was forced");
    assert!(matches!(let_go(), Err(RosterError::Missing(_))));
    assert_eq!(roster.snapshot().forced("openai").of("other"), None);
    let rows = roster.ask(|book| book.audit(9)).expect("rows");
    let told: Vec<String> = rows
        .iter()
        .map(|row| format!("{} {}: {} {}", row.what, row.subject, row.before, row.after))
        .collect();
    assert_eq!(
        told,
        [
            r#"circuit.release openai: {"mode":"open"} null"#,
            r#"circuit.force router/meta/llama: null {"mode":"observe","reason":"an incident"}"#,
            r#"circuit.force openai/gpt-5: null {"mode":"closed","reason":"an incident"}"#,
            r#"circuit.force openai: null {"mode":"open","reason":"an incident"}"#,
        ]
    );
}

#[test]
fn names_and_reasons_have_bounds() {
    for text in ["", "/m", "openai/"] {
        assert!(text.parse::<Which>().is_err(), "{text}");
    }
    for reason in ["x".repeat(501), "a\nb".to_owned()] {
        let refused = by(NOON).because(Some(reason));
        assert!(matches!(refused, Err(RosterError::Invalid(_))), "{refused:?}");
    }
    let nothing = by(NOON).because(Some(" ".to_owned())).expect("it says nothing");
    assert_eq!(nothing.reason, None);
}

#[test]
fn a_file_of_the_first_format_gets_what_it_lacks() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(Some(folder.path()), SECRET);
    let mut book = Book::open(&settings).expect("a book");
    book.set_tier("alice", "gold", &by(NOON)).expect("a tier");
    book.connection.execute_batch(UNSHARED).expect("an older file");
    for table in ["circuits", "opened", "quotas", "lessons", "emergency"] {
        let drop = format!("DROP TABLE {table}");
        book.connection.execute(&drop, params![]).expect("an older file");
    }
    book.connection.pragma_update(None, "user_version", 1).expect("an older file");
    drop(book);
    let roster = Roster::open(&settings).expect("it opens");
    force(&roster, "openai", Force::Open);
    assert_eq!(roster.snapshot().forced("openai").all, Some(Mode::Open));
    let tiers = roster.ask(|book| book.tiers("", 9)).expect("tiers");
    assert_eq!(tiers.len(), 1);
    assert_eq!(roster.ask(|book| book.opened(by(NOON).at)).expect("rows"), []);
    assert_eq!(roster.ask(|book| book.quotas(by(NOON).at)).expect("rows"), []);
    assert_eq!(roster.ask(|book| book.lessons()).expect("rows"), []);
}
