//! What providers announced, across a kill.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::process::{self, Serving};

const BODY: &str = r#"{"error":{"type":"requests","code":"rate_limit_exceeded","message":"no"}}"#;

/// A provider that refuses everything for ten minutes, and how often it was asked.
fn provider() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.expect("a connection");
            let mut reader = BufReader::new(socket.try_clone().expect("a socket"));
            let mut length = 0;
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                let lower = line.to_ascii_lowercase();
                if let Some(told) = lower.strip_prefix("content-length:") {
                    length = told.trim().parse().expect("a length");
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            count.fetch_add(1, Ordering::SeqCst);
            let head = "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\nretry-after: 600\r\nconnection: close";
            // Whoever asked may be killed by now.
            let _ = write!(socket, "{head}\r\ncontent-length: {}\r\n\r\n{BODY}", BODY.len());
        }
    });
    (format!("http://{address}/v1"), asked)
}

#[test]
fn after_a_429_nobody_is_sent_into_another_not_even_after_a_kill() {
    let (base_url, asked) = provider();
    let policy = format!(
        "[log]\nlevel = \"debug\"\n[providers.up]\ndialect = \"openai\"\nbase_url = \"{base_url}\"\nretry = {{ attempts = 1 }}\n"
    );
    let mut serving = Serving::start(&["--policy", "policy.toml"], &policy);
    let key = |key: &'static str| [("authorization", key)];
    let chat = |serving: &Serving, shown: &'static str| {
        let answer = serving.post("/up/v1/chat/completions", &key(shown), process::CHAT);
        assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    };
    chat(&serving, "Bearer sk-one");
    serving.wait_for("what was learned of providers is kept");
    for (signal, times) in [("KILL", 1), ("TERM", 2), ("KILL", 3)] {
        serving.signal(signal);
        serving.wait();
        serving = serving.again();
        chat(&serving, "Bearer sk-one");
        assert_eq!(asked.load(Ordering::SeqCst), times, "after {signal}");
        // Another key has limits of its own.
        chat(&serving, ["", "Bearer sk-2", "Bearer sk-3", "Bearer sk-4"][times]);
        assert_eq!(asked.load(Ordering::SeqCst), times + 1);
    }
}
