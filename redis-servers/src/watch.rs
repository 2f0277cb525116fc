//! Ends a server when the test's process is gone, however that ended.

use std::{
    io,
    path::Path,
    process::{Child, Command, Stdio},
};

/// A shell that waits for the end of a pipe, whose other end this process has: killed or not, it
/// closes with it. Then the shell kills the server and removes its directory.
#[derive(Debug)]
pub(crate) struct Watch(Child);

const SCRIPT: &str = r#"read -r _; kill -KILL "$1"; rm -rf -- "$2""#;

impl Watch {
    pub(crate) fn over(server: u32, directory: &Path) -> io::Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "watch"]).arg(server.to_string()).arg(directory);
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        shell.spawn().map(Self)
    }
}

/// Called off before the server is reaped, whose number may be another process's then.
impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
