//! Reservations by their ids: granted once, ended once.

use std::time::Duration;

use tollgate_core::{Amounts, Attribute, Decision, NanoUsd, ReservationId, Unit, policy::Measure};

use super::booth::{Booth, HOLD, SECOND, answered, costs, daily, limit, requests, user};
use crate::{Receipt, Store, StoreError};

const ONE: Amounts = Amounts::ONE_REQUEST;

/// A budget of 1000 nano-dollars a day and three slots.
fn booth<S: Store>(store: S) -> Booth<S> {
    Booth::new(
        store,
        vec![
            limit("spend", &[Attribute::User], Unit::Usd, daily(1_000)),
            limit("slots", &[], Unit::Requests, Measure::Concurrency { cap: 3 }),
        ],
    )
}

/// The same id asked again is granted what it was granted, not more.
pub async fn a_kept_id_is_granted_once<S: Store>(store: S) {
    let booth = booth(store);
    let ann = user("ann");
    let again = async |id| {
        let order = booth.order(id, &ann, &costs(400));
        answered(booth.store.reserve(&order, booth.clock.now()).await)
    };
    let id = booth.admit(&ann, &costs(400)).await;
    assert!(matches!(again(id).await, Decision::Admit(_)));
    assert_eq!(booth.remaining(&ann).await, [600, 2], "while it is held");
    booth.settle(id, &costs(300)).await;
    assert!(matches!(again(id).await, Decision::Admit(_)));
    assert_eq!(booth.remaining(&ann).await, [700, 3], "after it was settled");
}

/// A second settlement, whatever it says, changes nothing and answers as the first.
pub async fn an_id_settles_once<S: Store>(store: S) {
    let booth = booth(store);
    let ann = user("ann");
    let id = booth.admit(&ann, &costs(400)).await;
    let receipt = booth.settle(id, &costs(500)).await;
    assert_eq!(receipt.overrun, Amounts { requests: 0, ..costs(100) });
    assert_eq!(booth.settle(id, &costs(500)).await, receipt);
    assert_eq!(booth.settle(id, &costs(1)).await, receipt);
    assert_eq!(booth.void(id).await, receipt);
    assert_eq!(booth.remaining(&ann).await, [500, 3]);
}

/// A voided reservation is as if it never was, and stays so.
pub async fn a_voided_id_has_taken_nothing<S: Store>(store: S) {
    let booth = booth(store);
    let ann = user("ann");
    let before = booth.remaining(&ann).await;
    let id = booth.admit(&ann, &costs(400)).await;
    let nothing = Receipt { usage: Amounts::default(), overrun: Amounts::default() };
    assert_eq!(booth.void(id).await, nothing);
    assert_eq!(booth.settle(id, &costs(400)).await, nothing);
    assert_eq!(booth.remaining(&ann).await, before);
}

/// Nothing can be done with an id that was never reserved.
pub async fn an_unknown_id_is_unknown<S: Store>(store: S) {
    let booth = booth(store);
    let (id, now) = (ReservationId(7), booth.clock.now());
    let unknown = StoreError::Unknown { id: 7 };
    assert_eq!(booth.store.settle(id, &ONE, now).await, Err(unknown.clone()));
    assert_eq!(booth.store.void(id, now).await, Err(unknown.clone()));
    assert_eq!(booth.store.extend(id, &ONE, now).await, Err(unknown.clone()));
    assert_eq!(booth.store.renew(id, now.time.after(HOLD), now).await, Err(unknown));
}

/// An extension takes from every account or from none, and no second slot.
pub async fn an_extension_is_granted_whole_or_not_at_all<S: Store>(store: S) {
    let booth = Booth::new(
        store,
        vec![
            limit("spend", &[Attribute::User], Unit::Usd, daily(1_000)),
            limit("tokens", &[], Unit::OutputTokens, requests(100, 60)),
            limit("slots", &[], Unit::Requests, Measure::Concurrency { cap: 1 }),
        ],
    );
    let ann = user("ann");
    let slice =
        |tokens, cost| Amounts { output_tokens: tokens, cost: NanoUsd(cost), ..Amounts::default() };
    let id = booth.admit(&ann, &slice(40, 100).plus(&ONE)).await;
    assert!(matches!(booth.extend(id, &slice(40, 100)).await, Decision::Admit(_)));
    assert_eq!(booth.remaining(&ann).await, [800, 20, 0]);
    let Decision::Refuse(refusal) = booth.extend(id, &slice(21, 100)).await else {
        panic!("there are 20 tokens left")
    };
    assert_eq!(refusal.limit, booth.limit_named("tokens"));
    assert_eq!(booth.remaining(&ann).await, [800, 20, 0]);
    booth.settle(id, &slice(50, 120)).await;
    assert_eq!(booth.remaining(&ann).await, [880, 50, 1]);
}

/// What was taken at several instants leaves a window at those instants; what was not used
/// is given back from the last of them.
pub async fn parcels_are_used_up_in_their_order<S: Store>(store: S) {
    let booth = Booth::new(store, vec![limit("tokens", &[], Unit::OutputTokens, requests(60, 60))]);
    let ann = user("ann");
    let tokens = |tokens| Amounts { output_tokens: tokens, ..Amounts::default() };
    let id = booth.admit(&ann, &tokens(20)).await;
    booth.wait(30 * SECOND);
    booth.extend(id, &tokens(20)).await;
    booth.settle(id, &tokens(25)).await;
    assert_eq!(booth.remaining(&ann).await, [35]);
    booth.wait(30 * SECOND);
    assert_eq!(booth.remaining(&ann).await, [55], "the first 20 have left the window");
    booth.wait(30 * SECOND);
    assert_eq!(booth.remaining(&ann).await, [60]);
}

/// What has ended can be neither extended nor renewed.
pub async fn an_ended_reservation_can_t_go_on<S: Store>(store: S) {
    let booth = booth(store);
    let ann = user("ann");
    let id = booth.admit(&ann, &costs(400)).await;
    booth.settle(id, &costs(400)).await;
    let now = booth.clock.now();
    assert!(booth.store.extend(id, &costs(1), now).await.is_err());
    let renewed = booth.store.renew(id, now.time.after(HOLD), now).await;
    assert_eq!(renewed, Err(StoreError::Ended { id: id.0 }));
    assert_eq!(booth.remaining(&ann).await, [600, 3]);
}

/// An expired reservation frees its slot at once; its money counts as used until somebody
/// says what was.
pub async fn an_expired_reservation_counts_until_it_is_settled_late<S: Store>(store: S) {
    let booth = booth(store);
    let ann = user("ann");
    let id = booth.admit(&ann, &costs(400)).await;
    booth.wait(HOLD - Duration::from_nanos(1));
    assert_eq!(booth.expire().await, 0);
    assert_eq!(booth.remaining(&ann).await, [600, 2]);
    booth.wait(Duration::from_nanos(1));
    assert_eq!(booth.expire().await, 1);
    assert_eq!(booth.expire().await, 0, "it expires once");
    assert_eq!(booth.remaining(&ann).await, [600, 3]);
    let now = booth.clock.now();
    let extended = booth.store.extend(id, &costs(1), now).await;
    assert_eq!(extended, Err(StoreError::Ended { id: id.0 }));
    let demand = costs(400);
    let again = booth.store.reserve(&booth.order(id, &ann, &demand), now).await;
    assert_eq!(again, Err(StoreError::Ended { id: id.0 }), "its slot is free by now");
    let receipt = booth.settle(id, &costs(150)).await;
    assert_eq!(receipt.usage.cost, NanoUsd(150));
    assert_eq!(booth.remaining(&ann).await, [850, 3]);
    assert_eq!(booth.settle(id, &costs(900)).await, receipt);
    assert_eq!(booth.remaining(&ann).await, [850, 3]);
}

/// Who says in time to be alive is not expired.
pub async fn a_renewed_reservation_lives_on<S: Store>(store: S) {
    let booth = booth(store);
    let ann = user("ann");
    let id = booth.admit(&ann, &costs(400)).await;
    for _ in 0..5 {
        booth.wait(HOLD - SECOND);
        let now = booth.clock.now();
        answered(booth.store.renew(id, now.time.after(HOLD), now).await);
        assert_eq!(booth.expire().await, 0);
    }
    assert_eq!(booth.remaining(&ann).await, [600, 2]);
    booth.wait(HOLD);
    assert_eq!(booth.expire().await, 1);
    assert_eq!(booth.remaining(&ann).await, [600, 3]);
}
