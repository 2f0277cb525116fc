//! One server.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use redis::{Client, Cmd, Value};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{Error, Port, Program, until, watch::Watch};

/// How a server is started, beside what every test's server has: one port of the loopback, a
/// directory of its own, nothing kept on the disk.
#[derive(Debug, Clone, Default)]
pub struct Options {
    program: Program,
    is_sentinel: bool,
    lines: Vec<String>,
    files: Vec<(&'static str, Vec<u8>)>,
}

/// A running server, killed when it is dropped.
#[derive(Debug)]
pub struct Server {
    options: Options,
    port: Port,
    directory: TempDir,
    running: Option<Running>,
}

/// A process, and who ends it when this one is gone.
#[derive(Debug)]
struct Running {
    /// Called off before the process is reaped.
    watch: Option<Watch>,
    process: Child,
}

const CONFIGURATION: &str = "server.conf";

impl Options {
    /// A server of `program`.
    pub fn of(program: Program) -> Self {
        Self { program, ..Self::default() }
    }

    /// A sentinel in the place of a server.
    pub(crate) fn sentinel(program: Program) -> Self {
        Self { program, is_sentinel: true, ..Self::default() }
    }

    /// Sets one directive of the server's configuration, written as it is there.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.lines.push(format!("{name} {value}"));
        self
    }

    /// Keeps what was written through a kill: every write is the system's before it is answered.
    /// Nobody waits for the disk, so this holds for no loss of power.
    #[must_use]
    pub fn durable(self) -> Self {
        self.set("appendonly", "yes").set("appendfsync", "no")
    }

    /// Puts a file beside the server's own before it starts.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name, content.into()));
        self
    }

    /// Starts it, and waits until it answers.
    ///
    /// # Errors
    /// When its program is missing or it does not answer.
    pub async fn start(self) -> Result<Server, Error> {
        self.start_at(Port::take()?).await
    }

    /// Starts it at a port that was taken before.
    ///
    /// # Errors
    /// When its program is missing or it does not answer.
    pub async fn start_at(self, port: Port) -> Result<Server, Error> {
        let directory = TempDir::with_prefix("redis-")?;
        let mut server = Server { options: self, port, directory, running: None };
        server.write_files()?;
        server.restart().await?;
        Ok(server)
    }
}

impl Server {
    /// Starts a server as it is by default.
    ///
    /// # Errors
    /// When its program is missing or it does not answer.
    pub async fn start() -> Result<Self, Error> {
        Options::default().start().await
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Where it listens, as clients are told it.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Asks it one command over a connection of its own, such as `["CONFIG", "SET", "maxmemory", "1mb"]`.
    ///
    /// # Errors
    /// When it is not there, or refuses.
    pub async fn command(&self, words: &[&str]) -> Result<Value, Error> {
        let mut connection = Client::open(self.url())?.get_multiplexed_async_connection().await?;
        let mut command = Cmd::new();
        command.arg(words);
        Ok(command.query_async(&mut connection).await?)
    }

    /// What it answers a command with, as text; empty if it answers nothing.
    pub async fn text(&self, words: &[&str]) -> String {
        match self.command(words).await {
            Ok(Value::BulkString(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            Ok(Value::SimpleString(text)) => text,
            _ => String::new(),
        }
    }

    /// Stops it where it stands: its connections stay, and nothing is answered.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after a pause.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills it. What it kept in memory alone is lost.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Starts it again at the same port and with the same files, and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.begin()?;
        self.answers().await
    }

    /// Starts it again, and does not wait: it may be loading.
    ///
    /// # Errors
    /// When its program is missing.
    pub fn begin(&mut self) -> Result<(), Error> {
        self.kill();
        let program = self.options.program;
        let log = File::options().create(true).append(true).open(self.log())?;
        let mut command = Command::new(program.path());
        command.current_dir(self.directory.path()).arg(CONFIGURATION);
        if self.options.is_sentinel {
            command.arg("--sentinel");
        }
        command.stdin(Stdio::null()).stderr(log.try_clone()?).stdout(log);
        let missing = |source| Error::Missing { program: program.name(), source };
        let process = command.spawn().map_err(missing)?;
        // Whoever fails from here on drops it, and so kills it.
        let mut running = Running { watch: None, process };
        running.watch = Some(Watch::over(running.process.id(), self.directory.path())?);
        self.running = Some(running);
        Ok(())
    }

    fn write_files(&self) -> Result<(), Error> {
        let mut lines = vec![format!("port {}", self.port()), "bind 127.0.0.1".to_owned()];
        lines.push("dir .".to_owned());
        if !self.options.is_sentinel {
            lines.push("save \"\"".to_owned());
        }
        lines.extend(self.options.lines.iter().cloned());
        lines.push(String::new());
        fs::write(self.directory.path().join(CONFIGURATION), lines.join("\n"))?;
        for (name, content) in &self.options.files {
            fs::write(self.directory.path().join(name), content)?;
        }
        Ok(())
    }

    async fn answers(&mut self) -> Result<(), Error> {
        let (port, log, url) = (self.port(), self.log(), self.url());
        let what = format!("the server at port {port} answers");
        let running = &mut self.running;
        let ended = until(&what, async || {
            let ended = running.as_mut().is_none_or(Running::has_ended);
            if ended { Some(true) } else { is_ready(&url).await.then_some(false) }
        });
        if ended.await? {
            let log = fs::read_to_string(log).unwrap_or_default();
            return Err(Error::Ended { port, log });
        }
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.running.as_ref().and_then(Running::pid) {
            let _ = kill_process(pid, signal);
        }
    }
}

impl Running {
    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.process.id()).ok()?)
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.watch = None;
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether a server answers and has loaded its files. That it wants a password is an answer.
async fn is_ready(url: &str) -> bool {
    let Ok(client) = Client::open(url) else { return false };
    let ping = async {
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd("PING").query_async::<Value>(&mut connection).await
    };
    match ping.await {
        Ok(_) => true,
        Err(error) => error.code() == Some("NOAUTH"),
    }
}
