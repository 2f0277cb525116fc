//! `tollgate load`, as a process, against a real gateway and its sandbox.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpSocket;

const CHAT: &str = r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#;

/// A serving gateway; it is killed, not asked to stop.
struct Gateway {
    child: Child,
    chat: String,
    _folder: TempDir,
}

impl Gateway {
    fn start(policy: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("policy.toml"), policy).expect("a file");
        let mut child = tollgate()
            .current_dir(folder.path())
            .args(["serve", "--policy", "policy.toml"])
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a process");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let greeting = lines.next().expect("a greeting").expect("text");
        let (_, base) = greeting.rsplit_once(' ').expect("an address");
        let chat = format!("{base}/sandbox/v1/chat/completions");
        // What else it prints is taken, lest it waits for a reader.
        thread::spawn(move || lines.count());
        Self { child, chat, _folder: folder }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tollgate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// Exit status, answer and notes.
fn load(args: &[&str]) -> (Option<i32>, String, String) {
    let output = tollgate().arg("load").args(args).output().expect("a process");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn loaded(args: &[&str]) -> (Option<i32>, Value) {
    let (status, said, wrong) = load(&[args, &["--json"]].concat());
    let report = serde_json::from_str(&said).unwrap_or_else(|_| panic!("no JSON: {said}{wrong}"));
    (status, report)
}

#[test]
fn a_gateway_with_room_passes() {
    let gateway = Gateway::start("[[limits]]\nname = \"all\"\nrequests = \"1000/minute\"\n");
    let args = [&gateway.chat, "--users", "20", "--requests", "5", "--body", CHAT];
    let (status, said, wrong) = load(&args);
    assert_eq!(status, Some(0), "{said}{wrong}");
    assert!(said.starts_with(&format!("100 requests of 20 users to {} in ", gateway.chat)));
    for told in ["success", "status 200", "OK", "p99", "█", "PASS: 100.00 % succeeded, 90 % must"]
    {
        assert!(said.contains(told), "no `{told}` in\n{said}");
    }
    assert!(!said.contains('\x1b') && wrong.is_empty(), "no terminal looks on: {said}{wrong}");
}

#[test]
fn a_gateway_that_refuses_fails_by_exactly_what_it_refuses() {
    let gateway = Gateway::start("[[limits]]\nname = \"all\"\nrequests = \"8/day\"\n");
    let args = [&gateway.chat, "--users", "10", "--requests", "2", "--body", CHAT];
    let (status, report) = loaded(&args);
    assert_eq!(status, Some(1), "{report:#}");
    assert_eq!(report["by_status"], json!({"200": 8, "429": 12}));
    assert_eq!(report["success"], json!({"count": 8, "percent": 40.0}));
    assert_eq!(report["error"], json!({"count": 12, "percent": 60.0}));
    assert_eq!(report["passed"], false);
    let (status, said, _) = load(&args);
    assert_eq!(status, Some(1));
    assert!(said.contains("status 429") && said.contains("Too Many Requests"), "{said}");
    assert!(said.contains("FAIL: 0.00 % succeeded, 90 % must"), "{said}");
}

#[test]
fn each_user_is_known_by_a_name_of_its_own() {
    let policy = "identity = { trust_headers = true }\n[[limits]]\nname = \"each\"\nper = [\"user\"]\nrequests = \"3/day\"\n";
    let gateway = Gateway::start(policy);
    let args = [&gateway.chat, "--users", "7", "--requests", "4", "--threshold", "75"];
    let named = ["--user-header", "X-Tollgate-User", "--body", CHAT];
    let (status, report) = loaded(&[&args[..], &named].concat());
    assert_eq!(report["by_status"], json!({"200": 21, "429": 7}), "three for each");
    assert_eq!(status, Some(0), "75 % is just enough: {report:#}");
}

#[test]
fn a_server_that_is_not_there_is_an_exception() {
    // A port that is held and never listened on: given back, it could be another test's.
    let held = TcpSocket::new_v4().expect("a socket");
    held.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
    let url = format!("http://{}/", held.local_addr().expect("an address"));
    let (status, report) = loaded(&[&url, "--users", "3", "--requests", "2"]);
    assert_eq!(status, Some(1));
    assert_eq!(report["exception"], json!({"count": 6, "percent": 100.0}));
    assert_eq!(report["by_exception"]["connect"]["count"], 6);
    assert_eq!(report["success_us"], Value::Null);
    let (_, said, _) = load(&[&url]);
    assert!(said.contains("no connection") && said.contains("refused"), "{said}");
}

#[test]
fn a_server_that_hangs_up_is_an_exception() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            take_request(&socket);
        }
    });
    let (status, report) = loaded(&[&url, "--users", "3", "--requests", "2"]);
    assert_eq!(status, Some(1));
    assert_eq!(report["by_exception"]["cut"]["count"], 6, "{report:#}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_early_and_prints_what_has_ended() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let child = tollgate()
        .args(["load", &url, "--users", "1", "--requests", "100", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let (mut socket, _) = listener.accept().expect("a connection");
    take_request(&socket);
    socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").expect("written");
    // The second request is there and remains unanswered.
    take_request(&socket);
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-s", "INT", &id]).status().expect("`kill`").success());
    let output = child.wait_with_output().expect("its end");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(output.status.code(), Some(0), "what has ended has succeeded: {report:#}");
    assert_eq!((&report["requests"], &report["abandoned"]), (&json!(1), &json!(1)));
    assert_eq!(report["interrupted"], true);
}

#[test]
fn wrong_usage_says_how_it_is_right() {
    let url = "http://127.0.0.1:9/";
    for (args, advice) in [
        (&["livez"][..], "write it like http://127.0.0.1:8787"),
        (&[url, "--users", "0"], "0 is not in 1..=10000"),
        (&[url, "--requests", "5", "--for", "30s"], "cannot be used with"),
        (&[url, "--for", "30"], "write it like 500ms, 30s or 2m"),
        (&[url, "--for", "0s"], "an answer takes some time"),
        (&[url, "--timeout", "0s"], "an answer takes some time"),
        (&[url, "--threshold", "101"], "write a percentage from 0 to 100"),
        (&[url, "--header", "host: a"], "host is set by the client"),
        (&[url, "--body-file", "/nonexistent"], "it cannot be read"),
        (&[], "required arguments were not provided"),
    ] {
        let (status, _, wrong) = load(args);
        assert_eq!(status, Some(2), "{args:?}: {wrong}");
        assert!(wrong.contains(advice), "{wrong}");
    }
    let (status, help, _) = load(&["--help"]);
    assert_eq!(status, Some(0));
    assert!(help.contains("Examples:") && help.contains("--user-header"), "{help}");
}

/// Reads the head of a request that has no body.
fn take_request(mut socket: &TcpStream) {
    let (mut head, mut piece) = (Vec::new(), [0; 1024]);
    while !head.ends_with(b"\r\n\r\n") {
        let read = socket.read(&mut piece).expect("bytes");
        assert!(read > 0, "the request ended early: {head:?}");
        head.extend_from_slice(&piece[..read]);
    }
}
