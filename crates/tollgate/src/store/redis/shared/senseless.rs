//! Whatever lies in Redis, to read it neither panics nor takes for ever: other versions, other
//! programs and damage write there too.

use std::{sync::Arc, time::Duration};

use proptest::{collection::vec, prelude::*};
use tollgate_core::{
    Amounts, Attributes, Calendar, Charge, Now, PeriodUnit, Policy, ReservationId, Time, Unit,
    policy::{Limit, Measure},
};

use super::{layout, micros, record::Known};

/// One of each kind, windows large and small.
fn charges() -> Vec<Charge> {
    let calendar = Arc::new(Calendar::new(PeriodUnit::Day, jiff::tz::TimeZone::UTC));
    let minute = Duration::from_secs(60);
    let all = [
        Measure::Bucket { rate: 3, per: minute, burst: 5 },
        Measure::Window { length: minute, cap: 3 },
        Measure::Window { length: minute, cap: 300 },
        Measure::Period { calendar, cap: 300 },
        Measure::Concurrency { cap: 3 },
    ];
    let limits = all
        .into_iter()
        .enumerate()
        .map(|(nth, measure)| Limit::new(&format!("limit-{nth}"), &[], Unit::Requests, measure));
    let policy = Policy::new(limits.collect()).unwrap();
    let (now, nobody) = (Now::at(Time::from_millis(1_790_000_000_000)), Attributes::new());
    let order = policy.order(ReservationId(1), &nobody, &Amounts::ONE_REQUEST, now, now.time);
    order.charges.iter().map(micros::charge).collect()
}

/// A number that may stand in an account: an instant, an amount, or no sense at all.
fn number() -> impl Strategy<Value = f64> {
    let sense = (0_u64..1 << 53).prop_map(|whole| whole as f64);
    prop_oneof![4 => sense, 2 => any::<f64>(), 2 => (0_u32..100).prop_map(f64::from)]
}

/// A cell whose accounts are those of the charges, in any state.
fn cell() -> impl Strategy<Value = Vec<u8>> {
    let beside = prop_oneof![
        vec(any::<u8>(), 0..80),
        vec(number(), 0..130).prop_map(|numbers| {
            numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
        })
    ];
    let account = (0_u8..6, vec(number(), 4), any::<u16>(), beside, prop::option::of(any::<u16>()));
    let cell = ([number(), number()], vec(account, 5)).prop_map(|(head, accounts)| {
        let mut cell: Vec<u8> = head.iter().flat_map(|number| number.to_le_bytes()).collect();
        for (charge, (shape, numbers, warned, beside, length)) in charges().iter().zip(accounts) {
            cell.extend((charge.limit.0 as f64).to_le_bytes());
            cell.push(shape);
            cell.extend(length.unwrap_or(45 + beside.len() as u16).to_le_bytes());
            cell.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
            cell.extend(warned.to_le_bytes());
            cell.extend(beside);
        }
        cell
    });
    prop_oneof![4 => cell, 1 => vec(any::<u8>(), 0..300)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_cell_is_looked_at(bytes in cell(), at in 0_u64..1 << 53) {
        let now = Now::at(Time::from_nanos(at));
        let charges = charges();
        let mut read = layout::read(&bytes);
        for charge in &charges {
            let _room = read.check(0, charge, "", now);
            let _standing = read.standing(0, charge, now);
        }
        let _fitted = layout::fitted(&bytes, &charges, now);
    }

    #[test]
    fn any_record_is_read(bytes in vec(any::<u8>(), 0..400)) {
        let _known = Known::read(&bytes);
    }
}
