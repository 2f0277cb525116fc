//! One call: sent once, answered in time or not at all.

use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value};
use tokio::time::timeout;

use super::{
    error::{Away, LinkError, Sent, Why},
    lines::{Lines, Used},
    script::{Arg, Script},
};

pub(super) async fn run<K: AsRef<[u8]>>(
    lines: &Lines,
    script: &'static Script,
    _tag: u16,
    keys: &[K],
    args: &[Arg<'_>],
) -> Result<Value, LinkError> {
    let call = async {
        let by_hash = script.by_hash(keys, args);
        let mut answer = send(lines, &by_hash).await;
        if script.is_repeatable() && is_lost(&answer) {
            answer = send(lines, &by_hash).await;
        }
        match answer {
            Err(Failed::Told(error)) if is_unknown(&error) => {
                send(lines, &script.in_full(keys, args)).await
            }
            answer => answer,
        }
    };
    in_time(lines, call).await
}

pub(super) async fn command(lines: &Lines, command: &Cmd) -> Result<Value, LinkError> {
    in_time(lines, send(lines, command)).await
}

/// A call that failed: before it was sent, or by what a client or server said.
enum Failed {
    Unsent(LinkError),
    Told(RedisError),
}

async fn send(lines: &Lines, command: &Cmd) -> Result<Value, Failed> {
    let used = lines.take().await.map_err(Failed::Unsent)?;
    used.ask(command).await.map_err(|error| {
        look_after(lines, &used, &error);
        Failed::Told(error)
    })
}

/// Waits for a call as long as calls may take. That it took longer is trouble.
async fn in_time(
    lines: &Lines,
    call: impl Future<Output = Result<Value, Failed>>,
) -> Result<Value, LinkError> {
    match timeout(lines.settings().timeout, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Failed::Unsent(error))) => Err(error),
        Ok(Err(Failed::Told(error))) => Err(LinkError::of(&error)),
        Err(_) => {
            lines.board().ring();
            Err(LinkError::away(Why::Timeout, Sent::Perhaps))
        }
    }
}

/// Gives up a line that is broken or leads to the wrong server, and has the rest looked at.
fn look_after(lines: &Lines, used: &Used, error: &RedisError) {
    let LinkError::Away(Away { why, .. }) = LinkError::of(error) else { return };
    if matches!(why, Why::Lost | Why::Unreachable | Why::ReadOnly | Why::NoMaster) {
        lines.give_up(used);
    }
    lines.board().ring();
}

fn is_unknown(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

fn is_lost(answer: &Result<Value, Failed>) -> bool {
    let Err(Failed::Told(error)) = answer else { return false };
    let LinkError::Away(away) = LinkError::of(error) else { return false };
    away.why == Why::Lost
}
