//! Clocks that differ, and what comes too late.

use std::time::Duration;

use redis::Value;
use redis_servers::Server;
use tollgate::{
    Clock, Store, StoreError,
    core::{
        Attribute, Attributes, Calendar, Decision, Now, Order, PeriodUnit, Policy, ReservationId,
        Unit,
        policy::{Limit, Measure},
    },
    store::redis::{Shared, SharedSettings},
};

use crate::{
    nodes::{HOLD, Nodes, costs},
    support::{answers_again, link_for},
};

const TIMEOUT: Duration = Duration::from_millis(500);
const DAY: Duration = Duration::from_secs(86_400);

fn money() -> Policy {
    let calendar = Calendar::new(PeriodUnit::Day, jiff::tz::TimeZone::UTC).into();
    let day = Measure::Period { calendar, cap: 1_000 };
    Policy::new(vec![Limit::new("money", &[], Unit::Usd, day)]).unwrap()
}

/// The present of a node whose wall clock is ahead by this.
fn present(ahead: Duration) -> Now {
    let wall = Clock::system().now().wall;
    Now { time: wall, wall: wall.after(ahead) }
}

fn order<'a>(policy: &'a Policy, who: &'a Attributes, id: u128, now: Now) -> Order<'a> {
    policy.order(ReservationId(id), who, &costs(900), now, now.time.after(HOLD))
}

#[tokio::test]
async fn a_node_whose_clock_is_a_day_ahead_begins_no_period_for_the_others() {
    let server = Server::start().await.unwrap();
    let node = Shared::new(link_for(&server, TIMEOUT * 20).await, &SharedSettings::default());
    let (policy, nobody) = (money(), Attributes::new());
    let right = present(Duration::ZERO);
    for nth in 0..2 {
        let ahead = present(DAY);
        let error = node.reserve(&order(&policy, &nobody, 10 + nth, ahead), ahead).await;
        let Err(StoreError::Clock(text)) = error else { panic!("{error:?}") };
        assert!(text.contains("86400 s") || text.contains("86399 s"), "{text}");
        let decided = node.reserve(&order(&policy, &nobody, nth, right), right).await;
        assert_eq!(matches!(decided, Ok(Decision::Admit(_))), nth == 0, "{decided:?}");
    }
    let slightly = present(Duration::from_secs(30));
    let decided = node.reserve(&order(&policy, &nobody, 20, slightly), slightly).await;
    assert!(decided.is_ok(), "half a minute is nothing: {decided:?}");
}

#[tokio::test]
async fn what_reaches_redis_when_nobody_waits_for_it_any_more_holds_nothing() {
    let server = Server::start().await.unwrap();
    let node = Shared::new(link_for(&server, TIMEOUT).await, &SharedSettings::default());
    let (policy, nobody) = (money(), Attributes::new());
    let now = present(Duration::ZERO);
    let decided = node.reserve(&order(&policy, &nobody, 1, now), now).await;
    assert!(matches!(decided, Ok(Decision::Admit(_))), "{decided:?}");
    node.void(ReservationId(1), now).await.unwrap();
    let other = Shared::new(link_for(&server, TIMEOUT).await, &SharedSettings::default());
    server.pause();
    let now = present(Duration::ZERO);
    let decided = node.reserve(&order(&policy, &nobody, 2, now), now).await;
    assert!(matches!(decided, Err(StoreError::Away(_))), "{decided:?}");
    assert!(other.expire(now).await.is_err(), "it stands for as long again");
    server.resume();
    // What waited there is done before what comes now.
    for _ in 0..3 {
        assert_eq!(server.text(&["PING"]).await, "PONG");
    }
    assert_eq!(server.command(&["KEYS", "tg:{0}:r:*"]).await.unwrap(), Value::Array(Vec::new()));
    let now = present(Duration::ZERO);
    answers_again(&node, now).await;
    let decided = node.reserve(&order(&policy, &nobody, 3, now), now).await;
    assert!(matches!(decided, Ok(Decision::Admit(_))), "{decided:?}");
}

#[tokio::test]
async fn a_cell_lives_as_long_as_what_is_renewed() {
    let nodes = Nodes::start().await;
    nodes.admit(0, 1, 10).await;
    let now = nodes.clock.now();
    nodes.nodes[0].renew(ReservationId(1), now.time.after(DAY * 10), now).await.unwrap();
    nodes.clock.advance(DAY / 4);
    nodes.admit(0, 2, 10).await;
    for cell in nodes.keys("tg:{0}:c:").await {
        let Ok(Value::Int(left)) = nodes.server.command(&["PTTL", &cell]).await else {
            panic!("no time to live");
        };
        assert!(left >= 10 * 86_400_000, "{cell}: {left} ms");
    }
}

#[tokio::test]
async fn a_session_goes_on_where_its_limit_is_lowered_to_none() {
    let policy = |cap| {
        let sessions = Measure::Sessions { cap, idle: HOLD };
        Policy::new(vec![Limit::new("sessions", &[], Unit::Requests, sessions)]).unwrap()
    };
    let server = Server::start().await.unwrap();
    let node = crate::support::shared(&server, 1).await;
    let clock = Clock::set_at(tollgate::conformance::NOON);
    let who = |session: &str| Attributes::new().with(Attribute::Session, session);
    let (one, none, ours, theirs) = (policy(1), policy(0), who("ours"), who("theirs"));
    let ask = async |policy: &Policy, who: &Attributes, id| {
        let decided = node.reserve(&order(policy, who, id, clock.now()), clock.now()).await;
        matches!(decided.unwrap(), Decision::Admit(_))
    };
    assert!(ask(&one, &ours, 1).await);
    assert!(ask(&none, &ours, 2).await, "it lives");
    assert!(!ask(&none, &theirs, 3).await);
}

#[tokio::test]
async fn sessions_that_are_over_are_taken_out_a_few_at_a_time() {
    let sessions = Measure::Sessions { cap: 1_000, idle: HOLD };
    let limit = Limit::new("sessions", &[], Unit::Requests, sessions);
    let policy = Policy::new(vec![limit]).unwrap();
    let server = Server::start().await.unwrap();
    let node = crate::support::shared(&server, 1).await;
    let clock = Clock::set_at(tollgate::conformance::NOON);
    let ask = async |id: u128| {
        let who = Attributes::new().with(Attribute::Session, id.to_string());
        node.reserve(&order(&policy, &who, id, clock.now()), clock.now()).await.unwrap();
    };
    for id in 0..200 {
        ask(id).await;
    }
    clock.advance(HOLD);
    let Ok(Value::Array(seats)) = server.command(&["KEYS", "tg:{0}:s:*"]).await else { panic!() };
    let seats: String = redis::from_redis_value(seats[0].clone()).unwrap();
    for left in [200 - 128 + 1, 2, 3] {
        ask(1_000 + left).await;
        let count = server.command(&["ZCARD", &seats]).await.unwrap();
        assert_eq!(count, Value::Int(i64::try_from(left).unwrap()));
    }
}
