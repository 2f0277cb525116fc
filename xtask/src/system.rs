//! What the tests need from the operating system.

use std::process::Command;

use anyhow::{Result, bail};

use crate::{report, run};

/// A Debian package, and how to see that what it brings is there.
struct Package {
    name: &'static str,
    probe: &'static [&'static str],
}

/// Every Debian package that a build or a test needs. A further one belongs here.
const PACKAGES: &[Package] = &[
    Package { name: "chromium", probe: &["chromium", "--version"] },
    Package { name: "gcc", probe: &["cc", "--version"] },
    Package { name: "git", probe: &["git", "--version"] },
    Package { name: "python3", probe: &["python3", "--version"] },
    Package { name: "python3-venv", probe: &["python3", "-c", "import ensurepip, venv"] },
    Package { name: "redis-server", probe: &["redis-server", "--version"] },
    Package { name: "tmux", probe: &["tmux", "-V"] },
];

/// Sees to it that all of [`PACKAGES`] are there, installing them where that is allowed.
///
/// # Errors
/// When something is missing and cannot be installed; the message says what to install.
pub(crate) fn prepare() -> Result<()> {
    let missing: Vec<&str> = PACKAGES.iter().filter(|p| !p.is_there()).map(|p| p.name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    let apt = run::succeeds(Command::new("apt-get").arg("--version"));
    if !apt || !is_root() {
        bail!("missing: {names}; install them (Debian: apt-get install {names}) and run again");
    }
    report::step(format_args!("installing {names}"));
    run::run(&mut run::command("apt-get", ["update", "-q"]))?;
    let install = ["install", "-q", "-y", "--no-install-recommends"];
    let mut install = run::command("apt-get", install.iter().chain(&missing));
    run::run(install.env("DEBIAN_FRONTEND", "noninteractive"))
}

impl Package {
    fn is_there(&self) -> bool {
        let Some((program, args)) = self.probe.split_first() else { return true };
        run::succeeds(&mut run::command(program, args))
    }
}

fn is_root() -> bool {
    run::output(&mut run::command("id", ["-u"])).is_ok_and(|id| id.trim() == "0")
}
