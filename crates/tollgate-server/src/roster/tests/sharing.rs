//! What nodes tell each other: two rosters and what travels between them.

use proptest::prelude::*;

use super::*;
use crate::roster::{
    Adopted, Force, Item, KeyText, News, ProviderKey, Snapshot, Untold, When, Which,
};

/// What all nodes know, as the shared store keeps it.
#[derive(Default)]
struct Shared {
    items: std::collections::BTreeMap<Item, (i64, News)>,
}

impl Shared {
    /// A node tells what it has to tell at that instant of all.
    fn hear(&mut self, node: &str, roster: &Roster, now: i64) {
        for untold in untold(roster) {
            let at = match untold.when {
                When::At(at) => at,
                When::Ago { micros, after } => (now - micros).max(after + 1),
            };
            let known = self.items.get(&untold.item).filter(|(known, _)| *known >= at).cloned();
            if let Some((at, news)) = known {
                roster.change(|book| book.be_answered(&untold, (at, &news))).expect("adopted");
                continue;
            }
            roster.ask(|book| book.told(&untold, at)).expect("told");
            let Untold { item, state, change, .. } = untold;
            self.items.insert(item, (at, News { state, change, node: node.to_owned() }));
        }
    }

    /// A node takes over what is known.
    fn tell(&self, roster: &Roster) -> Vec<Adopted> {
        let news: Vec<_> =
            self.items.iter().map(|(item, (at, news))| (item.clone(), *at, news.clone())).collect();
        roster.change(|book| book.adopt(&news)).expect("adopted")
    }

    /// A node hears it from the beginning, as one that starts does, or one that saw a loss.
    fn tell_all(&self, roster: &Roster) {
        self.tell(roster);
        let there = self.items.keys().map(|item| serde_json::to_string(item).expect("JSON"));
        let there = there.collect();
        roster.ask(|book| book.tell_missing(&there)).expect("marked");
    }
}

fn untold(roster: &Roster) -> Vec<Untold> {
    roster.ask(|book| book.untold(Moment::of(NOON), 0)).expect("untold").untold
}

fn rosters() -> (Roster, Roster) {
    let open = || Roster::open(&settings(None, SECRET)).expect("a roster");
    (open(), open())
}

fn works(roster: &Roster, text: &str) -> bool {
    find(roster, text, NOON).is_ok()
}

fn rotated(roster: &Roster, id: &str) -> KeyText {
    roster.change(|book| book.rotate(id, Moment::of(NOON), &by(NOON))).expect("rotated").1
}

#[test]
fn a_key_works_at_every_node_through_its_life() {
    let (here, there) = rosters();
    let mut shared = Shared::default();
    let (id, text) = create(&here, "alice");
    let key: ProviderKey = ProviderKey::parse("sk-provider").expect("a key");
    here.change(|book| book.attach(&id, "openai", &key, &by(NOON))).expect("attached");
    shared.hear("a", &here, 1_000);
    assert_eq!(shared.tell(&there), [Adopted::Changed]);
    assert!(works(&there, &text));
    let own = |snapshot: &Snapshot| snapshot.key(&id).expect("the key").own("openai");
    assert_eq!(own(&there.snapshot()), own(&here.snapshot()));
    let second = rotated(&there, &id);
    shared.hear("b", &there, 2_000);
    shared.tell(&here);
    assert!(works(&here, second.expose()) && !works(&here, &text));
    here.change(|book| book.revoke(&id, &by(NOON))).expect("revoked");
    shared.hear("a", &here, 3_000);
    shared.tell(&there);
    assert_eq!(find(&there, second.expose(), NOON), Err(Unauthorized::RevokedKey));
    assert_eq!(shared.tell(&there), [Adopted::Known], "again it changes nothing");
    assert!(untold(&there).is_empty());
}

#[test]
fn what_was_changed_elsewhere_has_its_row_with_who_and_where() {
    let (here, there) = rosters();
    let mut shared = Shared::default();
    let asked = By { who: "api:olga".to_owned(), at: Moment::of(NOON), reason: Some("x".into()) };
    here.change(|book| book.set_tier("alice", "gold", &asked)).expect("set");
    let which = Which { provider: "openai".to_owned(), model: None };
    here.change(|book| book.force_circuit(which, Force::Open, &asked)).expect("forced");
    shared.hear("eu-1", &here, 1_000);
    shared.tell(&there);
    let rows = there.ask(|book| book.audit(9)).expect("rows");
    let told: Vec<_> = rows.iter().map(|row| (&*row.what, &*row.subject, &*row.who)).collect();
    let who = "node:eu-1 api:olga";
    assert!(told.contains(&("tier.set", "alice", who)), "{told:?}");
    assert!(told.contains(&("circuit.force", "openai", who)), "{told:?}");
    assert_eq!(rows[0].reason.as_deref(), Some("x"));
    assert_eq!(there.ask(|book| book.verify()).expect("a chain").broken_at, None);
    assert_eq!(rows.len(), 2);
}

#[test]
fn of_two_changes_the_later_one_holds_whoever_is_heard_first() {
    for first_is_here in [true, false] {
        let (here, there) = rosters();
        let mut shared = Shared::default();
        let at = |seconds: u64| By {
            at: Moment::of(Time::from_millis(NOON.as_nanos() / 1_000_000 - seconds * 1_000)),
            ..by(NOON)
        };
        here.change(|book| book.set_tier("alice", "older", &at(20))).expect("set");
        there.change(|book| book.set_tier("alice", "newer", &at(10))).expect("set");
        let now = 100_000_000;
        if first_is_here {
            shared.hear("a", &here, now);
            shared.hear("b", &there, now + 1);
        } else {
            shared.hear("b", &there, now);
            shared.hear("a", &here, now + 1);
        }
        shared.tell(&here);
        shared.tell(&there);
        for roster in [&here, &there] {
            let tiers = roster.ask(|book| book.tiers("", 9)).expect("tiers");
            assert_eq!(tiers[0].tier, "newer", "first is here: {first_is_here}");
        }
    }
}

#[test]
fn what_was_changed_meanwhile_is_still_to_be_told() {
    let (here, _) = rosters();
    here.change(|book| book.set_tier("alice", "gold", &by(NOON))).expect("set");
    let first = untold(&here).remove(0);
    here.change(|book| book.set_tier("alice", "silver", &by(NOON))).expect("set");
    here.ask(|book| book.told(&first, 5)).expect("told");
    let second = untold(&here).remove(0);
    assert!(second.state.as_ref().expect("a state").contains("silver"), "{second:?}");
    assert_eq!(second.when, When::Ago { micros: 0, after: 5 });
    let late = News { state: first.state.clone(), change: None, node: "a".to_owned() };
    let answered = here.ask(|book| book.be_answered(&first, (5, &late))).expect("an answer");
    assert_eq!((answered, untold(&here).len()), (Adopted::Untold, 1), "an answer to the first");
}

#[test]
fn what_was_lost_is_told_again_as_of_when_it_was_changed() {
    let (here, there) = rosters();
    let mut shared = Shared::default();
    here.change(|book| book.set_tier("alice", "gold", &by(NOON))).expect("set");
    here.change(|book| book.remove_tier("alice", &by(NOON))).expect("removed");
    shared.hear("a", &here, 7_000);
    let before = std::mem::take(&mut shared.items);
    shared.tell_all(&here);
    shared.hear("a", &here, 9_000_000);
    let (at, news) = &shared.items[&Item::Tier("alice".to_owned())];
    assert_eq!((*at, &news.state), (before[&Item::Tier("alice".to_owned())].0, &None));
    shared.tell(&there);
}

#[test]
fn a_revoked_key_stays_revoked_though_its_node_was_down_when_all_was_lost() {
    let (here, there) = rosters();
    let mut shared = Shared::default();
    let (id, text) = create(&here, "alice");
    shared.hear("a", &here, 1_000);
    shared.tell(&there);
    here.change(|book| book.revoke(&id, &by(NOON))).expect("revoked");
    here.change(|book| book.set_tier("alice", "gold", &by(NOON))).expect("set");
    shared.hear("a", &here, 2_000);
    // The other node had not heard of that, and tells what it knows.
    shared.items.clear();
    shared.tell_all(&there);
    shared.hear("b", &there, 3_000);
    // The first one starts, and sees that what is there is older.
    shared.tell_all(&here);
    shared.hear("a", &here, 4_000);
    assert_eq!(shared.tell(&there), [Adopted::Changed, Adopted::Changed]);
    assert_eq!(find(&there, &text, NOON), Err(Unauthorized::RevokedKey));
    assert_eq!(find(&here, &text, NOON), Err(Unauthorized::RevokedKey));
}

#[test]
fn what_a_newer_version_has_marked_stops_nothing_here() {
    let (here, there) = rosters();
    let newer = "INSERT INTO untold VALUES ('[\"of-tomorrow\",\"x\"]', NULL, NULL)";
    here.ask(|book| Ok(book.connection.execute(newer, [])?)).expect("marked");
    here.change(|book| book.set_tier("alice", "gold", &by(NOON))).expect("set");
    let mut shared = Shared::default();
    shared.hear("a", &here, 1_000);
    assert_eq!(shared.tell(&there), [Adopted::Changed]);
    let left = here.ask(|book| book.untold(Moment::of(NOON), 0)).expect("untold");
    assert_eq!((left.looked, left.untold.len()), (1, 0), "it is left for that version");
    assert_eq!(here.ask(|book| book.untold(Moment::of(NOON), 1)).expect("untold").looked, 0);
}

#[test]
fn what_makes_no_sense_changes_nothing() {
    let (here, _) = rosters();
    let (id, text) = create(&here, "alice");
    let mut shared = Shared::default();
    shared.hear("a", &here, 1_000);
    for (item, state) in [
        (Item::Key(id.clone()), "{"),
        (Item::Key(id.clone()), r#"{"terms":"5","created":1,"secrets":[],"own":[]}"#),
        (
            Item::Key(id.clone()),
            r#"{"terms":"{}","created":1,"secrets":[{"hash":"x","created":1,"keyed_by":"a"}],"own":[]}"#,
        ),
        (Item::Emergency, r#"{"since":"x"}"#),
        (Item::Tier("bob".to_owned()), r#"{"tier":5,"since":1}"#),
    ] {
        let news = News { state: Some(state.to_owned()), change: None, node: "b".to_owned() };
        let news = [(item, 9_000, news)];
        let adopted = here.change(|book| book.adopt(&news)).expect("the rest goes on");
        assert_eq!(adopted, [Adopted::Unread], "{state}");
        assert!(works(&here, &text), "{state}");
    }
    shared.items.clear();
    shared.tell_all(&here);
    let told: Vec<When> = untold(&here).iter().map(|one| one.when).collect();
    assert_eq!(told, [When::At(1_000)], "what was is told as of when it was, and nothing else");
    assert!(serde_json::from_str::<Item>(r#"["key"]"#).is_err());
    assert!(serde_json::from_str::<Item>(r#"["emergency","x"]"#).is_err());
}

#[test]
fn a_roster_of_an_older_format_tells_all_it_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(Some(folder.path()), SECRET);
    let older = Roster::open(&settings).expect("a roster");
    create(&older, "alice");
    older.change(|book| book.set_tier("alice", "gold", &by(NOON))).expect("set");
    let undo = format!("{UNSHARED} PRAGMA user_version = 5;");
    older.ask(|book| Ok(book.connection.execute_batch(&undo)?)).expect("undone");
    drop(older);
    let roster = Roster::open(&settings).expect("a roster");
    let whens: Vec<When> = untold(&roster).iter().map(|one| one.when).collect();
    assert_eq!(whens, [When::At(1), When::At(1)], "others' changes stand before them");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// However changes and what is told of them mix, in the end all nodes have the same.
    #[test]
    fn in_the_end_all_nodes_have_the_same(
        steps in prop::collection::vec((0_usize..2, 0_u8..6, 0_u8..3), 1..40),
    ) {
        let rosters = rosters();
        let nodes = [("a", &rosters.0), ("b", &rosters.1)];
        let mut shared = Shared::default();
        let mut now = 1_000_000_000;
        for (node, step, which) in steps {
            now += 1_000;
            let (name, roster) = nodes[node];
            let user = format!("user-{which}");
            match step {
                0 => shared.hear(name, roster, now),
                1 => drop(shared.tell(roster)),
                2 => drop(roster.change(|book| book.remove_tier(&user, &by(NOON)))),
                3 => shared.items.clear(),
                4 => shared.tell_all(roster),
                _ => {
                    let tier = format!("tier-{now}");
                    roster.change(|book| book.set_tier(&user, &tier, &by(NOON))).expect("set");
                }
            }
        }
        for (_, roster) in nodes {
            shared.tell_all(roster);
        }
        for _ in 0..3 {
            for (name, roster) in nodes {
                now += 1_000;
                shared.hear(name, roster, now);
                shared.tell(roster);
            }
        }
        let tiers = nodes.map(|(_, roster)| roster.ask(|book| book.tiers("", 99)).expect("tiers"));
        prop_assert_eq!(&tiers[0], &tiers[1]);
    }
}
