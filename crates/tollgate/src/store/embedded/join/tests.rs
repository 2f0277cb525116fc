//! However rows come in groups, the ledger tells the same.

use compact_str::CompactString;
use proptest::prelude::*;
use rusqlite::Connection;
use tollgate_core::{
    Amounts, Attribute, Attributes, Charge, Kind, LimitId, NanoUsd, Now, Rule, Time, Unit, Warn,
};

use super::*;
use crate::{
    Receipt,
    store::embedded::{
        entries::Entries,
        entry::{self, Entry},
        mirror::Mirror,
        row::{Reserve, RowCharge},
        rules::Rules,
        schema,
        tables::{Due, Tables},
    },
};

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

/// Rows as a store would record them, with numbers from this one on: nothing ends or changes
/// that has not begun.
fn record(events: &[(u8, Event)], first: u64) -> Batch {
    let mut batch = Batch::default();
    let mut open = [false; 6];
    let mut seq = first;
    for (nth, (id, event)) in events.iter().enumerate() {
        let now = Now::at(Time::from_millis(1_000 + nth as u64));
        let is_open = &mut open[usize::from(*id)];
        let id = ReservationId(u128::from(*id));
        let from = batch.charges.len();
        let used = match event {
            Event::Reserve { .. } if !*is_open => 10,
            Event::Extend if *is_open => 10,
            Event::End { how: End::Void, .. } if *is_open => 0,
            Event::End { is_beyond, .. } if *is_open => {
                if *is_beyond {
                    13
                } else {
                    7
                }
            }
            Event::Renew if *is_open => 0,
            Event::EndSession => 0,
            _ => continue,
        };
        if !matches!(event, Event::Renew | Event::EndSession) {
            let amount = 10;
            batch.charges.push(RowCharge { cell: 1, charge: charge(amount), used });
        }
        let charges = from..batch.charges.len();
        let amounts = Amounts { requests: 1, cost: NanoUsd(used), ..Amounts::default() };
        batch.rows.push(match *event {
            Event::Reserve { keep, is_lost } => {
                *is_open = true;
                let user = CompactString::from(if nth % 2 == 0 { "ann" } else { "bob" });
                let attributes = Box::new(Attributes::new().with(Attribute::User, user));
                let expires = now.time;
                let demand = amounts;
                Row::Reserve(Reserve {
                    seq,
                    id,
                    now,
                    expires,
                    demand,
                    keep,
                    attributes,
                    is_lost,
                    charges,
                    end: None,
                })
            }
            Event::Extend => Row::Extend { seq, id, now, more: amounts, charges },
            Event::Renew => Row::Renew { seq, id, now, expires: now.time },
            Event::End { how, .. } => {
                // It may be settled late, as an expired one.
                *is_open = how == End::Expire;
                let mut receipt = Receipt { usage: amounts, overrun: Amounts::default() };
                if used > 10 {
                    receipt.overrun.cost = NanoUsd(used - 10);
                }
                let end = EndRow { seq, id, now, how, receipt, charges };
                seq += u64::from(used > 10);
                Row::End(end)
            }
            Event::EndSession => {
                Row::EndSession { seq, cell: 1, limit: LimitId(7), session: "s".into(), now }
            }
        });
        seq += 1;
    }
    batch
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
    let known = (Rules::default(), Mirror::default());
    let mut tables =
        Tables::new(connection, known, (first - 1, Time::ZERO), None).expect("a ledger");
    let Batch { mut rows, charges } = record(events, first);
    let mut sizes = groups.iter().copied().cycle();
    while !rows.is_empty() {
        let size = sizes.next().unwrap_or(1).clamp(1, rows.len());
        let group = rows.drain(..size).collect();
        let mut group = Batch { rows: group, charges: charges.clone() };
        tables.write(&mut group, &Due::default(), 0).expect("written");
    }
    tables.connection
}

fn entries(ledger: &Connection) -> Vec<Entry> {
    let all = format!("SELECT {} FROM entries ORDER BY seq", entry::COLUMNS);
    let mut all = ledger.prepare(&all).expect("a question");
    let mut rows = Entries::of(all.query([]).expect("rows"));
    std::iter::from_fn(|| rows.next().expect("an entry")).collect()
}

fn asked(ledger: &Connection, question: &str) -> Vec<Vec<rusqlite::types::Value>> {
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
        assert_eq!(count, [[rusqlite::types::Value::Integer(rows)]], "{events:?} from {first}");
    }
}
