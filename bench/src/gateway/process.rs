//! The processes of the benchmark: started on free ports, awaited, ended when dropped.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

/// How often and how long a start is looked for.
const LOOKS: u32 = 500;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// What Linux counts processor time in.
const TICK: Duration = Duration::from_millis(10);

/// A running child.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    child: Child,
}

/// An empty folder of this name for what the processes write.
pub(crate) fn fresh_folder(name: &str) -> Result<PathBuf> {
    let folder = bin_folder()?.join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// The `tollgate` binary that was built beside this one.
pub(crate) fn tollgate<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Result<Command> {
    let binary = bin_folder()?.join("tollgate");
    if !binary.exists() {
        bail!("{} is missing; run this by `cargo xtask bench`", binary.display());
    }
    let mut command = Command::new(binary);
    command.args(args);
    Ok(command)
}

/// This program again, for a command of its own.
pub(crate) fn this<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.args(args);
    Ok(command)
}

/// A port of loopback that was free a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn bin_folder() -> Result<PathBuf> {
    let this = env::current_exe()?;
    Ok(this.parent().context("a program stands in a folder")?.to_owned())
}

impl Process {
    /// Starts a command on a free port and waits until it takes connections there. What it
    /// prints goes to `NAME.log` in the folder.
    pub(crate) fn start(
        name: &str,
        folder: &Path,
        command: impl FnOnce(SocketAddr) -> Result<Command>,
    ) -> Result<Self> {
        let address = free_address()?;
        let log = File::create(folder.join(format!("{name}.log")))?;
        let child = command(address)?
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let mut process = Self { address, child };
        for _ in 0..LOOKS {
            if TcpStream::connect(address).is_ok() {
                return Ok(process);
            }
            if let Some(status) = process.child.try_wait()? {
                bail!("{name} ended at once ({status}); see {name}.log in {}", folder.display());
            }
            thread::park_timeout(BETWEEN_LOOKS);
        }
        bail!("{name} does not listen on {address}; see {name}.log in {}", folder.display())
    }

    /// Bytes of its memory that are resident now.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .context("resident memory is read from /proc, so on Linux only")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).context("no VmRSS")?;
        Ok(kib.trim().parse::<u64>()? * 1024)
    }

    /// The processor time that it has used, all its threads together.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))
            .context("processor time is read from /proc, so on Linux only")?;
        // The name before the last bracket may hold spaces; user and system time are the
        // twelfth and thirteenth fields behind it.
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
        let ticks: u64 = fields.split(' ').skip(11).take(2).flat_map(str::parse::<u64>).sum();
        Ok(TICK * u32::try_from(ticks)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
