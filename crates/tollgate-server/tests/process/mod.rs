//! The program as a child process, in a folder of its own and without this environment.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
};

use parking_lot::Mutex;
use tempfile::TempDir;

use super::PATIENCE;

/// A process that serves.
pub(crate) struct Serving {
    folder: TempDir,
    args: Vec<String>,
    child: Child,
    address: String,
    /// What it printed when it began.
    pub(crate) printed: String,
    /// What it logs; several threads may ask it for something meanwhile.
    lines: Mutex<Receiver<String>>,
    seen: Vec<String>,
}

/// A process that has ended.
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A chat that the sandbox answers.
pub(crate) const CHAT: &str =
    r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#;

/// A policy with one limit, named `all`.
pub(crate) fn policy_with(requests: &str) -> String {
    format!("[[limits]]\nname = \"all\"\nrequests = \"{requests}\"\n")
}

/// Runs the program to its end, with this as its input.
pub(crate) fn run(args: &[&str], input: &str) -> Ended {
    let mut command = command();
    command.args(args);
    ended(command, input)
}

/// The same, with these variables in its environment.
pub(crate) fn run_with(args: &[&str], environment: &[(&str, &str)]) -> Ended {
    let mut command = command();
    command.args(args).envs(environment.iter().copied());
    ended(command, "")
}

/// Tries to serve in a folder, to its end.
pub(crate) fn serve_in(folder: &Path, args: &[&str]) -> Ended {
    let mut command = command();
    command.current_dir(folder).args(SERVE).args(args);
    ended(command, "")
}

const SERVE: [&str; 5] = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn ended(mut command: Command, input: &str) -> Ended {
    let mut child = command.spawn().expect("a process");
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("its end");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ended { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Serving {
    /// Serves in a new folder, with this text as its `policy.toml`.
    pub(crate) fn start(args: &[&str], policy: &str) -> Self {
        Self::start_with(args, policy, &[])
    }

    /// The same, with these variables in its environment.
    pub(crate) fn start_with(args: &[&str], policy: &str, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        if !policy.is_empty() {
            fs::write(folder.path().join("policy.toml"), policy).expect("a file");
        }
        Self::start_in(folder, args.iter().map(|arg| (*arg).to_owned()).collect(), environment)
    }

    /// Serves anew, after its end, in the same folder.
    pub(crate) fn again(self) -> Self {
        let mut this = self;
        let folder = std::mem::replace(&mut this.folder, tempfile::tempdir().expect("a folder"));
        Self::start_in(folder, this.args.clone(), &[])
    }

    fn start_in(folder: TempDir, args: Vec<String>, environment: &[(&str, &str)]) -> Self {
        let mut command = command();
        command.current_dir(folder.path()).args(SERVE).args(&args);
        command.envs(environment.iter().copied());
        let mut child = command.spawn().expect("a process");
        let (tell, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().expect("its log"));
        thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        let mut stdout = BufReader::new(child.stdout.take().expect("its output"));
        let mut printed = String::new();
        while !printed.contains("OPENAI_BASE_URL=") {
            let read = stdout.read_line(&mut printed).expect("text");
            let log = || lines.try_iter().collect::<Vec<String>>().join("\n");
            assert!(read > 0, "it ended early: {printed}\n{}", log());
        }
        let address = printed.split("listening on http://").nth(1).expect("an address");
        let address = address.lines().next().expect("a line").to_owned();
        Self { folder, args, child, address, printed, lines: Mutex::new(lines), seen: Vec::new() }
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Sends a chat to the sandbox; the whole answer, head and body.
    pub(crate) fn chat(&self, content: &str) -> String {
        let body = CHAT.replace("\"hi\"", &serde_json::json!(content).to_string());
        self.post("/sandbox/v1/chat/completions", &[], &body)
    }

    /// Sends a POST; the whole answer, head and body.
    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> String {
        self.ask("POST", path, headers, body)
    }

    /// Sends a request; the whole answer, head and body.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> String {
        let mut answer = String::new();
        let mut socket = self.send(method, path, headers, body);
        socket.read_to_string(&mut answer).expect("an answer");
        answer
    }

    /// Sends a POST, whose answer is still to come.
    pub(crate) fn begin(&self, path: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
        self.send("POST", path, headers, body)
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
        let mut socket = TcpStream::connect(&self.address).expect("a connection");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let headers: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        );
        socket.write_all(request.as_bytes()).expect("written");
        socket
    }

    /// Writes a file of its folder.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.folder().join(name), text).expect("a file");
    }

    /// Gives a file of its folder another name.
    pub(crate) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.folder().join(from), self.folder().join(to)).expect("a file");
    }

    /// Reads a file of its folder.
    pub(crate) fn read_bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder().join(name)).expect("a file")
    }

    /// Returns when it has logged a line with this text since the last time.
    pub(crate) fn wait_for(&mut self, text: &str) {
        loop {
            let line = self.lines.get_mut().recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no `{text}` in {:#?}", self.seen));
            self.seen.push(line);
            if self.seen.last().is_some_and(|line| line.contains(text)) {
                return;
            }
        }
    }

    /// All that it has logged; call it after its end.
    pub(crate) fn log(&mut self) -> String {
        self.seen.extend(self.lines.get_mut().iter());
        self.seen.join("\n")
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().expect("`kill`");
        assert!(sent.success());
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("its end").code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
