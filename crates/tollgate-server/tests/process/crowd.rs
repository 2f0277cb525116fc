//! Three gateways behind one Redis, asked by a crowd at once: what is let pass is exactly what the
//! limit has, and what is let go at one gateway is there for who waits at another.

use std::{
    io::Read as _,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
};

use serde_json::{Value, json};

use crate::{
    nodes::{World, get, status_of},
    process::{CHAT, Serving},
};

/// How many ask at once, and how often all of them do.
const CLIENTS: usize = 64;
const ASKED: usize = 250;

const NAMES: [&str; 3] = ["a", "b", "c"];
const PATH: &str = "/sandbox/v1/chat/completions";

/// Three gateways that decide together by these limits.
fn gateways(world: &World, limits: &str) -> [Serving; 3] {
    // A machine that is busy is no Redis that is away.
    let nodes = NAMES.map(|name| world.node(name, &format!("timeout = \"5s\"\n{limits}")));
    world.until("all decide together", || {
        nodes.iter().all(|node| {
            let status = get(node, "/status");
            let names = status["nodes"].as_array().map_or(0, Vec::len);
            names == NAMES.len() && status["store"]["redis"]["state"] == "connected"
        })
    });
    nodes
}

/// Has a crowd ask all gateways in turn; how many of each status there were.
fn ask(nodes: &[Serving; 3]) -> [usize; 2] {
    let (asked, admitted, refused) = <(AtomicUsize, AtomicUsize, AtomicUsize)>::default();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let turn = asked.fetch_add(1, Relaxed);
                    if turn >= ASKED {
                        return;
                    }
                    let answer = nodes[turn % nodes.len()].post(PATH, &[], CHAT);
                    let counter = match status_of(&answer).as_str() {
                        "200" => &admitted,
                        "429" => &refused,
                        _ => panic!("{answer}"),
                    };
                    counter.fetch_add(1, Relaxed);
                }
            });
        }
    });
    [admitted.into_inner(), refused.into_inner()]
}

/// What is left of the limit that all have in common, as each gateway tells it.
fn left(nodes: &[Serving; 3]) -> [Value; 3] {
    nodes.each_ref().map(|node| {
        let status = get(node, "/status");
        let limits = status["limits"].as_array().cloned().unwrap_or_default();
        let its = limits.iter().find(|it| it["name"] == "common").cloned().unwrap_or_default();
        its["standing"]["remaining"].clone()
    })
}

#[test]
fn of_a_hundred_requests_exactly_a_hundred_pass_whoever_of_three_gateways_is_asked() {
    let world = World::new();
    let nodes = gateways(&world, "[[limits]]\nname = \"common\"\nrequests = \"100/total\"\n");
    assert_eq!(ask(&nodes), [100, ASKED - 100]);
    assert_eq!(left(&nodes), [json!(0), json!(0), json!(0)]);
}

#[test]
fn of_the_money_for_a_hundred_exactly_a_hundred_pass() {
    let world = World::new();
    // An answer has as many tokens as its request allows, so that each costs what it reserved.
    let limits = "[prices.models.m]\ninput = \"0\"\noutput = \"2\"\n[[limits]]\nname = \"common\"\nusd = \"0.001/total\"\n";
    let nodes = gateways(&world, limits);
    assert_eq!(ask(&nodes), [100, ASKED - 100]);
    assert_eq!(left(&nodes), [json!(0.0), json!(0.0), json!(0.0)]);
}

#[test]
fn who_waits_at_one_gateway_goes_on_when_another_lets_go() {
    let world = World::new();
    // What is held there comes back by itself only when nobody waits any more.
    let limits = "hold_timeout = \"10m\"\n[[limits]]\nname = \"common\"\nconcurrency = 1\nqueue = { size = 8, timeout = \"5m\" }\n";
    let nodes = gateways(&world, limits);
    let held = nodes[0].begin(PATH, &[("x-sandbox-fault", "hang")], CHAT);
    world.until("its place is taken", || left(&nodes) == [json!(0), json!(0), json!(0)]);
    let mut waiting = nodes[1].begin(PATH, &[], CHAT);
    world.until("it waits", || get(&nodes[1], "/v1/monitor")["queues"][0]["waiting"] == 1);
    drop(held);
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).expect("an answer");
    assert_eq!(status_of(&answer), "200", "{answer}");
}
