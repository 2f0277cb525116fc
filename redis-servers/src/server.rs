//! One server.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use redis::{Client, Cmd, Value};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{Error, Port, until, watch::Watch};

/// Which program serves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Program {
    /// `redis-server` of the system.
    #[default]
    Redis,
}

/// How a server is started, beside what every test's server has: one port of the loopback, a
/// directory of its own, nothing kept on the disk.
#[derive(Debug, Clone, Default)]
pub struct Options {
    program: Program,
    lines: Vec<(String, String)>,
}

/// A running server, killed when it is dropped.
#[derive(Debug)]
pub struct Server {
    options: Options,
    port: Port,
    directory: TempDir,
    running: Option<Running>,
}

/// A process, and who ends it when this one is gone. The watch goes first.
#[derive(Debug)]
struct Running {
    watch: Option<Watch>,
    process: Child,
}

impl Options {
    /// A server of `program`.
    pub fn of(program: Program) -> Self {
        Self { program, lines: Vec::new() }
    }

    /// Sets one directive of the server's configuration.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.lines.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Keeps what was written through a restart: every write is in a file before it is answered.
    #[must_use]
    pub fn durable(self) -> Self {
        self.set("appendonly", "yes").set("appendfsync", "always")
    }

    /// Starts it, and waits until it answers.
    ///
    /// # Errors
    /// When its program is missing or it does not answer.
    pub async fn start(self) -> Result<Server, Error> {
        self.start_in(TempDir::with_prefix("redis-")?).await
    }

    /// Starts it in a directory that has files for it already.
    ///
    /// # Errors
    /// When its program is missing or it does not answer.
    pub async fn start_in(self, directory: TempDir) -> Result<Server, Error> {
        let mut server = Server { options: self, port: Port::take()?, directory, running: None };
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
        let name = self.options.program.name();
        let path = self.options.program.path();
        let log = File::options().create(true).append(true).open(self.log())?;
        let mut command = Command::new(path);
        command.current_dir(self.directory.path()).stdin(Stdio::null()).stdout(log);
        command.stderr(Stdio::null()).args(["--port", &self.port().to_string()]);
        command.args(["--bind", "127.0.0.1", "--save", "", "--dir", "."]);
        for (name, value) in &self.options.lines {
            command.arg(format!("--{name}")).args(value.split(' '));
        }
        let process = command.spawn().map_err(|source| Error::Missing { program: name, source })?;
        let watch = Watch::over(process.id(), self.directory.path());
        self.running = Some(Running { watch: None, process });
        // Only now: where there is no shell, the process must not be left behind.
        if let Some(running) = &mut self.running {
            running.watch = Some(watch?);
        }
        Ok(())
    }

    async fn answers(&mut self) -> Result<(), Error> {
        let (port, log) = (self.port(), self.log());
        let what = format!("the server at port {port} answers");
        let running = &mut self.running;
        let address = format!("redis://127.0.0.1:{port}");
        let ended = until(&what, async || {
            let ended = running.as_mut().is_none_or(Running::has_ended);
            if ended { Some(true) } else { is_ready(&address).await.then_some(false) }
        });
        if ended.await? {
            let log = std::fs::read_to_string(log).unwrap_or_default();
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

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
        }
    }

    fn path(self) -> PathBuf {
        match self {
            Self::Redis => self.name().into(),
        }
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
