//! Alerts of a policy by command, and those of a gateway that runs, at a listener of another's.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::mpsc::{Receiver, channel},
    thread,
};

use serde_json::Value;

use crate::{PATIENCE, keys::command, process::Serving};

/// A listener that takes every request, and the bodies that it got.
fn listener() -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (tell, told) = channel();
    thread::spawn(move || {
        for peer in listener.incoming() {
            let (mut peer, mut text) = (peer.expect("a connection"), String::new());
            let mut bytes = [0; 4_096];
            while !is_whole(&text) {
                let read = peer.read(&mut bytes).expect("a request");
                text.push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
            let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            peer.write_all(answer).expect("an answer");
            let body = text.split_once("\r\n\r\n").expect("a body").1;
            if tell.send(serde_json::from_str(body).expect("JSON")).is_err() {
                return;
            }
        }
    });
    (format!("http://{address}/alerts"), told)
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| body.len() >= length.parse().expect("a length"))
}

fn policy(url: &str) -> String {
    format!(
        "[alerts]\nfail_open = {{ enabled = false }}\n[[alerts.sinks]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{url}\"\n"
    )
}

#[test]
fn an_operator_sees_the_alerts_and_tries_whether_they_arrive() {
    let (url, told) = listener();
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("policy.toml"), policy(&url)).expect("a file");
    let list = command(folder.path(), &["alerts", "list"], &[]);
    assert_eq!(list.status, Some(0), "{}", list.stderr);
    assert!(
        list.stdout.contains("cost_spike") && list.stdout.contains("log, hook"),
        "{}",
        list.stdout
    );
    assert!(list.stdout.contains("fail_open is switched off"), "{}", list.stdout);
    let test = command(folder.path(), &["alerts", "test"], &[]);
    assert_eq!((test.status, test.stdout.as_str()), (Some(0), "hook: told\n"), "{}", test.stderr);
    for kind in ["alert.fired", "alert.cleared"] {
        let body = told.recv_timeout(PATIENCE).expect("it is told");
        assert_eq!((&body["type"], &body["data"]["test"]), (&kind.into(), &true.into()));
    }
    let gone = policy("http://127.0.0.1:9/").replace("kind", "attempts = 1\nkind");
    std::fs::write(folder.path().join("policy.toml"), gone).expect("a file");
    let test = command(folder.path(), &["alerts", "test"], &[]);
    assert_eq!(test.status, Some(1));
    assert_eq!(test.stdout, "hook: it can't be reached (tried 1 times)\n");
    let args = ["alerts", "test", "--sink", "nobody"];
    let none = command(folder.path(), &args, &[]);
    assert_eq!(none.status, Some(1));
    assert!(none.stderr.contains("no such sink"), "{}", none.stderr);
}

#[test]
fn a_gateway_that_serves_tells_of_a_circuit_that_is_forced_open_and_of_its_release() {
    let (url, told) = listener();
    let serving = Serving::start(&["--policy", "policy.toml"], &policy(&url));
    let folder = serving.folder().to_owned();
    let args = ["circuits", "open", "sandbox", "--reason", "an incident"];
    assert_eq!(command(&folder, &args, &[]).status, Some(0));
    let body = told.recv_timeout(PATIENCE).expect("it is told");
    assert_eq!(
        (&body["type"], &body["data"]["name"]),
        (&"alert.fired".into(), &"circuit_open".into())
    );
    assert_eq!(body["data"]["subject"], "sandbox");
    assert_eq!(command(&folder, &["circuits", "release", "sandbox"], &[]).status, Some(0));
    let body = told.recv_timeout(PATIENCE).expect("it is told");
    assert_eq!(
        (&body["type"], &body["data"]["name"]),
        (&"alert.cleared".into(), &"circuit_open".into())
    );
}

#[test]
fn a_stop_tells_that_what_fires_is_watched_no_longer() {
    let (url, told) = listener();
    let mut serving = Serving::start(&["--policy", "policy.toml"], &policy(&url));
    let folder = serving.folder().to_owned();
    let args = ["circuits", "open", "sandbox", "--reason", "an incident"];
    assert_eq!(command(&folder, &args, &[]).status, Some(0));
    let fired = told.recv_timeout(PATIENCE).expect("it is told");
    assert_eq!(fired["type"], "alert.fired");
    serving.signal("TERM");
    let body = told.recv_timeout(PATIENCE).expect("it is told");
    assert_eq!(body["type"], "alert.cleared");
    assert_eq!(body["data"]["incident"], fired["data"]["incident"]);
    let sentence = "circuit_open of sandbox is watched no longer: the gateway stops";
    assert_eq!(body["data"]["message"], sentence);
    assert_eq!(serving.wait(), Some(0));
}
