//! Calendar periods, and wall clocks that jump.

use std::time::Duration;

use tollgate_core::{Amounts, Attribute, Decision, Retry, Time, Unit};

use super::booth::{Booth, NOON, SECOND, answered, costs, daily, limit, requests, total, user};
use crate::Store;

const HOUR: Duration = Duration::from_secs(3600);

fn booth<S: Store>(store: S) -> Booth<S> {
    Booth::new(store, vec![limit("spend", &[], Unit::Usd, daily(1_000))])
}

/// A spent day is over at midnight, not a nanosecond earlier; what the old day still holds
/// does not weigh on the new one.
pub async fn a_period_ends_at_its_boundary<S: Store>(store: S) {
    let booth = booth(store);
    let ann = user("ann");
    booth.admit(&ann, &costs(900)).await;
    let held = booth.admit(&ann, &costs(100)).await;
    let refusal = booth.refuse(&ann, &costs(1)).await;
    let midnight = NOON.after(12 * HOUR);
    assert_eq!(refusal.retry, Retry::At(midnight));
    booth.wait(12 * HOUR - Duration::from_nanos(1));
    booth.refuse(&ann, &costs(1)).await;
    booth.wait(Duration::from_nanos(1));
    booth.admit(&ann, &costs(1_000)).await;
    booth.settle(held, &costs(50)).await;
    assert_eq!(booth.remaining(&ann).await, [0], "yesterday's change is not today's");
}

/// What is spent of a total stays spent, however long nobody comes; nothing is promised.
pub async fn a_total_never_begins_anew<S: Store>(store: S) {
    let booth = Booth::new(store, vec![limit("all", &[Attribute::User], Unit::Usd, total(1_000))]);
    let ann = user("ann");
    let held = booth.admit(&ann, &costs(900)).await;
    let refusal = booth.refuse(&ann, &costs(101)).await;
    assert_eq!(refusal.retry, Retry::NotBefore(NOON), "the hold may come back");
    booth.settle(held, &costs(600)).await;
    assert_eq!(booth.refuse(&ann, &costs(401)).await.retry, Retry::Never);
    for _ in 0..40 {
        booth.wait(1_000 * HOUR);
        // What is idle is forgotten now, and this is not.
        booth.expire().await;
    }
    assert_eq!(booth.remaining(&ann).await, [400]);
    booth.clock.set_wall(Time::ZERO);
    assert_eq!(booth.refuse(&ann, &costs(401)).await.retry, Retry::Never);
    booth.admit(&ann, &costs(400)).await;
}

/// A wall clock that goes back over midnight does not begin the old day again, and coming
/// back does not begin the new day again.
pub async fn a_wall_clock_set_back_resets_nobody_twice<S: Store>(store: S) {
    let booth = booth(store);
    let ann = user("ann");
    booth.wait(12 * HOUR);
    booth.admit(&ann, &costs(900)).await;
    booth.clock.set_wall(NOON);
    let yesterday = booth.order(booth.id(), &ann, &costs(200));
    let answer = answered(booth.store.reserve(&yesterday, booth.clock.now()).await);
    assert!(matches!(answer, Decision::Refuse(_)), "{answer:?}");
    booth.admit(&ann, &costs(100)).await;
    booth.clock.set_wall(NOON.after(13 * HOUR));
    booth.refuse(&ann, &costs(1)).await;
    booth.clock.set_wall(NOON.after(36 * HOUR));
    booth.admit(&ann, &costs(1_000)).await;
}

/// Windows do not look at the wall.
pub async fn a_wall_clock_set_back_does_not_shorten_a_window<S: Store>(store: S) {
    let one = requests(1, 60);
    let booth = Booth::new(store, vec![limit("minute", &[], Unit::Requests, one)]);
    let ann = user("ann");
    booth.admit(&ann, &Amounts::ONE_REQUEST).await;
    for wall in [Time::ZERO, NOON.after(1_000 * HOUR), NOON.before(HOUR)] {
        booth.clock.set_wall(wall);
        let refusal = booth.refuse(&ann, &Amounts::ONE_REQUEST).await;
        assert_eq!(refusal.retry, Retry::At(NOON.after(60 * SECOND)));
    }
    booth.wait(60 * SECOND);
    booth.admit(&ann, &Amounts::ONE_REQUEST).await;
}
