//! Alerts as runs of a program.
//!
//! The program is run as it is named, by no shell. It reads the alert as JSON and finds the most of
//! it in its environment (`TOLLGATE_ALERT_NAME` and so on), which has nothing else of this
//! process's but where programs and the home are: no secret. What it writes is thrown away. One
//! that takes too long is killed, with all that it began.

use std::{process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
};

use crate::alerts::Notice;

/// What a program finds of this process's environment.
const PASSED_ON: [&str; 6] = ["PATH", "HOME", "LANG", "TZ", "TMPDIR", "USER"];

/// A group of processes, killed when it is dropped.
struct Group(Option<Pid>);

/// Runs a program for a notification.
///
/// # Errors
/// A sentence that says why it did not do what it should.
pub(super) async fn run(
    command: &[String],
    timeout: Duration,
    notice: &Notice,
) -> Result<(), String> {
    let (program, arguments) = command.split_first().ok_or("there is no program to run")?;
    let passed_on = PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(passed_on)
        .envs(told(notice))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("its program can't be run: {error}"))?;
    let mut group = Group::of(&child);
    let ended = tokio::time::timeout(timeout, fed(&mut child, notice)).await;
    let status = ended.map_err(|_| format!("its program took longer than {timeout:?}"))?;
    let status = status.map_err(|error| format!("its program was lost: {error}"))?;
    // It has ended by itself: what it left running is its own.
    group.0 = None;
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => Err(format!("its program ended with status {code}")),
        None => Err("its program was ended by a signal".to_owned()),
    }
}

async fn fed(child: &mut Child, notice: &Notice) -> std::io::Result<std::process::ExitStatus> {
    if let Some(mut stdin) = child.stdin.take() {
        // Whether it reads is its own affair.
        let _ = stdin.write_all(notice.to_json().as_bytes()).await;
    }
    child.wait().await
}

/// What of a notification stands in the program's environment.
fn told(notice: &Notice) -> [(&'static str, String); 9] {
    let firing = &notice.firing;
    [
        ("TOLLGATE_ALERT_EVENT", notice.kind.name().to_owned()),
        ("TOLLGATE_ALERT_ID", notice.id.to_string()),
        ("TOLLGATE_ALERT_INCIDENT", notice.incident()),
        ("TOLLGATE_ALERT_MESSAGE", firing.message.clone()),
        ("TOLLGATE_ALERT_NAME", firing.name.to_string()),
        ("TOLLGATE_ALERT_SEVERITY", firing.severity.name().to_owned()),
        ("TOLLGATE_ALERT_SUBJECT", firing.subject.clone().unwrap_or_default()),
        ("TOLLGATE_ALERT_THRESHOLD", firing.threshold.to_string()),
        ("TOLLGATE_ALERT_VALUE", firing.value.to_string()),
    ]
}

impl Group {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It fails where all of them have ended.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
