//! The API and the commands that ask it, with a process of their own.

#![allow(clippy::unwrap_used, reason = "a test that cannot start has failed")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

const POLICY: &str = r#"
    admin = { token = "env:ADMIN_TOKEN" }
    [log]
    level = "error"
    [[limits]]
    name = "user-minute"
    per = ["user"]
    requests = "100/minute"
    [[limits]]
    name = "user-spend"
    per = ["user"]
    usd = "5/day"
"#;
const TOKEN: (&str, &str) = ("ADMIN_TOKEN", "let me in");

/// A serving process; it is killed, not asked to stop.
struct Serving {
    child: Child,
    url: String,
    admin: String,
}

impl Serving {
    fn start(folder: &Path) -> Self {
        std::fs::write(folder.join("policy.toml"), POLICY).unwrap();
        let mut child = tollgate(folder)
            .args(["serve", "--policy", "policy.toml"])
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = || {
            let line = lines.next().unwrap().unwrap();
            line.rsplit_once(' ').unwrap().1.to_owned()
        };
        let (url, admin) = (address(), address());
        std::thread::spawn(move || lines.count());
        Self { child, url, admin }
    }

    /// Asks the data plane and takes the JSON of a 2xx.
    fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let host = self.url.strip_prefix("http://").unwrap();
        let mut socket = TcpStream::connect(host).unwrap();
        write!(
            socket,
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 2"), "{answer}");
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // SIGKILL: whatever was not on the disk is lost.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tollgate(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.current_dir(folder).env_clear().env(TOKEN.0, TOKEN.1);
    command
}

fn run(folder: &Path, args: &[&str]) -> Output {
    tollgate(folder).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn an_acknowledged_settlement_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let first = Serving::start(folder.path());
    let body = r#"{"user": "alice", "demand": {"usd": "1"}}"#;
    let permit = first.ask("POST", "/v1/permits", body);
    let settle = format!("/v1/permits/{}/settle", permit["id"].as_str().unwrap());
    let settled = first.ask("POST", &settle, r#"{"usd": "0.52"}"#);
    let open = first.ask("POST", "/v1/permits", r#"{"user": "alice", "demand": {"usd": "0.25"}}"#);
    drop(first);
    let second = Serving::start(folder.path());
    let today = || {
        let stats = second.ask("GET", "/v1/users/alice/stats", "");
        stats["cost"]["today"].as_f64().unwrap()
    };
    // Each is more than 1 % of the budget, so nothing was granted ahead that counts as well.
    assert_eq!(today(), 0.77, "what was held counts as spent");
    assert_eq!(second.ask("POST", &settle, r#"{"usd": "0.9"}"#), settled);
    let settle = format!("/v1/permits/{}/settle", open["id"].as_str().unwrap());
    second.ask("POST", &settle, r#"{"usd": "0.05"}"#);
    assert_eq!(today(), 0.57);
}

#[test]
fn the_commands_show_what_the_process_says() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start(folder.path());
    serving.ask("POST", "/v1/permits", r#"{"user": "a/b ü", "demand": {"usd": "0.52"}}"#);
    let token = ["--token-env", TOKEN.0];

    let status = ["status", "--admin", &serving.admin, token[0], token[1]];
    let told = run(folder.path(), &status);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    let shown = text(&told.stdout);
    for part in ["healthy 100/100", "is serving", "embedded, healthy", "1 admitted", "sandbox"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(shown.contains("limits is in the way") && !shown.contains("user-minute"), "{shown}");
    let told = run(folder.path(), &[&status[..], &["--limits"]].concat());
    let shown = text(&told.stdout);
    for part in ["user-minute", "$5 per calendar day", "waited"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains('\x1b'), "no colours where no terminal looks on");
    let told = run(folder.path(), &[&status[..], &["--json"]].concat());
    let json: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(json["totals"]["admitted"], 1);
    assert_eq!((&json["overall_status"], &json["emergency"]), (&"healthy".into(), &Value::Null));
    assert!(json["services"]["sandbox"].is_object(), "{json}");

    let stats = ["stats", "a/b ü", "--url", &serving.url];
    let told = run(folder.path(), &stats);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    let shown = text(&told.stdout);
    assert!(shown.contains("a/b ü: 1 running") && shown.contains("$4.48"), "{shown}");
    let told = run(folder.path(), &["stats", "--url", &serving.url, "--json"]);
    let json: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(json["total_users"], 1);

    let told = run(folder.path(), &status[..3]);
    assert_eq!(told.status.code(), Some(1));
    assert!(text(&told.stderr).contains("needs the token of `[admin]`"), "{told:?}");
}

#[test]
fn what_was_spent_and_refused_is_shown_in_tables_and_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start(folder.path());
    for (user, usd) in [("alice", "0.0002606"), ("alice", "0.5"), ("bob", "0.25")] {
        let body = format!(r#"{{"user": "{user}", "team": "red", "demand": {{"usd": "{usd}"}}}}"#);
        let permit = serving.ask("POST", "/v1/permits", &body);
        let settle = format!("/v1/permits/{}/settle", permit["id"].as_str().unwrap());
        serving.ask("POST", &settle, &format!(r#"{{"usd": "{usd}"}}"#));
    }
    let asking = ["--admin", &serving.admin, "--token-env", TOKEN.0];
    let ask = |args: &[&str]| run(folder.path(), &[&["stats"], args, &asking[..]].concat());

    let told = ask(&["spend", "--by", "user,team", "--since", "2h"]);
    let shown = text(&told.stdout);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    for part in ["$0.7502606 for 3 requests", "user", "alice", "$0.5002606", "66.7 %", "red"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let told = ask(&["spend", "--by", "user", "--where", "user=bob", "--bucket", "day", "--json"]);
    let json: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(
        (&json["rows"][0]["user"], &json["rows"][0]["cost_usd"]),
        (&"bob".into(), &"0.25".into())
    );
    assert!(json["rows"][0]["start"].is_string(), "{json}");
    let shown = text(&ask(&["top", "--limit", "1"]).stdout);
    assert!(shown.contains("alice") && !shown.contains("bob"), "{shown}");
    let shown = text(&ask(&["refusals"]).stdout);
    assert!(shown.contains("0 of 3 requests refused, 0.00 %"), "{shown}");

    let told = ask(&["spend", "--by", "colour"]);
    assert_eq!(told.status.code(), Some(1));
    assert!(text(&told.stderr).contains("`by` has `colour`: choose of user"), "{told:?}");
    assert_eq!(ask(&["spend", "--bucket", "week"]).status.code(), Some(2));
    let help = text(&run(folder.path(), &["stats", "--help"]).stdout);
    assert!(help.contains("tollgate stats spend --by model --since 7d"), "{help}");
}

#[test]
fn what_cannot_be_asked_is_said_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    // A port that was just given back, so that nothing listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nowhere = format!("http://{free}");
    for args in [["status", "--admin", &nowhere], ["stats", "--url", &nowhere]] {
        let told = run(folder.path(), &args);
        assert_eq!(told.status.code(), Some(1));
        let said = text(&told.stderr);
        assert!(said.contains(&format!("nothing answers at {nowhere}")), "{said}");
        assert!(said.contains("`tollgate serve`"), "{said}");
    }
    let told = run(folder.path(), &["status", "--admin", "127.0.0.1:8788"]);
    assert_eq!(told.status.code(), Some(2));
    assert!(text(&told.stderr).contains("http://127.0.0.1:8788"));
    let missing = ["status", "--admin", &nowhere, "--token-env", "NO_SUCH_VARIABLE"];
    let told = run(folder.path(), &missing);
    assert!(text(&told.stderr).contains("NO_SUCH_VARIABLE"), "{told:?}");
}
