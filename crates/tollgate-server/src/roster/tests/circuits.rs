//! Circuits that operators have forced.

use rusqlite::params;
use tollgate_core::breaker::Mode;

use super::{NOON, SECRET, by, settings};
use crate::roster::{Book, Force, Roster, RosterError, Which};

fn which(text: &str) -> Which {
    text.parse().expect(text)
}

fn force(roster: &Roster, text: &str, mode: Force) {
    let reason = Some("an incident".to_owned());
    let forced = roster.change(|book| book.force_circuit(which(text), mode, reason, &by(NOON)));
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
    let told: Vec<String> =
        rows.iter().map(|row| format!("{} {} {}", row.what, row.subject, row.detail)).collect();
    assert_eq!(
        told,
        [
            r#"circuit.release openai {"before":"open"}"#,
            r#"circuit.force router/meta/llama {"before":null,"mode":"observe","reason":"an incident"}"#,
            r#"circuit.force openai/gpt-5 {"before":null,"mode":"closed","reason":"an incident"}"#,
            r#"circuit.force openai {"before":null,"mode":"open","reason":"an incident"}"#,
        ]
    );
}

#[test]
fn names_and_reasons_have_bounds() {
    for text in ["", "/m", "openai/"] {
        assert!(text.parse::<Which>().is_err(), "{text}");
    }
    let roster = Roster::open(&settings(None, SECRET)).expect("a roster");
    let long = Some("x".repeat(501));
    let forced = roster.change(|book| book.force_circuit(which("a"), Force::Open, long, &by(NOON)));
    assert!(matches!(forced, Err(RosterError::Invalid(_))), "{forced:?}");
}

#[test]
fn a_file_of_the_first_format_gets_what_it_lacks() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(Some(folder.path()), SECRET);
    let mut book = Book::open(&settings).expect("a book");
    book.set_tier("alice", "gold", &by(NOON)).expect("a tier");
    for table in ["circuits", "opened", "quotas", "lessons"] {
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
