//! What is admitted, what is refused, and what each leaves behind.

use std::time::Duration;

use tollgate_core::{
    Amounts, Attribute, Attributes, Decision, NanoUsd, Retry, Unit, policy::Measure,
};

use super::booth::{Booth, NOON, SECOND, answered, costs, daily, limit, requests, user};
use crate::Store;

const ONE: Amounts = Amounts::ONE_REQUEST;

/// A measure of every kind that counts three requests.
fn three_of_each() -> Vec<(&'static str, Measure)> {
    let bucket = Measure::Bucket { rate: 1, per: Duration::from_secs(10), burst: 3 };
    let sessions = Measure::Sessions { cap: 3, idle: Duration::from_secs(60) };
    vec![
        ("window", requests(3, 60)),
        ("bucket", bucket),
        ("period", daily(3)),
        ("concurrency", Measure::Concurrency { cap: 3 }),
        ("sessions", sessions),
    ]
}

/// Someone with a session of their own.
fn guest(nth: u64) -> Attributes {
    user("ann").with(Attribute::Session, format!("guest-{nth}"))
}

/// Every kind of limit admits as much as it allows and refuses the next, by its name.
pub async fn every_kind_admits_up_to_its_cap<S: Store>(store: S) {
    let mut booth = Booth::new(store, Vec::new());
    let mut kinds = three_of_each();
    // More than times are kept of, so that the large window is met too.
    kinds.push(("large window", requests(300, 60)));
    for (name, measure) in kinds {
        let unit = if name == "large window" { Unit::Tokens } else { Unit::Requests };
        booth.replace(vec![limit(name, &[Attribute::User], unit, measure)]);
        let demand = Amounts { input_tokens: 100, ..ONE };
        for nth in 0..3 {
            booth.admit(&guest(nth), &demand).await;
        }
        let refusal = booth.refuse(&guest(3), &demand).await;
        assert_eq!(refusal.limit, booth.limit_named(name), "{name}");
        booth.admit(&user("bob"), &demand).await;
    }
}

/// Refused at every instant before the promised one, admitted at it.
pub async fn the_promised_instant_is_exact<S: Store>(store: S) {
    let mut booth = Booth::new(store, Vec::new());
    for (name, measure) in three_of_each() {
        booth.replace(vec![limit(name, &[Attribute::User], Unit::Requests, measure)]);
        for nth in 0..3 {
            booth.admit(&guest(nth), &ONE).await;
            booth.wait(Duration::from_millis(700));
        }
        let Retry::At(promised) = booth.refuse(&guest(9), &ONE).await.retry else {
            assert_eq!(name, "concurrency", "only slots can't promise");
            continue;
        };
        let quarter = promised.since(booth.clock.now().time) / 4;
        for nth in 1..4 {
            booth.wait(quarter);
            let refusal = booth.refuse(&guest(9), &ONE).await;
            assert_eq!(refusal.retry, Retry::At(promised), "{name} after {nth} quarters");
        }
        booth.wait(promised.since(booth.clock.now().time) - Duration::from_nanos(1));
        booth.refuse(&guest(9), &ONE).await;
        booth.wait(Duration::from_nanos(1));
        booth.admit(&guest(9), &ONE).await;
    }
}

/// One limit without room refuses the whole order, in whichever scope it is.
pub async fn an_order_is_granted_whole_or_not_at_all<S: Store>(store: S) {
    let team = [Attribute::Team];
    let booth = Booth::new(
        store,
        vec![
            limit("user", &[Attribute::User], Unit::Requests, requests(10, 60)),
            limit("team", &team, Unit::Requests, requests(5, 60)),
            limit("all", &[], Unit::Requests, requests(3, 60)),
        ],
    );
    let who = user("ann").with(Attribute::Team, "red");
    for _ in 0..3 {
        booth.admit(&who, &ONE).await;
    }
    assert_eq!(booth.remaining(&who).await, [7, 2, 0]);
    assert_eq!(booth.refuse(&who, &ONE).await.limit, booth.limit_named("all"));
    assert_eq!(booth.remaining(&who).await, [7, 2, 0]);
    let other = user("bob").with(Attribute::Team, "blue");
    booth.refuse(&other, &ONE).await;
    assert_eq!(booth.remaining(&other).await, [10, 5, 0]);
}

/// Refused again and again, nothing moves.
pub async fn a_refusal_leaves_no_trace<S: Store>(store: S) {
    let booth = Booth::new(
        store,
        vec![
            limit("minute", &[Attribute::User], Unit::Requests, requests(2, 60)),
            limit("spend", &[Attribute::User], Unit::Usd, daily(1_000)),
            limit("slots", &[], Unit::Requests, Measure::Concurrency { cap: 9 }),
        ],
    );
    let ann = user("ann");
    booth.admit(&ann, &costs(600)).await;
    let before = booth.remaining(&ann).await;
    let first = booth.refuse(&ann, &costs(500)).await;
    for _ in 0..20 {
        assert_eq!(booth.refuse(&ann, &costs(500)).await.retry, first.retry);
    }
    assert_eq!(booth.remaining(&ann).await, before);
    booth.admit(&ann, &costs(400)).await;
}

/// More than a limit ever allows is refused for ever.
pub async fn what_can_never_be_admitted_is_said_so<S: Store>(store: S) {
    let spend = limit("spend", &[Attribute::User], Unit::Usd, daily(1_000));
    let booth = Booth::new(store, vec![spend]);
    assert_eq!(booth.refuse(&user("ann"), &costs(1_001)).await.retry, Retry::Never);
    booth.admit(&user("ann"), &costs(1_000)).await;
    assert_eq!(booth.refuse(&user("ann"), &costs(1_001)).await.retry, Retry::Never);
}

/// Of several limits in the way, the one that stands there the longest is named, and the
/// promised instant is its own.
pub async fn the_longest_obstacle_is_named<S: Store>(store: S) {
    let booth = Booth::new(
        store,
        vec![
            limit("minute", &[Attribute::User], Unit::Requests, requests(1, 60)),
            limit("hour", &[], Unit::Requests, requests(1, 3600)),
        ],
    );
    booth.admit(&user("ann"), &ONE).await;
    booth.wait(SECOND);
    let refusal = booth.refuse(&user("ann"), &ONE).await;
    assert_eq!(refusal.limit, booth.limit_named("hour"));
    assert_eq!(refusal.retry, Retry::At(NOON.after(Duration::from_secs(3600))));
}

/// A shadow limit says what it would have done, and does not do it.
pub async fn a_shadow_limit_counts_but_never_refuses<S: Store>(store: S) {
    let mut shadow = limit("shadow", &[Attribute::User], Unit::Requests, requests(1, 60));
    shadow.shadow = true;
    let hard = limit("hard", &[Attribute::User], Unit::Requests, requests(2, 60));
    let booth = Booth::new(store, vec![shadow, hard]);
    let shadowed = async || match booth.ask(&user("ann"), &ONE).await.1 {
        Decision::Admit(admission) => admission.shadowed.to_vec(),
        other => panic!("{other:?}"),
    };
    assert_eq!(shadowed().await, []);
    assert_eq!(shadowed().await, [booth.limit_named("shadow")]);
    let refusal = booth.refuse(&user("ann"), &ONE).await;
    assert_eq!(refusal.limit, booth.limit_named("hard"));
    assert_eq!(refusal.shadowed.to_vec(), [booth.limit_named("shadow")]);
}

/// A tier has another amount of the same account.
pub async fn tiers_have_amounts_of_their_own<S: Store>(store: S) {
    let mut minute = limit("minute", &[Attribute::User], Unit::Requests, requests(1, 60));
    minute.tiers = vec![("premium".into(), requests(3, 60))];
    let booth = Booth::new(store, vec![minute]);
    let plain = user("ann");
    let premium = user("ann").with(Attribute::Tier, "premium");
    booth.admit(&plain, &ONE).await;
    booth.refuse(&plain, &ONE).await;
    booth.admit(&premium, &ONE).await;
    booth.admit(&premium, &ONE).await;
    booth.refuse(&premium, &ONE).await;
}

/// A check answers as a reservation would, and takes nothing.
pub async fn a_check_takes_nothing<S: Store>(store: S) {
    let booth = Booth::new(store, vec![limit("minute", &[], Unit::Requests, requests(1, 60))]);
    let ann = user("ann");
    let check = async || {
        let order = booth.order(booth.id(), &ann, &ONE);
        answered(booth.store.check(&order, booth.clock.now()).await)
    };
    for _ in 0..3 {
        assert!(matches!(check().await, Decision::Admit(_)));
    }
    booth.admit(&ann, &ONE).await;
    assert!(matches!(check().await, Decision::Refuse(_)));
}

/// What was reserved and not used can be had by the next.
pub async fn what_was_not_used_is_given_back<S: Store>(store: S) {
    let booth = Booth::new(
        store,
        vec![
            limit("spend", &[], Unit::Usd, daily(1_000)),
            limit("window", &[], Unit::Usd, requests(1_000, 60)),
            limit("slots", &[], Unit::Requests, Measure::Concurrency { cap: 1 }),
        ],
    );
    let ann = user("ann");
    let id = booth.admit(&ann, &costs(900)).await;
    assert_eq!(booth.remaining(&ann).await, [100, 100, 0]);
    booth.wait(SECOND);
    let receipt = booth.settle(id, &costs(250)).await;
    assert_eq!((receipt.usage.cost, receipt.overrun), (NanoUsd(250), Amounts::default()));
    assert_eq!(booth.remaining(&ann).await, [750, 750, 1]);
    booth.admit(&ann, &costs(750)).await;
}

/// Who used more than was reserved is charged for it, and told.
pub async fn an_overrun_is_charged_and_told<S: Store>(store: S) {
    let spend = limit("spend", &[], Unit::Usd, daily(1_000));
    let booth = Booth::new(store, vec![spend]);
    let ann = user("ann");
    let id = booth.admit(&ann, &costs(400)).await;
    let receipt = booth.settle(id, &costs(1_100)).await;
    assert_eq!(receipt.usage.cost, NanoUsd(1_100));
    assert_eq!(receipt.overrun, Amounts { requests: 0, ..costs(700) });
    assert_eq!(booth.remaining(&ann).await, [0]);
    booth.refuse(&ann, &costs(1)).await;
}

/// A limit that is lowered under what is held takes nothing back; nothing new is admitted
/// until there is room.
pub async fn a_lowered_limit_revokes_nothing<S: Store>(store: S) {
    let slots = |cap| vec![limit("slots", &[], Unit::Requests, Measure::Concurrency { cap })];
    let mut booth = Booth::new(store, slots(3));
    let ann = user("ann");
    let held = [booth.admit(&ann, &ONE).await, booth.admit(&ann, &ONE).await];
    booth.replace(slots(1));
    booth.refuse(&ann, &ONE).await;
    booth.settle(held[0], &ONE).await;
    booth.refuse(&ann, &ONE).await;
    booth.settle(held[1], &ONE).await;
    booth.admit(&ann, &ONE).await;
}

/// A caller whose clock is behind what the store has seen is judged by the later one.
pub async fn a_clock_that_lags_gets_no_more<S: Store>(store: S) {
    let bucket = Measure::Bucket { rate: 1, per: Duration::from_secs(10), burst: 1 };
    let booth = Booth::new(store, vec![limit("bucket", &[], Unit::Requests, bucket)]);
    let early = booth.clock.now();
    booth.wait(Duration::from_secs(100));
    booth.admit(&user("ann"), &ONE).await;
    let ann = user("ann");
    let order = booth.order(booth.id(), &ann, &ONE);
    let answer = answered(booth.store.reserve(&order, early).await);
    let Decision::Refuse(refusal) = answer else { panic!("{answer:?}") };
    assert_eq!(refusal.retry, Retry::At(NOON.after(Duration::from_secs(110))));
}
