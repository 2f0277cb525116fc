//! A disk that is full under a gateway that serves: what has a budget is refused in the
//! caller's own words, what has none runs on, and everything that only reads answers.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use tempfile::TempDir;

const POLICY: &str = r#"
    [identity]
    trust_headers = true
    [[limits]]
    name = "minute"
    per = ["user"]
    requests = "1000000/minute"
    [[limits]]
    name = "spend"
    per = ["user"]
    when = { team = "paid" }
    tokens = "1000000000/day"
"#;

const CHAT: &str = r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#;

/// Requests that fill the disk long before there are so many.
const MOST: usize = 5_000;

const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway whose files cannot grow beyond 400 KiB.
struct Serving {
    child: Child,
    data: String,
    control: String,
    log: Receiver<String>,
    /// What it tells of alerts, each a whole request.
    alerts: Receiver<String>,
    _folder: TempDir,
}

impl Serving {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (hook, alerts) = listener();
        let policy = format!(
            "{POLICY}\n[[alerts.sinks]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{hook}\"\n"
        );
        std::fs::write(folder.path().join("policy.toml"), policy).expect("a file");
        let run = "trap '' XFSZ; ulimit -f 800; exec \"$0\" serve --policy policy.toml \
            --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0";
        let mut child = Command::new("sh")
            .args(["-c", run, env!("CARGO_BIN_EXE_tollgate")])
            .current_dir(folder.path())
            .env_clear()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a process");
        let (tell, log) = channel();
        let stderr = BufReader::new(child.stderr.take().expect("its log"));
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut address = || {
            let line = lines.next().expect("a line").expect("text");
            line.rsplit_once("http://").expect("an address").1.to_owned()
        };
        let (data, control) = (address(), address());
        std::thread::spawn(move || lines.count());
        Self { child, data, control, log, alerts, _folder: folder }
    }

    fn chat(&self, team: &str) -> String {
        let head = format!(
            "POST /sandbox/v1/chat/completions HTTP/1.1\r\nx-tollgate-user: ann\r\n\
             x-tollgate-team: {team}\r\ncontent-length: {}\r\n",
            CHAT.len()
        );
        ask(&self.data, &head, CHAT)
    }

    fn get(&self, path: &str) -> String {
        ask(&self.data, &format!("GET {path} HTTP/1.1\r\n"), "")
    }

    /// The first line of the log that holds this text.
    fn logged(&self, text: &str) -> String {
        loop {
            let line = self.log.recv_timeout(PATIENCE).expect("a line of the log");
            if line.contains(text) {
                return line;
            }
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A listener that takes every request, and what it got.
fn listener() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for mut peer in listener.incoming().map_while(Result::ok) {
            let (mut text, mut bytes) = (String::new(), [0; 4_096]);
            while !text.ends_with("}}") {
                let read = peer.read(&mut bytes).expect("a request");
                text.push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
            let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            if peer.write_all(answer).is_err() || tell.send(text).is_err() {
                return;
            }
        }
    });
    (url, told)
}

fn ask(address: &str, head: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(address).expect("a connection");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    write!(socket, "{head}host: localhost\r\nconnection: close\r\n\r\n{body}").expect("written");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    answer
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status")
}

#[test]
fn a_full_disk_stops_what_has_a_budget_and_nothing_else() {
    let serving = Serving::start();
    let refused = (0..MOST).map(|_| serving.chat("paid")).find(|answer| status(answer) != 200);
    let refused = refused.expect("the disk is full");
    assert_eq!(status(&refused), 503, "{refused}");
    let (_, body) = refused.split_once("\r\n\r\n").expect("a body");
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(body["error"]["code"], "store_unavailable", "{body}");
    let line = serving.logged("ledger not written");
    assert!(line.contains("ERROR") && line.contains("nothing is admitted"), "{line}");
    assert_eq!(status(&serving.chat("paid")), 503, "and stays refused");

    let free = serving.chat("free");
    assert_eq!(status(&free), 200, "what has no budget runs: {free}");
    let stats = serving.get("/v1/users/ann/stats");
    assert_eq!(status(&stats), 200, "{stats}");
    let health = serving.get("/v1/health");
    assert!(status(&health) == 503 && health.contains("\"unhealthy\""), "{health}");
    let alert = serving.alerts.recv_timeout(PATIENCE).expect("an alert");
    assert!(alert.contains("alert.fired") && alert.contains("fail_open"), "{alert}");
    let monitor = ask(&serving.control, "GET /v1/monitor HTTP/1.1\r\n", "");
    assert!(monitor.contains("\"overall_status\":\"critical\",\"health_score\":0"), "{monitor}");
    let metrics = ask(&serving.control, "GET /metrics HTTP/1.1\r\n", "");
    assert!(status(&metrics) == 200 && metrics.contains("tollgate_"), "{metrics}");
}
