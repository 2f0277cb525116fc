//! The Python suites: the official SDKs, unmodified, against a running `tollgate`, and the pages
//! in a real browser.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::{report, run};

/// The folders of the suites.
const SDKS: &str = "tests/python";
const BROWSER: &str = "tests/browser";

/// Makes the virtual environment that both suites share and installs what they pin, if that is
/// not done yet.
///
/// # Errors
/// When Python or the package index cannot be had.
pub(crate) fn prepare() -> Result<()> {
    let mut pip = pip(["install", "--quiet", "--disable-pip-version-check"]);
    let mut wanted = String::new();
    for suite in [SDKS, BROWSER] {
        let path = run::root().join(suite).join("requirements.txt");
        wanted += &fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        pip.arg("-r").arg(path);
    }
    // The environment remembers what was installed into it; the same lists are not installed
    // twice.
    let installed = venv().join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|have| have == wanted) {
        return Ok(());
    }
    report::step("installing the Python SDKs and Playwright");
    run::run(run::command("python3", ["-m", "venv", "--clear"]).arg(venv()))?;
    run::run(&mut pip)?;
    fs::write(&installed, wanted).with_context(|| format!("cannot write {}", installed.display()))
}

/// Python's installer, of the environment that [`prepare`] makes.
pub(crate) fn pip(args: impl IntoIterator<Item = &'static str>) -> Command {
    run::command(python(), ["-m", "pip"].into_iter().chain(args))
}

/// Runs the SDKs against the binary of the debug profile.
///
/// # Errors
/// When a test fails.
pub(crate) fn test_sdks() -> Result<()> {
    run::run(&mut pytest(SDKS))
}

/// Opens the kit's pages in Chromium, read from the sources, and then the `workshop` preset of
/// the debug profile's binary.
///
/// # Errors
/// When a test fails.
pub(crate) fn test_pages() -> Result<()> {
    run::run(&mut pytest(BROWSER))
}

fn pytest(suite: &str) -> Command {
    let mut pytest =
        run::command(python(), ["-m", "pytest", suite, "-q", "-p", "no:cacheprovider"]);
    // Names that begin with TOLLGATE_ are settings, and an unknown one is refused.
    pytest.env("BINARY_UNDER_TEST", run::target().join("debug/tollgate"));
    pytest.env("PYTHONDONTWRITEBYTECODE", "1");
    pytest
}

fn venv() -> PathBuf {
    run::target().join("venv")
}

fn python() -> PathBuf {
    venv().join("bin/python")
}
