use proptest::prelude::*;
use tollgate_core::{Kind, LimitId, Rule, Unit, Warn};

use super::*;

const CAP: u64 = 100_000;

fn charge(limit: u64, amount: u64, period: u64) -> Charge {
    let kind = Kind::Period { start: period, end: period + 1 };
    let rule = Rule { kind, cap: CAP };
    Charge {
        limit: LimitId(limit),
        rule,
        unit: Unit::Usd,
        amount,
        shadow: false,
        warn: Warn::NEVER,
    }
}

/// A ledger on a disk: what is written is what was taken when the write ended.
#[derive(Default)]
struct Disk {
    gathered: Vec<Row>,
    taken: Vec<Row>,
    grants: HashMap<(u32, LimitId), Charge>,
}

enum Row {
    Grant(Ask),
    Revoke(u32),
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Hold { cell: u32, limit: u64, amount: u64 },
    Take,
    Wrote,
    NextPeriod,
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    let hold = (0..3_u32, 0..2_u64, 1..1_200_u64);
    prop_oneof![
        8 => hold.prop_map(|(cell, limit, amount)| Step::Hold { cell, limit, amount }),
        2 => Just(Step::Take),
        2 => Just(Step::Wrote),
        1 => Just(Step::NextPeriod),
        1 => Just(Step::Wait),
    ]
}

proptest! {
    /// At every instant, whatever was let go and is not on the disk fits in the grants that
    /// are: a crash at that instant loses nothing that is not counted.
    #[test]
    fn what_was_let_go_is_on_the_disk_or_granted(steps in prop::collection::vec(step(), 1..200)) {
        let (mut grants, mut disk) = (Grants::new(4), Disk::default());
        let (mut period, mut now, mut id) = (0, 0, 0);
        // What was let go on a grant, by the account, and is not on the disk.
        let mut loose: [HashMap<(u32, LimitId, u64), u64>; 2] = Default::default();
        let mut is_taken = false;
        for step in steps {
            now += 100_000_000;
            match step {
                Step::Hold { cell, limit, amount } => {
                    id += 1;
                    let charge = charge(limit, amount, period);
                    let charges = [(cell, &charge)];
                    let at = Time::from_nanos(now);
                    let asks = grants.hold(ReservationId(id), charges.into_iter(), at);
                    for ask in asks {
                        prop_assert!(ask.charge.amount <= CAP / SHARE && amount <= CAP / SHARE);
                        disk.gathered.push(Row::Grant(ask));
                    }
                    match grants.waits(ReservationId(id)) {
                        Some(batch) => prop_assert_eq!(batch, Batch::Gathered),
                        None => *loose[0].entry((cell, charge.limit, period)).or_default() += amount,
                    }
                }
                Step::Take if !is_taken => {
                    grants.taken();
                    disk.taken = std::mem::take(&mut disk.gathered);
                    loose.swap(0, 1);
                    is_taken = true;
                }
                Step::Wrote if is_taken => {
                    for row in disk.taken.drain(..) {
                        match row {
                            Row::Revoke(gone) => disk.grants.retain(|(cell, _), _| *cell != gone),
                            Row::Grant(Ask { cell, charge }) => {
                                disk.grants.insert((cell, charge.limit), charge);
                            }
                        }
                    }
                    grants.written();
                    loose[1].clear();
                    is_taken = false;
                    let idle = grants.sweep(Time::from_nanos(now));
                    disk.gathered.extend(idle.into_iter().map(Row::Revoke));
                }
                Step::NextPeriod => period += 1,
                Step::Wait => now += 30_000_000_000,
                Step::Take | Step::Wrote => {}
            }
            for (cell, limit, period) in loose.iter().flat_map(HashMap::keys) {
                let key = (*cell, *limit, *period);
                let sum: u64 = loose.iter().filter_map(|batch| batch.get(&key)).sum();
                let granted = disk.grants.get(&(*cell, *limit));
                let granted = granted.filter(|charge| charge.rule.kind == Kind::Period { start: *period, end: period + 1 });
                let granted = granted.map_or(0, |charge| charge.amount);
                prop_assert!(sum <= granted, "{sum} are loose, {granted} are granted");
            }
        }
    }
}

#[test]
fn a_grant_is_asked_for_once_and_serves_from_then_on() {
    let mut grants = Grants::new(10);
    let charge = charge(1, 10, 0);
    let hold = |grants: &mut Grants, id| {
        let asks = grants.hold(ReservationId(id), [(7, &charge)].into_iter(), Time::ZERO);
        (asks.len(), grants.waits(ReservationId(id)))
    };
    assert_eq!(hold(&mut grants, 0), (0, Some(Batch::Gathered)), "it may not come again");
    assert_eq!(hold(&mut grants, 1), (1, Some(Batch::Gathered)));
    assert_eq!(hold(&mut grants, 2).1, Some(Batch::Gathered), "it is not on the disk yet");
    grants.taken();
    assert_eq!(grants.waits(ReservationId(1)), Some(Batch::Taken));
    grants.written();
    assert_eq!(grants.waits(ReservationId(1)), None);
    for id in 3..10 {
        assert_eq!(hold(&mut grants, id), (0, None));
        grants.taken();
        grants.written();
    }
    assert!(!grants.anybody_waits());
    let idle = grants.sweep(Time::ZERO.after(2 * IDLE));
    assert_eq!((idle, grants.count), (vec![7], 0));
    assert_eq!(hold(&mut grants, 10).1, Some(Batch::Gathered), "it was given up");
}

#[test]
fn what_is_seldom_or_large_waits_for_its_own_row() {
    let mut grants = Grants::new(10);
    for (id, amount) in [(1, 10), (2, 10), (3, 10), (4, CAP / SHARE + 1), (5, CAP / SHARE + 1)] {
        let charge = charge(1 + u64::from(amount > 10), amount, 0);
        let at = Time::from_nanos(0).after(u32::try_from(id).expect("few") * BUSY);
        let asks = grants.hold(ReservationId(id), [(7, &charge)].into_iter(), at);
        assert!(asks.is_empty(), "{amount}");
        assert_eq!(grants.waits(ReservationId(id)), Some(Batch::Gathered));
    }
}

#[test]
fn what_has_no_budget_pays_nothing() {
    let mut grants = Grants::new(10);
    let rule = Rule { kind: Kind::Concurrency, cap: 4 };
    let charge = Charge { rule, unit: Unit::Requests, ..charge(1, 1, 0) };
    let asks = grants.hold(ReservationId(1), [(7, &charge)].into_iter(), Time::ZERO);
    assert!(asks.is_empty() && !grants.anybody_waits() && grants.count == 0);
}
