//! However rows come in groups, the ledger tells the same.

use std::time::Duration;

use proptest::prelude::*;
use rusqlite::{Connection, types::Value};
use tollgate_core::{
    Amounts, Attribute, Attributes, Charge, Kind, LimitId, NanoUsd, Now, Rule, Time, Unit, Warn,
};

use super::*;
use crate::{
    Receipt,
    store::embedded::{
        EmbeddedBounds,
        entries::Entries,
        entry::{self, Entry},
        mirror::Mirror,
        replay::Replay,
        retention::Retention,
        row::{EndRow, RowCharge},
        rules::Rules,
        schema,
        tables::{Due, Tables},
    },
};

const START: Time = Time::from_millis(1_795_262_400_000);
const MINUTE: Duration = Duration::from_secs(60);
const RULE: i64 = 1;
/// How long rows are kept: longer than anything goes on here, and than the shortest that may be.
const KEPT: Duration = Duration::from_secs(4 * 86_400);

/// What happens to one of a few ids.
#[derive(Debug, Clone, Copy)]
enum Event {
    Reserve { keep: bool, is_lost: bool },
    Extend,
    Renew,
    End { how: End, is_beyond: bool },
    EndSession,
}

fn events() -> impl Strategy<Value = Vec<(u8, Event)>> {
    let end = (prop::sample::select(vec![End::Settle, End::Estimate, End::Void, End::Expire]))
        .prop_flat_map(|how| {
            any::<bool>().prop_map(move |is_beyond| Event::End { how, is_beyond })
        });
    let event = prop_oneof![
        4 => (prop::bool::weighted(0.1), prop::bool::weighted(0.1))
            .prop_map(|(keep, is_lost)| Event::Reserve { keep, is_lost }),
        1 => Just(Event::Extend),
        1 => Just(Event::Renew),
        5 => end,
        1 => Just(Event::EndSession),
    ];
    prop::collection::vec((0_u8..6, event), 0..60)
}

/// How an id stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    Free,
    Open,
    Expired,
}

/// A row, what it holds, and who made it.
type Made = (Row<'static>, Option<RowCharge>, Option<Attributes>);

/// Rows as a store would record them, with numbers from this one on: nothing ends or changes that
/// has not begun.
fn record(events: &[(u8, Event)], first: u64) -> Vec<Made> {
    let mut all = Vec::new();
    let mut stands = [Stand::Free; 6];
    let mut seq = first;
    for (nth, (id, event)) in events.iter().enumerate() {
        let stand = &mut stands[usize::from(*id)];
        let Some((used, after)) = follow(*event, *stand) else { continue };
        *stand = after;
        let charge = RowCharge { cell: 1, rule: RULE, held: 10, used };
        let has_charge = !matches!(event, Event::Renew | Event::EndSession);
        let user = if seq.is_multiple_of(2) { "ann" } else { "bob" };
        let who = Attributes::new().with(Attribute::User, user);
        let now = Now::at(START.after(20 * MINUTE * nth as u32));
        let row = row(*event, (seq, ReservationId(u128::from(*id))), now, used);
        let who = matches!(row, Row::Reserve(_)).then_some(who);
        all.push((row, has_charge.then_some(charge), who));
        seq += if used > 10 { 2 } else { 1 };
    }
    all
}

/// What an event takes or leaves used, and how its id stands after it, if it can happen.
fn follow(event: Event, stand: Stand) -> Option<(u64, Stand)> {
    match (event, stand) {
        (Event::EndSession, _) => Some((0, stand)),
        (Event::Reserve { .. }, Stand::Free) => Some((10, Stand::Open)),
        (Event::Extend, Stand::Open) => Some((10, stand)),
        (Event::Renew, Stand::Open) => Some((0, stand)),
        (Event::End { how: End::Expire, .. }, Stand::Open) => Some((10, Stand::Expired)),
        (Event::End { how: End::Void, .. }, Stand::Open | Stand::Expired) => Some((0, Stand::Free)),
        (
            Event::End { how: End::Settle | End::Estimate, is_beyond },
            Stand::Open | Stand::Expired,
        ) => Some((if is_beyond { 13 } else { 7 }, Stand::Free)),
        _ => None,
    }
}

fn row(event: Event, (seq, id): (u64, ReservationId), now: Now, used: u64) -> Row<'static> {
    let amounts = Amounts { requests: 1, cost: NanoUsd(used), ..Amounts::default() };
    match event {
        Event::Reserve { keep, is_lost } => {
            let (expires, demand) = (now.time, amounts);
            Row::Reserve(Reserve { seq, id, now, expires, demand, keep, is_lost })
        }
        Event::Extend => Row::Extend { seq, id, now, more: amounts },
        Event::Renew => Row::Renew { seq, id, now, expires: now.time },
        Event::End { how, .. } => {
            let overrun = Amounts { cost: NanoUsd(used.saturating_sub(10)), ..Amounts::default() };
            let receipt = Receipt { usage: amounts, overrun };
            Row::End(EndRow { seq, id, now, how, receipt, is_short: false, is_joined: false })
        }
        Event::EndSession => Row::EndSession { seq, cell: 1, limit: LimitId(7), session: "s", now },
    }
}

fn charge(amount: u64) -> Charge {
    let rule = Rule { kind: Kind::TOTAL, cap: 1_000 };
    let (limit, unit) = (LimitId(7), Unit::Usd);
    Charge { limit, rule, unit, amount, shadow: false, warn: Warn::NEVER }
}

/// A ledger in which such groups were written, one after the other.
fn written(events: &[(u8, Event)], first: u64, groups: &[usize]) -> Connection {
    let connection = Connection::open_in_memory().expect("a database");
    connection.execute_batch(schema::SCHEMA).expect("a schema");
    write(connection, record(events, first), first, groups)
}

fn write(connection: Connection, rows: Vec<Made>, first: u64, groups: &[usize]) -> Connection {
    connection.execute("INSERT INTO cells VALUES (1, 7, '')", []).expect("an account");
    let mut rules = Rules::default();
    rules.add(&connection, (RULE, charge(0))).expect("a rule");
    let known = (rules, Mirror::default());
    let mut tables =
        Tables::new(connection, known, (first - 1, Time::ZERO), None).expect("a ledger");
    let mut rows = rows.into_iter().peekable();
    let mut sizes = groups.iter().copied().cycle();
    while rows.peek().is_some() {
        let mut group = Rows::default();
        let mut told = HashMap::new();
        let size = sizes.next().unwrap_or(1).max(1);
        for (mut row, charge, who) in rows.by_ref().take(size) {
            shorten(&mut row, &mut told);
            let is_short = matches!(&row, Row::End(end) if end.is_short);
            let charge = charge.filter(|_| !is_short);
            group.add(&row, charge.as_slice(), who.as_ref());
        }
        tables.write(&mut group, &Due::default(), 0).expect("written");
    }
    tables.connection
}

/// Makes an end short, as a store does whose group has all that was told of its reservation.
fn shorten(row: &mut Row<'_>, told: &mut HashMap<ReservationId, u64>) {
    match row {
        Row::Reserve(Reserve { id, seq, keep: false, is_lost: false, .. }) => {
            told.insert(*id, *seq);
        }
        Row::End(end) => {
            let begun = told.remove(&end.id);
            end.is_short = begun.is_some_and(|begun| may_join((begun, end.seq), end.how));
        }
        Row::Reserve(Reserve { id, .. }) | Row::Extend { id, .. } | Row::Renew { id, .. } => {
            told.remove(id);
        }
        _ => {}
    }
}

fn entries(ledger: &Connection) -> Vec<Entry> {
    let all = format!("SELECT {} FROM entries ORDER BY seq", entry::COLUMNS);
    let mut all = ledger.prepare(&all).expect("a question");
    let mut rows = Entries::of(all.query([]).expect("rows"));
    std::iter::from_fn(|| rows.next().expect("an entry")).collect()
}

fn asked(ledger: &Connection, question: &str) -> Vec<Vec<Value>> {
    let mut question = ledger.prepare(question).expect("a question");
    let columns = question.column_count();
    let rows =
        question.query_map([], |row| (0..columns).map(|nth| row.get(nth)).collect()).expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}

const QUESTIONS: [&str; 4] = [
    "SELECT seq, kind, id, at, wall, requests, nano_usd, expires, keep, user, link, estimated \
        FROM events ORDER BY seq",
    "SELECT * FROM ledger ORDER BY seq",
    "SELECT seq, kind, id, held, used FROM ledger_charges ORDER BY seq",
    "SELECT hour, user, sum(requests), sum(nano_usd), sum(overrun_nano_usd), sum(estimated) \
        FROM spent GROUP BY hour, user ORDER BY hour, user",
];

proptest! {
    // Each makes two ledgers.
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn grouped_rows_tell_what_single_rows_tell(
        events in events(),
        first in prop_oneof![Just(1_u64), BLOCK - 20..BLOCK + 20],
        groups in prop::collection::vec(1_usize..40, 1..4),
    ) {
        let (single, grouped) = (written(&events, first, &[1]), written(&events, first, &groups));
        prop_assert_eq!(entries(&single), entries(&grouped));
        for question in QUESTIONS {
            prop_assert_eq!(asked(&single, question), asked(&grouped, question), "{}", question);
        }
    }
}

const SUMS: [&str; 3] = [
    "SELECT * FROM totals ORDER BY kind",
    "SELECT * FROM summaries ORDER BY cell, limit_id",
    "SELECT seq, kind, id FROM events ORDER BY seq",
];

/// What is wrong with the numbers of the rows that are gone and of those that are left.
const UNEVEN: &str = "SELECT value FROM meta WHERE name = 'compacted' AND value <> \
    (SELECT coalesce(sum(count), 0) FROM totals) + \
    (SELECT count(*) FROM events WHERE seq <= value)";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn grouped_rows_grow_old_as_single_rows_do(
        events in events(),
        groups in prop::collection::vec(1_usize..40, 1..4),
        ends in prop::collection::vec((1_u64..20, 0_u32..60), 0..6),
    ) {
        let ledgers = [written(&events, 1, &[1]), written(&events, 1, &groups)];
        let last = "SELECT coalesce(max(seq), 0) + 1 FROM events";
        let mut sums = Vec::new();
        for ledger in &ledgers {
            let end = ledger.query_row(last, [], |row| entry::unsigned(row, 0)).expect("a number");
            let rules = Rules::read(ledger).expect("rules");
            let mut retention = Retention::read(ledger, Some(KEPT)).expect("a ledger");
            for (most, age) in &ends {
                let latest = START.after(KEPT).after(20 * MINUTE * *age);
                retention.advance(ledger, &rules, (end, *most), latest).expect("a step");
                prop_assert_eq!(asked(ledger, UNEVEN), Vec::<Vec<Value>>::new());
            }
            let latest = START.after(3 * KEPT);
            while retention.is_due(end, latest) {
                let before = asked(ledger, "SELECT value FROM meta WHERE name = 'compacted'");
                retention.advance(ledger, &rules, (end, 7), latest).expect("a step");
                prop_assert_eq!(asked(ledger, UNEVEN), Vec::<Vec<Value>>::new());
                if asked(ledger, "SELECT value FROM meta WHERE name = 'compacted'") == before {
                    break;
                }
            }
            sums.push(SUMS.map(|sum| asked(ledger, sum)));
        }
        prop_assert_eq!(&sums[0], &sums[1]);
    }
}

#[test]
fn what_goes_on_in_the_middle_of_an_old_one_is_not_passed_over() {
    let begun = Event::Reserve { keep: false, is_lost: false };
    let ended = |how| Event::End { how, is_beyond: false };
    let events = [(1, begun), (2, begun), (1, ended(End::Expire)), (2, ended(End::Settle))];
    let ledger = written(&[&events[..], &[(3, begun)]].concat(), 1, &[4]);
    let list = "INSERT INTO outstanding SELECT id, '[]' FROM entries WHERE kind = 6";
    ledger.execute(list, []).expect("it may be settled yet");
    let rules = Rules::read(&ledger).expect("rules");
    let mut retention = Retention::read(&ledger, Some(KEPT)).expect("a ledger");
    let left = || asked(&ledger, "SELECT group_concat(seq ORDER BY seq) FROM events");
    retention.advance(&ledger, &rules, (5, 100), START.after(2 * KEPT)).expect("a step");
    assert_eq!(left(), [[Value::Text("1,2,3,4,5".to_owned())]]);
    ledger.execute("DELETE FROM outstanding", []).expect("nobody settles it");
    retention.advance(&ledger, &rules, (5, 100), START.after(3 * KEPT)).expect("a step");
    assert_eq!(left(), [[Value::Text("5".to_owned())]]);
}

#[test]
fn a_start_goes_on_from_the_last_number_though_it_has_no_row_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger.db");
    let connection = schema::open(&path, &EmbeddedBounds::default()).expect("a ledger");
    let begun = Event::Reserve { keep: false, is_lost: false };
    let ended = Event::End { how: End::Settle, is_beyond: false };
    let events = [(1, begun), (2, begun), (2, ended), (1, ended)];
    let ledger = write(connection, record(&events, 1), 1, &[4]);
    let replay = Replay::read(&ledger, &path, None).expect("a ledger");
    assert_eq!((replay.seq, replay.reservations.len()), (4, 0), "its rows are read");
    ledger.execute("UPDATE meta SET value = 5 WHERE name = 'replay_from'", []).expect("a mark");
    assert_eq!(Replay::read(&ledger, &path, None).expect("a ledger").seq, 4, "none is read");
    ledger.execute("UPDATE meta SET value = 6 WHERE name = 'replay_from'", []).expect("a mark");
    let missing = Replay::read(&ledger, &path, None).expect_err("the fifth is missing");
    assert!(missing.to_string().contains("from 5 to 5 are missing"), "{missing}");
}

#[test]
fn what_begins_and_ends_in_a_group_has_one_row() {
    let begun = Event::Reserve { keep: false, is_lost: false };
    let kept = Event::Reserve { keep: true, is_lost: false };
    let ended = |how| Event::End { how, is_beyond: false };
    let beyond = Event::End { how: End::Settle, is_beyond: true };
    for (events, first, rows) in [
        (vec![(1, begun), (2, begun), (2, ended(End::Settle)), (1, ended(End::Estimate))], 1, 2),
        (vec![(1, begun), (1, beyond)], 1, 2),
        (vec![(1, begun), (1, Event::Extend), (1, ended(End::Settle))], 1, 3),
        (vec![(1, begun), (1, ended(End::Void))], 1, 2),
        (vec![(1, begun), (1, ended(End::Expire)), (1, ended(End::Settle))], 1, 3),
        (vec![(1, kept), (1, ended(End::Settle))], 1, 2),
        (vec![(1, begun), (1, ended(End::Settle))], BLOCK - 1, 2),
        (vec![(1, begun), (1, ended(End::Settle))], BLOCK - 2, 1),
    ] {
        let ledger = written(&events, first, &[events.len()]);
        let count = asked(&ledger, "SELECT count(*) FROM entries");
        assert_eq!(count, [[Value::Integer(rows)]], "{events:?} from {first}");
    }
}
