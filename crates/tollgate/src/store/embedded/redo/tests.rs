use std::ops::Range;

use proptest::prelude::*;
use tollgate_core::{
    Amounts, Charge, Kind, LimitId, NanoUsd, Now, ReservationId, Rule, ScopeId, Time, Unit, Warn,
};

use super::*;
use crate::{
    Receipt,
    store::{
        embedded::row::{EndRow, LimitRow, Reserve, Row, RowCharge},
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

/// A part of a list of that length.
fn part(length: usize) -> impl Strategy<Value = Range<usize>> {
    (0..=length, 0..=length).prop_map(|(one, other)| one.min(other)..one.max(other))
}

fn rule() -> impl Strategy<Value = Charge> {
    let kind = prop_oneof![
        Just(Kind::TOTAL),
        Just(Kind::Concurrency),
        any::<[u64; 2]>().prop_map(|[start, end]| Kind::Period { start, end }),
        any::<u64>().prop_map(|length| Kind::Window { length_ns: length }),
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

fn row(charges: usize, names: usize) -> impl Strategy<Value = Row> {
    let id = || any::<u128>().prop_map(ReservationId);
    let how = prop::sample::select(vec![End::Settle, End::Estimate, End::Void, End::Expire]);
    let whose = move || (any::<u64>(), id(), now());
    let reserve = (whose(), now(), amounts(), any::<[bool; 2]>(), part(names), part(charges));
    let end = (whose(), how, amounts(), amounts(), part(charges));
    let limit = (any::<u64>(), any::<[String; 3]>());
    prop_oneof![
        4 => reserve.prop_map(|((seq, id, now), expires, demand, [keep, is_lost], who, charges)| {
            let (expires, end) = (expires.time, None);
            Row::Reserve(Reserve { seq, id, now, expires, demand, keep, who, is_lost, charges, end })
        }),
        4 => end.prop_map(|((seq, id, now), how, usage, overrun, charges)| {
            Row::End(EndRow { seq, id, now, how, receipt: Receipt { usage, overrun }, charges, is_joined: false })
        }),
        1 => (whose(), amounts(), part(charges))
            .prop_map(|((seq, id, now), more, charges)| Row::Extend { seq, id, now, more, charges }),
        1 => (whose(), now()).prop_map(|((seq, id, now), expires)| {
            Row::Renew { seq, id, now, expires: expires.time }
        }),
        1 => (any::<(u64, u32, u64, String)>(), now()).prop_map(|((seq, cell, limit, session), now)| {
            Row::EndSession { seq, cell, limit: LimitId(limit), session: session.into(), now }
        }),
        1 => any::<(u32, u64, String)>()
            .prop_map(|(cell, scope, key)| Row::Open { cell, scope: ScopeId(scope), key: key.into() }),
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
        1 => Just(()).prop_map(|()| Row::RevokeAll),
    ]
}

fn batch() -> impl Strategy<Value = Batch> {
    let charge = any::<(u32, i64, u64, u64)>().prop_map(|(cell, rule, held, used)| RowCharge {
        cell,
        rule,
        held,
        used,
    });
    let lists = (prop::collection::vec(charge, 0..6), prop::collection::vec(any::<u8>(), 0..40));
    lists.prop_flat_map(|(charges, names)| {
        let rows = prop::collection::vec(row(charges.len(), names.len()), 0..12);
        rows.prop_map(move |rows| Batch { rows, charges: charges.clone(), names: names.clone() })
    })
}

/// Frames one after the other, each of which follows the one before; and where each ends.
fn frames(batches: &[Batch], epoch: u64) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for (nth, batch) in (10_u64..).zip(batches) {
        write_frame(&mut bytes, batch, Head { epoch, after: nth, last: nth + 1 });
        ends.push(bytes.len());
    }
    (bytes, ends)
}

/// All rows, each with its own part of what they have lists of.
fn told<'a>(batches: impl IntoIterator<Item = &'a Batch>) -> Vec<String> {
    let mut told = Vec::new();
    for Batch { rows, charges, names } in batches {
        for row in rows {
            let (mut own, mut who) = (0..0, 0..0);
            let mut row = match row {
                Row::Reserve(row) => {
                    (own, who) = (row.charges.clone(), row.who.clone());
                    format!(
                        "{:?}",
                        Row::Reserve(Reserve { who: 0..0, charges: 0..0, end: None, ..*row })
                    )
                }
                Row::End(row) => {
                    own = row.charges.clone();
                    format!("{:?}", Row::End(EndRow { charges: 0..0, ..*row }))
                }
                Row::Extend { seq, id, now, more, charges } => {
                    own = charges.clone();
                    format!("{seq} {id:?} {now:?} {more:?}")
                }
                other => format!("{other:?}"),
            };
            row += &format!(" {:?} {:?}", &charges[own], &names[who]);
            told.push(row);
        }
    }
    told
}

proptest! {
    #[test]
    fn what_is_written_is_read(batches in prop::collection::vec(batch(), 0..4)) {
        let (bytes, _) = frames(&batches, 4);
        let (all, last) = read_all(&bytes, (3, 10));
        prop_assert_eq!(told([&all]), told(&batches));
        prop_assert_eq!(last, 10 + batches.len() as u64);
    }

    #[test]
    fn a_tear_ends_what_is_read(
        batches in prop::collection::vec(batch(), 1..4),
        at in any::<prop::sample::Index>(),
        flip in 1_u8..,
        is_cut in any::<bool>(),
    ) {
        let (mut bytes, ends) = frames(&batches, 4);
        let at = at.index(bytes.len());
        if is_cut { bytes.truncate(at) } else { bytes[at] ^= flip }
        let whole = ends.iter().take_while(|end| **end <= at).count();
        let (all, last) = read_all(&bytes, (3, 10));
        prop_assert_eq!(told([&all]), told(&batches[..whole]));
        prop_assert_eq!(last, 10 + whole as u64);
    }

    /// What an earlier group has left behind a shorter one is not its own.
    #[test]
    fn frames_of_another_group_are_none_of_this(
        before in prop::collection::vec(batch(), 0..4),
        now in prop::collection::vec(batch(), 0..4),
    ) {
        let ((mut bytes, _), (own, _)) = (frames(&before, 3), frames(&now, 4));
        let length = bytes.len().max(own.len());
        bytes.resize(length, 0);
        bytes[..own.len()].copy_from_slice(&own);
        prop_assert_eq!(told([&read_all(&bytes, (3, 10)).0]), told(&now));
        let (none, last) = read_all(&own, (4, 10));
        prop_assert_eq!((none.rows.len(), last), (0, 10), "the ledger has them");
        let (none, last) = read_all(&own, (3, 9));
        prop_assert_eq!((none.rows.len(), last), (0, 9), "they follow another entry");
    }

    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), batch in batch(), at in any::<prop::sample::Index>()) {
        rows::read(&bytes);
        // Behind a right checksum too.
        let mut whole = Vec::new();
        rows::write(&mut whole, &batch);
        for (place, byte) in (at.index(whole.len())..whole.len()).zip(bytes) {
            whole[place] = byte;
        }
        if let Some(mut read) = rows::read(&whole) {
            told([&read]);
            Batch::default().append(&mut read);
        }
    }
}
