//! Keys that hold what nobody can read: they are named, and concern nobody else.

use redis::Value;
use tollgate::{
    Memory, Store, StoreError,
    core::{
        Attribute, Attributes, Decision, Order, ReservationId, policy::settings::OnStoreFailure,
    },
    store::redis::{Members, Redis},
};

use crate::nodes::{HOLD, Nodes, costs};

impl Nodes {
    /// Every key whose name begins with this.
    pub(crate) async fn keys(&self, begins: &str) -> Vec<String> {
        let pattern = format!("{begins}*");
        let Ok(Value::Array(keys)) = self.server.command(&["KEYS", &pattern]).await else {
            panic!("no keys");
        };
        keys.into_iter().map(|key| redis::from_redis_value(key).unwrap()).collect()
    }

    async fn set(&self, key: &str, bytes: &[u8]) {
        let script = "return redis.call('SET', KEYS[1], ARGV[1])";
        let mut command = redis::cmd("EVAL");
        command.arg(script).arg(1).arg(key).arg(bytes);
        self.nodes[0].link().command(&command).await.unwrap();
    }

    async fn reserve(&self, id: u128, nanos: u64) -> Result<Decision, StoreError> {
        self.nodes[0].reserve(&self.order(id, nanos), self.clock.now()).await
    }
}

/// Cells that end too early, or whose accounts say that they are longer or shorter than they are.
fn damaged_cells() -> Vec<Vec<u8>> {
    let account = |length: u16| {
        let mut cell = vec![0; 16 + 45];
        cell[25..27].copy_from_slice(&length.to_le_bytes());
        cell
    };
    vec![vec![7], vec![0; 30], account(0), account(44), account(46), account(u16::MAX)]
}

fn names(error: &StoreError, key: &str) -> bool {
    matches!(error, StoreError::Undecided(text) if text.contains(key))
}

#[tokio::test]
async fn a_cell_that_cannot_be_read_is_named_and_ends_no_script() {
    let nodes = Nodes::start().await;
    nodes.admit(0, 1, 10).await;
    let cells = nodes.keys("tg:{0}:c:").await;
    let cell = cells.iter().find(|key| key.ends_with(":ann")).unwrap();
    for damage in damaged_cells() {
        nodes.set(cell, &damage).await;
        let now = nodes.clock.now();
        let error = nodes.reserve(2, 10).await.unwrap_err();
        assert!(names(&error, cell), "{damage:?}: {error}");
        let error = nodes.nodes[0].check(&nodes.order(2, 10), now).await.unwrap_err();
        assert!(names(&error, cell), "{damage:?}: {error}");
        let error = nodes.nodes[0].settle(ReservationId(1), &costs(5), now).await.unwrap_err();
        assert!(names(&error, cell), "{damage:?}: {error}");
        let error = nodes.try_raise(0, 5).await.unwrap_err();
        assert!(names(&error, cell), "{damage:?}: {error}");
    }
    nodes.server.command(&["DEL", cell]).await.unwrap();
    nodes.admit(0, 2, 10).await;
    let settled = nodes.nodes[0].settle(ReservationId(1), &costs(5), nodes.clock.now()).await;
    assert!(settled.is_ok(), "{settled:?}");
}

#[tokio::test]
async fn a_node_goes_on_by_its_books_where_one_cell_cannot_be_read_and_asks_for_all_others() {
    let mut nodes = Nodes::start().await;
    let node = nodes.nodes.remove(0);
    let node = Redis::new(node, Memory::default(), OnStoreFailure::Share, nodes.policy());
    node.note_members(Members::ALONE);
    assert!(node.recover(nodes.clock.now()).await);
    let ask = async |id| node.reserve(&nodes.order(id, 10), nodes.clock.now()).await;
    assert!(matches!(ask(1).await, Ok(Decision::Admit(_))));
    let cells = nodes.keys("tg:{0}:c:").await;
    let cell = cells.iter().find(|key| key.ends_with(":ann")).unwrap();
    nodes.set(cell, &[7]).await;
    for id in 2..4 {
        assert!(matches!(ask(id).await, Ok(Decision::Admit(_))), "its books have room");
    }
    let ended = node.settle(ReservationId(1), &costs(10), nodes.clock.now()).await;
    assert!(ended.is_ok(), "{ended:?}");
    let bob = Attributes::new().with(Attribute::User, "bob");
    let order: Order<'_> = nodes.order_of(&bob, 5, 10);
    assert!(matches!(node.reserve(&order, nodes.clock.now()).await, Ok(Decision::Admit(_))));
    assert!(nodes.keys("tg:{0}:c:").await.iter().any(|key| key.ends_with(":bob")), "it was asked");
    assert!(node.recover(nodes.clock.now()).await, "what can't be told keeps nobody away");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_keeps_nothing_else_from_expiring() {
    let nodes = Nodes::start().await;
    for id in 1..=3 {
        nodes.admit(0, id, 10).await;
    }
    let junk = ["", "L", "Lxyz", "Rx", "L890123456789012345678901234567890"];
    let record = nodes.keys("tg:{0}:r:").await.into_iter().find(|key| key.ends_with('1')).unwrap();
    nodes.clock.advance(HOLD);
    for (nth, junk) in junk.into_iter().enumerate() {
        let id = 10 + nth as u128;
        nodes.set(&record, junk.as_bytes()).await;
        nodes.server.command(&["ZADD", "tg:{0}:x", "1", "not an id"]).await.unwrap();
        let fresh = nodes.nodes.last().unwrap();
        let expired = fresh.expire(nodes.clock.now()).await.unwrap();
        assert_eq!(expired, if nth == 0 { 2 } else { 0 }, "{junk}");
        assert_eq!(nodes.server.text(&["ZSCORE", "tg:{0}:x", "not an id"]).await, "");
        let refused = nodes.reserve(id, 5_000).await;
        assert!(matches!(refused, Ok(Decision::Refuse(_))), "{refused:?}");
        nodes.clock.advance(HOLD * 7);
    }
}

#[tokio::test]
async fn who_is_refused_waits_for_a_little_of_what_is_due_and_not_for_all() {
    let nodes = Nodes::start().await;
    for id in 1..=400 {
        let who = Attributes::new().with(Attribute::User, format!("user-{id}"));
        let order = nodes.order_of(&who, id, 0);
        let decided = nodes.nodes[0].reserve(&order, nodes.clock.now()).await;
        assert!(matches!(decided, Ok(Decision::Admit(_))), "{decided:?}");
    }
    nodes.clock.advance(HOLD);
    let refused = nodes.reserve(1_000, 5_000).await;
    assert!(matches!(refused, Ok(Decision::Refuse(_))), "{refused:?}");
    let due = nodes.server.command(&["ZCARD", "tg:{0}:x"]).await.unwrap();
    assert_eq!(due, Value::Int(400 - 64));
    assert_eq!(nodes.nodes[1].expire(nodes.clock.now()).await, Ok(400 - 64));
}
