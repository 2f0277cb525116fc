//! The Python suite: the official SDKs, unmodified, against a running `tollgate`.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};

use crate::{report, run};

/// Makes the virtual environment and installs the pinned SDKs, if that is not done yet.
///
/// # Errors
/// When Python or the package index cannot be had.
pub(crate) fn prepare() -> Result<()> {
    let requirements = run::root().join("tests/python/requirements.txt");
    let wanted = fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    // The environment remembers what was installed into it; the same list is not installed twice.
    let installed = venv().join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|have| have == wanted) {
        return Ok(());
    }
    report::step("installing the Python SDKs");
    run::run(run::command("python3", ["-m", "venv", "--clear"]).arg(venv()))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    run::run(run::command(python(), pip).arg(&requirements))?;
    fs::write(&installed, wanted).with_context(|| format!("cannot write {}", installed.display()))
}

/// Runs the suite against the binary of the debug profile.
///
/// # Errors
/// When a test fails.
pub(crate) fn test() -> Result<()> {
    let binary = run::target().join("debug/tollgate");
    let pytest = ["-m", "pytest", "tests/python", "-q", "-p", "no:cacheprovider"];
    // Names that begin with TOLLGATE_ are settings, and an unknown one is refused.
    run::run(
        run::command(python(), pytest)
            .env("BINARY_UNDER_TEST", binary)
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    )
}

fn venv() -> PathBuf {
    run::target().join("venv")
}

fn python() -> PathBuf {
    venv().join("bin/python")
}
