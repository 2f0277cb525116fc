use proptest::prelude::*;
use tollgate_core::{
    Amounts, Attribute, Charge, Kind, LimitId, NanoUsd, Now, ReservationId, Rule, ScopeId, Time,
    Unit, Warn,
};

use super::*;
use crate::{
    Receipt,
    store::{
        embedded::{
            names,
            row::{EndRow, LimitRow, Reserve},
        },
        memory::End,
    },
};

prop_compose! {
    fn amounts()(numbers in any::<[u64; 5]>()) -> Amounts {
        let [requests, input_tokens, output_tokens, cost, millis] = numbers;
        Amounts { requests, input_tokens, output_tokens, cost: NanoUsd(cost), millis }
    }
}

fn now() -> impl Strategy<Value = Now> {
    any::<[u64; 2]>()
        .prop_map(|[time, wall]| Now { time: Time::from_nanos(time), wall: Time::from_nanos(wall) })
}

fn rule() -> impl Strategy<Value = Charge> {
    let kind = prop_oneof![
        Just(Kind::TOTAL),
        Just(Kind::Concurrency),
        any::<[u64; 2]>().prop_map(|[start, end]| Kind::Period { start, end }),
        any::<u64>().prop_map(|length_ns| Kind::Window { length_ns }),
    ];
    (kind, any::<(u64, u64, bool)>()).prop_map(|(kind, (limit, cap, shadow))| Charge {
        limit: LimitId(limit),
        rule: Rule { kind, cap },
        unit: Unit::OutputTokens,
        amount: 0,
        shadow,
        warn: Warn::NEVER,
    })
}

/// Texts for the rows that borrow theirs.
const KEYS: [&str; 3] = ["", "ann", "\u{1f600} \"x\""];

fn row() -> impl Strategy<Value = Row<'static>> {
    let id = || any::<u128>().prop_map(ReservationId);
    let how = prop::sample::select(vec![End::Settle, End::Estimate, End::Void, End::Expire]);
    let whose = move || (any::<u64>(), id(), now());
    let reserve = (whose(), now(), amounts(), any::<[bool; 2]>());
    let end = (whose(), how, amounts(), amounts(), any::<bool>());
    let limit = (any::<u64>(), any::<[String; 3]>());
    let key = || prop::sample::select(KEYS.to_vec());
    prop_oneof![
        4 => reserve.prop_map(|((seq, id, now), expires, demand, [keep, is_lost])| {
            Row::Reserve(Reserve { seq, id, now, expires: expires.time, demand, keep, is_lost })
        }),
        4 => end.prop_map(|((seq, id, now), how, usage, overrun, is_short)| {
            let receipt = Receipt { usage, overrun };
            Row::End(EndRow { seq, id, now, how, receipt, is_short, is_joined: false })
        }),
        1 => (whose(), amounts())
            .prop_map(|((seq, id, now), more)| Row::Extend { seq, id, now, more }),
        1 => (whose(), now()).prop_map(|((seq, id, now), expires)| {
            Row::Renew { seq, id, now, expires: expires.time }
        }),
        1 => (any::<(u64, u32, u64)>(), key(), now()).prop_map(|((seq, cell, limit), session, now)| {
            Row::EndSession { seq, cell, limit: LimitId(limit), session, now }
        }),
        1 => (any::<(u32, u64)>(), key())
            .prop_map(|((cell, scope), key)| Row::Open { cell, scope: ScopeId(scope), key }),
        1 => (any::<(u32, u64)>(), key())
            .prop_map(|((cell, seq), key)| Row::Checkpoint { cell, seq, state: key.as_bytes() }),
        1 => any::<u32>().prop_map(|cell| Row::Close { cell }),
        1 => prop::collection::vec(limit, 0..3).prop_map(|limits| {
            Row::Limits(limits.into_iter().map(|(id, [name, per, description])| {
                LimitRow { id: LimitId(id), name: name.into(), per, description }
            }).collect())
        }),
        1 => (any::<i64>(), rule())
            .prop_map(|(number, charge)| Row::Rule { number, charge: Box::new(charge) }),
        1 => any::<(u32, u64, i64, u64)>().prop_map(|(cell, limit, rule, amount)| {
            Row::Grant { cell, limit: LimitId(limit), rule, amount }
        }),
        1 => any::<u32>().prop_map(|cell| Row::Revoke { cell }),
        1 => Just(Row::RevokeAll),
    ]
}

/// A row, what it holds, and the name of who made it.
type Made = (Row<'static>, Vec<RowCharge>, &'static str);

fn made() -> impl Strategy<Value = Made> {
    let charge = any::<(u32, i64, u64, u64)>().prop_map(|(cell, rule, held, used)| RowCharge {
        cell,
        rule,
        held,
        used,
    });
    let charges = prop::collection::vec(charge, 0..6);
    (row(), charges, prop::sample::select(KEYS.to_vec())).prop_map(|(row, charges, who)| {
        let has_charges = matches!(row, Row::Reserve(_) | Row::End(_) | Row::Extend { .. });
        (row, if has_charges { charges } else { Vec::new() }, who)
    })
}

/// Some rows.
pub(in super::super) fn some() -> impl Strategy<Value = Vec<Made>> {
    prop::collection::vec(made(), 0..12)
}

pub(in super::super) fn rows(made: &[Made]) -> Rows {
    let mut rows = Rows::default();
    for (row, charges, who) in made {
        let who = Attributes::new().with(Attribute::User, *who);
        rows.add(row, charges, matches!(row, Row::Reserve(_)).then_some(&who));
    }
    rows
}

/// What rows tell.
pub(in super::super) fn told(rows: &Rows) -> Vec<String> {
    let mut told = Vec::new();
    let mut at = rows.first();
    while let Some(next) = rows.next(at) {
        let Full { row, charges, who, end } = rows.row(at).expect("a row");
        let who = names::Names::read(who).user.unwrap_or_default();
        told.push(format!("{row:?} {:?} {who} {end:?}", charges.collect::<Vec<_>>()));
        at = next;
    }
    assert_eq!(told.len(), rows.len());
    told
}

pub(in super::super) fn told_by(made: &[Made]) -> Vec<String> {
    let tell = |(row, charges, who): &Made| {
        let who = if matches!(row, Row::Reserve(_)) { who } else { "" };
        format!("{row:?} {charges:?} {who} None")
    };
    made.iter().map(tell).collect()
}

proptest! {
    #[test]
    fn what_is_added_is_read(one in some(), other in some()) {
        let mut all = rows(&one);
        all.append(&mut rows(&other));
        let made = [one, other].concat();
        prop_assert_eq!(told(&all), told_by(&made));
        let again = Rows::read(all.all()).expect("rows");
        prop_assert_eq!(told(&again), told_by(&made));
        all.clear();
        prop_assert_eq!((told(&all).len(), all.all().len()), (0, 0));
    }

    #[test]
    fn what_is_cut_off_is_not_read(made in some(), at in any::<prop::sample::Index>()) {
        let all = rows(&made);
        let length = at.index(all.all().len() + 1);
        let whole = all.all().len() == length;
        let read = Rows::read(&all.all()[..length]);
        // It may be cut between two rows, or a text be shorter.
        prop_assert!(!whole || read.is_some());
        prop_assert!(read.is_none_or(|read| read.len() <= made.len()));
    }

    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), made in some(), at in any::<prop::sample::Index>()) {
        drop(Rows::read(&bytes));
        let mut all = rows(&made).all().to_vec();
        let start = at.index(all.len() + 1);
        for (place, byte) in (start..all.len()).zip(bytes) {
            all[place] = byte;
        }
        if let Some(read) = Rows::read(&all) {
            let mut at = read.first();
            while let Some(next) = read.next(at) {
                if let Some(Full { charges, who, .. }) = read.row(at) {
                    charges.for_each(drop);
                    names::Names::read(who);
                }
                at = next;
            }
        }
    }

    #[test]
    fn numbers_come_back(numbers in any::<[u64; 3]>(), small in 0..300_u64) {
        let mut bytes = Vec::new();
        let [from, to, number] = numbers;
        varint::put(&mut bytes, number);
        varint::put_way(&mut bytes, from, to);
        varint::put_way(&mut bytes, from, from.wrapping_sub(small));
        varint::put(&mut bytes, small);
        let rest = &mut &bytes[..];
        prop_assert_eq!(varint::take(rest), Some(number));
        prop_assert_eq!(varint::take_way(rest, from), Some(to));
        prop_assert_eq!(varint::take_way(rest, from), Some(from.wrapping_sub(small)));
        prop_assert_eq!(varint::take(rest), Some(small));
        prop_assert_eq!(varint::take(rest), None);
    }
}
