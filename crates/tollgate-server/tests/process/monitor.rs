//! `tollgate monitor` in a real terminal, which tmux is: keys go in, what stands there comes out.

use std::{
    fs::{self, File},
    io::Read as _,
    process::{Command, Output},
    sync::mpsc::{Receiver, channel},
    thread,
};

use serde_json::Value;
use tempfile::TempDir;
use tollgate::Clock;

use crate::{
    PATIENCE,
    keys::control,
    process::{self, CHAT, Serving},
};

/// A terminal with a shell that runs the screen, and tells of its end.
struct Terminal {
    folder: TempDir,
    columns: usize,
    /// One message for whatever was written to the terminal.
    written: Receiver<()>,
}

const POLICY: &str = r#"
[identity]
trust_headers = true
[[limits]]
name = "everybody"
requests = "1000/minute"
[[limits]]
name = "a-limit-whose-name-is-as-long-as-a-name-may-be-so-that-it-is-cut"
per = ["user"]
requests = "2/minute"
"#;

/// The terminal's own, in its folder, with which it goes.
const SOCKET: &str = "socket";

const SMALL: (usize, usize) = (80, 24);
const LARGE: (usize, usize) = (200, 50);

/// A gateway that admitted two requests of ada's and refused three.
fn serving() -> Serving {
    let serving = Serving::start(&["--policy", "policy.toml"], POLICY);
    for nth in 0..5 {
        let answer = chat(&serving);
        let status = if nth < 2 { "200" } else { "429" };
        assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
    }
    serving
}

fn chat(serving: &Serving) -> String {
    serving.post("/sandbox/v1/chat/completions", &[("x-tollgate-user", "ada")], CHAT)
}

impl Terminal {
    fn open((columns, rows): (usize, usize), serving: &Serving, more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let fifo = folder.path().join("written");
        assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo").success());
        let (tell, written) = channel();
        let this = Self { folder, columns, written };
        let program = env!("CARGO_BIN_EXE_tollgate");
        let admin = format!("http://{}", control(serving));
        let script = format!(
            "read go; sh -c 'echo $$ > pid; exec {program} monitor --admin {admin} --every 100ms {more}'; echo \"ended with $?\"; stty -a; read end"
        );
        let size = [columns.to_string(), rows.to_string()];
        this.tmux(&["new-session", "-d", "-x", &size[0], "-y", &size[1], "sh", "-c", &script]);
        this.tmux(&["pipe-pane", "-o", &format!("cat > {}", fifo.display())]);
        thread::spawn(move || {
            let mut fifo = File::open(fifo).expect("a pipe");
            let mut bytes = [0; 65_536];
            while fifo.read(&mut bytes).is_ok_and(|read| read > 0) && tell.send(()).is_ok() {}
        });
        this.press(&["Enter"]);
        this
    }

    fn tmux(&self, args: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.env("LC_ALL", "C.UTF-8").env_remove("TMUX").env_remove("NO_COLOR");
        command.args(["-u", "-f", "/dev/null", "-S", SOCKET]).args(args);
        let output = command.current_dir(self.folder.path()).output().expect("tmux");
        assert!(output.status.success(), "{args:?}: {output:?}");
        output
    }

    fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// What stands there now.
    fn seen(&self) -> String {
        String::from_utf8(self.tmux(&["capture-pane", "-p"]).stdout).expect("text")
    }

    /// What stands there as soon as it has all of this, wherever lines end, and is whole.
    fn wait_for(&self, parts: &[&str]) -> String {
        let seen = self.until(|seen| {
            let words = words(seen);
            ends(seen) && parts.iter().all(|part| words.contains(part))
        });
        self.checked(seen)
    }

    /// What stands there as soon as it is like that.
    fn until(&self, is_so: impl Fn(&str) -> bool) -> String {
        let clock = Clock::system();
        let began = clock.now().time;
        loop {
            let seen = self.seen();
            if is_so(&seen) {
                return seen;
            }
            let left = PATIENCE.saturating_sub(clock.now().time.since(began));
            assert!(self.written.recv_timeout(left).is_ok(), "it stays\n{seen}");
        }
    }

    /// Sees that no line is broken: the first and the last are where they should be, and none
    /// runs into the next one.
    fn checked(&self, seen: String) -> String {
        let lines: Vec<&str> = seen.lines().collect();
        assert!(lines[0].starts_with(" tollgate "), "{seen}");
        assert!(lines[1].starts_with("  1 Overview   2 Services "), "{seen}");
        assert!(ends(&seen), "{seen}");
        for line in &lines {
            assert!(line.chars().count() <= self.columns, "{line}\n{seen}");
            // A title's rule goes to the right edge, where nothing pushed it further; two stand
            // beside each other where there is room.
            if line.starts_with('─') {
                assert!(line.ends_with('─') || line.contains("  "), "{line}\n{seen}");
            }
        }
        seen
    }
}

/// Whether the last line is there, which is written last: a screen that is half drawn is none yet.
fn ends(seen: &str) -> bool {
    let last = seen.lines().rfind(|line| !line.is_empty()).unwrap_or_default();
    last.contains("every 100 ms") || last.contains("PAUSED")
}

/// A text in one line.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let kill = ["-S", SOCKET, "kill-server"];
        let mut command = Command::new("tmux");
        let _ = command.args(kill).env_remove("TMUX").current_dir(self.folder.path()).output();
    }
}

#[test]
fn every_view_is_whole_in_terminals_of_both_sizes() {
    let serving = serving();
    for size in [SMALL, LARGE] {
        let terminal = Terminal::open(size, &serving, "");
        let seen = terminal.wait_for(&["2 admitted 3 refused", "everybody", "sandbox", "/min"]);
        assert!(seen.contains("serving") && seen.contains("─ Alerts"), "{seen}");
        terminal.press(&["2"]);
        let seen = terminal.wait_for(&["─ Services", "circuit"]);
        assert!(seen.contains("closed"), "{seen}");
        terminal.press(&["Enter"]);
        terminal.wait_for(&["─ sandbox", "latency p95", "models", "esc back"]);
        terminal.press(&["Escape"]);
        terminal.wait_for(&["─ Services"]);
        terminal.press(&["Tab"]);
        let seen = terminal.wait_for(&["─ Limits", "everybody", "998", "refused"]);
        assert!(seen.contains("a-limit-whose") && seen.contains('▏'), "{seen}");
        terminal.press(&["Down", "Enter"]);
        terminal.wait_for(&["2 requests per minute", "refused 3"]);
        terminal.press(&["4"]);
        terminal.wait_for(&["─ By user", "ada", "─ By model", "for 2 requests"]);
        terminal.press(&["5"]);
        terminal.wait_for(&["─ Alerts", "─ Budgets"]);
        terminal.press(&["?"]);
        terminal.wait_for(&["─ Keys", "any key back"]);
        terminal.press(&["x", "p"]);
        terminal.wait_for(&["PAUSED", "─ Budgets"]);
    }
}

#[test]
fn what_happens_is_seen_at_once_and_another_size_is_drawn_anew() {
    let serving = serving();
    let mut terminal = Terminal::open(SMALL, &serving, "--view limits");
    terminal.wait_for(&["everybody", "998"]);
    serving.post("/sandbox/v1/chat/completions", &[("x-tollgate-user", "bob")], CHAT);
    terminal.wait_for(&["everybody", "997"]);
    terminal.columns = 120;
    terminal.tmux(&["resize-window", "-x", "120", "-y", "30"]);
    terminal.wait_for(&["997", &"░".repeat(20)]);
}

#[test]
fn a_gateway_that_does_not_answer_is_told_of_until_it_does() {
    let serving = serving();
    let terminal = Terminal::open(SMALL, &serving, "");
    terminal.wait_for(&["2 admitted"]);
    serving.signal("STOP");
    let seen = terminal.wait_for(&["NO ANSWER for ", "did not answer", "Shown is how it was at "]);
    assert!(words(&seen).contains("2 admitted 3 refused"), "{seen}");
    serving.signal("CONT");
    chat(&serving);
    let seen = terminal.wait_for(&["2 admitted 4 refused"]);
    assert!(!seen.contains("NO ANSWER"), "{seen}");
}

#[test]
fn the_terminal_is_as_it_was_however_the_screen_ends() {
    let serving = serving();
    for end in ["q", "C-c", "TERM"] {
        let terminal = Terminal::open(SMALL, &serving, "");
        terminal.wait_for(&["2 admitted"]);
        if end == "TERM" {
            let its = fs::read_to_string(terminal.folder.path().join("pid")).expect("a number");
            assert!(Command::new("kill").arg(its.trim()).status().expect("kill").success());
        } else {
            terminal.press(&[end]);
        }
        let seen = terminal.until(|seen| seen.contains("ended with 0") && seen.contains("echok"));
        let settings: Vec<&str> = seen.split_whitespace().collect();
        assert!(settings.contains(&"icanon") && settings.contains(&"echo"), "{end}: {seen}");
        assert!(!seen.contains("Overview"), "{end}: {seen}");
    }
}

#[test]
fn without_a_terminal_it_says_what_else_there_is() {
    let serving = serving();
    let admin = format!("http://{}", control(&serving));
    let ended = process::run(&["monitor", "--admin", &admin], "");
    assert_eq!(ended.status, Some(2));
    assert!(ended.stderr.contains("`tollgate status --json`"), "{}", ended.stderr);
    let ended = process::run(&["monitor", "--admin", &admin, "--once"], "");
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    assert!(words(&ended.stdout).contains("2 admitted 3 refused"), "{}", ended.stdout);
    assert!(!ended.stdout.contains('\u{1b}'), "{}", ended.stdout);
    let ended = process::run(&["monitor", "--admin", &admin, "--json"], "");
    let told: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(told["status"]["totals"]["admitted"], 2);
    assert_eq!(told["spend"]["by_user"]["rows"][0]["user"], "ada");
    for every in ["0s", "2h", "soon"] {
        let ended = process::run(&["monitor", "--every", every], "");
        assert_eq!(ended.status, Some(2), "{every}");
        assert!(ended.stderr.contains("from 100ms to 1h"), "{}", ended.stderr);
    }
}
