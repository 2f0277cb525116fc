//! A cluster of six nodes.

use redis::Value;
use redis_servers::{Cluster, PATIENCE, Program, Server, until};
use tollgate::store::redis::link::{
    Arg, Heard, Link, LinkError, LinkSettings, Script, State, Topology, Why,
};

use crate::support::{ADD, TIMEOUT, becomes_up};

async fn link(cluster: &Cluster) -> Link {
    let urls = cluster.urls();
    // Two of six: the others are found.
    let urls: Vec<&str> = urls.iter().skip(2).take(2).map(String::as_str).collect();
    let mut settings = LinkSettings::of_all(Topology::Cluster, &urls).unwrap();
    settings.timeout = TIMEOUT;
    Link::connect(&settings).await.unwrap()
}

async fn add(link: &Link, tag: u16, number: i64) -> Result<Value, LinkError> {
    let key = format!("tg:{{{tag}}}:counter");
    link.run(&ADD, tag, &[key], &[Arg::Int(number)]).await
}

/// The slot of a tag, as a server reckons it.
async fn slot(cluster: &Cluster, tag: u16) -> u16 {
    let key = format!("{{{tag}}}");
    match cluster.nodes()[0].command(&["CLUSTER", "KEYSLOT", &key]).await.unwrap() {
        Value::Int(slot) => u16::try_from(slot).unwrap(),
        other => panic!("no slot: {other:?}"),
    }
}

#[tokio::test]
async fn every_tag_is_written_where_it_lies() {
    for program in [Program::Redis, Program::Valkey] {
        let cluster = Cluster::start(program, 1000).await.unwrap();
        let link = link(&cluster).await;
        assert_eq!(*link.state().borrow(), State::Up);
        for tag in 0..256 {
            assert_eq!(add(&link, tag, 1).await, Ok(Value::Int(1)), "{tag}");
        }
    }
}

#[tokio::test]
async fn what_is_published_is_heard_whichever_node_it_is_told() {
    let cluster = Cluster::start(Program::Redis, 1000).await.unwrap();
    let link = link(&cluster).await;
    let mut ear = link.subscribe(&["tg:freed"]);
    assert_eq!(ear.next().await, Some(Heard::Begun));
    for number in 0..6 {
        link.publish("tg:freed", &[number]).await.unwrap();
    }
    for number in 0..6 {
        let message = bytes::Bytes::copy_from_slice(&[number]);
        let expected = Heard::Message { channel: "tg:freed".to_owned(), message };
        assert_eq!(ear.next().await, Some(expected));
    }
}

/// Moves the slot of a tag to another node, with all that lies there; `between` is what happens
/// while it is on its way.
async fn move_slot(cluster: &Cluster, tag: u16, between: impl AsyncFnOnce()) {
    let from = cluster.master_of(slot(cluster, tag).await, 0).await.unwrap();
    move_slot_to(cluster, tag, (from + 1) % 3, between).await;
}

/// Moves the slot of a tag to a node, by its place.
async fn move_slot_to(cluster: &Cluster, tag: u16, to: usize, between: impl AsyncFnOnce()) {
    let slot = slot(cluster, tag).await;
    let from = cluster.master_of(slot, 0).await.unwrap();
    let (from_id, to_id) = (cluster.id(from).await, cluster.id(to).await);
    let (from, to): (&Server, &Server) = (&cluster.nodes()[from], &cluster.nodes()[to]);
    let slot = slot.to_string();
    to.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]).await.unwrap();
    from.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]).await.unwrap();
    between().await;
    let Value::Array(keys) =
        from.command(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]).await.unwrap()
    else {
        panic!("keys are a list")
    };
    let port = to.port().to_string();
    for key in keys {
        let Value::BulkString(key) = key else { panic!("a key is text") };
        let key = String::from_utf8(key).unwrap();
        from.command(&["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"]).await.unwrap();
    }
    for node in [to, from] {
        node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]).await.unwrap();
    }
}

#[tokio::test]
async fn slots_that_move_are_followed() {
    let cluster = Cluster::start(Program::Redis, 1000).await.unwrap();
    let link = link(&cluster).await;
    add(&link, 5, 1).await.unwrap();
    move_slot(&cluster, 5, async || {
        // Its key is still where it was; another key of the slot is asked for where it goes.
        assert_eq!(add(&link, 5, 1).await, Ok(Value::Int(2)));
        let other = link.run(&ADD, 5, &["tg:{5}:other"], &[Arg::Int(7)]).await;
        assert_eq!(other, Ok(Value::Int(7)));
    })
    .await;
    assert_eq!(add(&link, 5, 1).await, Ok(Value::Int(3)));
    assert_eq!(link.run(&ADD, 5, &["tg:{5}:other"], &[Arg::Int(1)]).await, Ok(Value::Int(8)));
}

#[tokio::test]
async fn slots_that_move_are_followed_where_servers_do_not_tell_their_names() {
    let cluster = Cluster::start(Program::Redis, 1000).await.unwrap();
    let link = link(&cluster).await;
    for node in cluster.nodes() {
        let nameless = ["cluster-preferred-endpoint-type", "unknown-endpoint"];
        node.command(&["CONFIG", "SET", nameless[0], nameless[1]]).await.unwrap();
    }
    add(&link, 5, 1).await.unwrap();
    move_slot(&cluster, 5, async || {}).await;
    assert_eq!(add(&link, 5, 1).await, Ok(Value::Int(2)));
}

/// How many connections a server has taken.
async fn connections(server: &Server) -> u64 {
    let told = server.text(&["INFO", "stats"]).await;
    let line = told.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    line.unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_server_that_slots_are_on_their_way_to_is_connected_to_once() {
    let mut cluster = Cluster::start(Program::Redis, 1000).await.unwrap();
    let new = cluster.grow().await.unwrap();
    let link = link(&cluster).await;
    let lines = link.settings().max_connections as u64;
    move_slot_to(&cluster, 5, new, async || {
        let before = connections(&cluster.nodes()[new]).await;
        for number in 1..=20 {
            assert_eq!(add(&link, 5, 1).await, Ok(Value::Int(number)));
        }
        // The last is the test's own.
        let made = connections(&cluster.nodes()[new]).await - before;
        assert!((2..=lines + 1).contains(&made), "{made}");
    })
    .await;
    assert_eq!(add(&link, 5, 1).await, Ok(Value::Int(21)));
}

/// Keys of one slot, of which one is still where it was and one goes where it is going.
static BOTH: Script = Script::new("both", "return redis.call('EXISTS', KEYS[1], KEYS[2])");

#[tokio::test]
async fn a_call_whose_keys_are_at_two_servers_waits_until_they_are_at_one() {
    let cluster = Cluster::start(Program::Redis, 1000).await.unwrap();
    let mut settings = link(&cluster).await.settings().clone();
    settings.timeout = PATIENCE;
    let link = Link::connect(&settings).await.unwrap();
    add(&link, 5, 1).await.unwrap();
    let mut call = None;
    move_slot(&cluster, 5, async || {
        let keys = ["tg:{5}:counter", "tg:{5}:other"];
        call = Some(tokio::spawn(async move { link.run(&BOTH, 5, &keys, &[]).await }));
        let told = until("the call is told to try again", async || {
            for node in cluster.nodes() {
                if node.text(&["INFO", "errorstats"]).await.contains("TRYAGAIN") {
                    return Some(());
                }
            }
            None
        });
        told.await.unwrap();
    })
    .await;
    assert_eq!(call.unwrap().await.unwrap(), Ok(Value::Int(1)));
}

#[tokio::test]
async fn while_a_master_is_away_the_others_serve_until_its_replica_does() {
    let mut cluster = Cluster::start(Program::Redis, 500).await.unwrap();
    let link = link(&cluster).await;
    let mut places = Vec::new();
    for tag in 0..16 {
        add(&link, tag, 1).await.unwrap();
        places.push(cluster.master_of(slot(&cluster, tag).await, 0).await.unwrap());
    }
    let tag_of = |node| places.iter().position(|place| *place == node).unwrap() as u16;
    let (lost, kept) = (tag_of(0), tag_of(1));
    cluster.nodes_mut()[0].kill();
    let away = until("calls of the lost tag are away", async || match add(&link, lost, 0).await {
        Err(LinkError::Away(away)) => Some(away.why),
        _ => None,
    });
    let why = away.await.unwrap();
    assert!(matches!(why, Why::Lost | Why::Unreachable | Why::ClusterDown), "{why:?}");
    until("its replica serves", async || add(&link, lost, 0).await.ok()).await.unwrap();
    becomes_up(&link).await;
    assert!(add(&link, kept, 0).await.is_ok());
}

#[tokio::test]
async fn a_link_says_whether_there_is_a_cluster_where_one_is_named() {
    let server = Server::start().await.unwrap();
    let settings = LinkSettings::of_all(Topology::Cluster, &[&server.url()]).unwrap();
    let error = Link::connect(&settings).await.unwrap_err().to_string();
    assert!(error.contains("no node of a cluster"), "{error}");

    let cluster = Cluster::start(Program::Redis, 1000).await.unwrap();
    let mut refused = None;
    for node in cluster.nodes() {
        refused = refused.or(Link::connect(&LinkSettings::of(&node.url()).unwrap()).await.err());
    }
    let error = refused.unwrap().to_string();
    assert!(error.contains("it is a node of a cluster"), "{error}");
}
