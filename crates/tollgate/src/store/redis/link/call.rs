//! One call: sent once to who has its slot, answered in time or not at all.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value};
use tokio::time::{sleep, timeout};

use super::{
    error::{Away, LinkError, Sent, Why},
    fleet::Fleet,
    keeper::Kept,
    script::{Arg, Script},
    settings::{Address, Topology},
    slot,
};

/// How often a call may be sent elsewhere. Each time it was not executed.
const REDIRECTS: usize = 4;

/// How long a call waits whose keys are on their way from one server to another.
const ON_THE_WAY: Duration = Duration::from_millis(2);

pub(super) async fn run<K: AsRef<[u8]>>(
    fleet: &Fleet,
    script: &'static Script,
    tag: u16,
    keys: &[K],
    args: &[Arg<'_>],
) -> Result<Value, LinkError> {
    let call = Call::new(fleet, slot::of_tag(tag));
    call.in_time(async {
        let by_hash = script.by_hash(keys, args);
        let mut answer = call.send(&by_hash).await;
        if script.is_repeatable() && is_lost(&answer) {
            answer = call.send(&by_hash).await;
        }
        match answer {
            Err(Failed::Told(error)) if is_unknown(&error) => {
                call.send(&script.in_full(keys, args)).await
            }
            answer => answer,
        }
    })
    .await
}

pub(super) async fn command(fleet: &Fleet, command: &Cmd) -> Result<Value, LinkError> {
    let call = Call::new(fleet, slot_of(command));
    call.in_time(call.send(command)).await
}

/// The slot of a command's first key, as far as that can be seen. Who is asked in vain says who is
/// to be asked.
fn slot_of(command: &Cmd) -> u16 {
    let mut words = command.args_iter().map(|word| match word {
        redis::Arg::Simple(word) => word,
        _ => &[],
    });
    let verb = words.next().unwrap_or_default();
    let before = if verb.to_ascii_uppercase().starts_with(b"EVAL") { 2 } else { 0 };
    words.nth(before).map_or_else(|| slot::of_tag(0), slot::of_key)
}

/// A call on its way.
struct Call<'a> {
    fleet: &'a Fleet,
    slot: u16,
    /// Nothing is executed: it waits for its keys to be in one place.
    waits: AtomicBool,
}

/// A call that failed: before it was sent, or by what a client or server said.
enum Failed {
    Unsent(LinkError),
    Told(RedisError),
}

impl<'a> Call<'a> {
    fn new(fleet: &'a Fleet, slot: u16) -> Self {
        Self { fleet, slot, waits: AtomicBool::new(false) }
    }

    /// Sends a command to who has the slot, and again while its keys are on their way from one
    /// server to another, which is said before anything is executed.
    async fn send(&self, command: &Cmd) -> Result<Value, Failed> {
        loop {
            match self.follow(command).await {
                Err(Failed::Told(error)) if is_on_the_way(&error) => {
                    self.waits.store(true, Ordering::Relaxed);
                    sleep(ON_THE_WAY).await;
                    self.waits.store(false, Ordering::Relaxed);
                }
                answer => return answer,
            }
        }
    }

    /// Sends a command to who has the slot, and follows where that one points to.
    async fn follow(&self, command: &Cmd) -> Result<Value, Failed> {
        let mut node = self.fleet.owner(self.slot).map_err(Failed::Unsent)?;
        let mut asks = false;
        for _ in 0..REDIRECTS {
            let line = node.take().await.map_err(Failed::Unsent)?;
            let answer = if asks { line.ask_there(command).await } else { line.ask(command).await };
            let error = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if let Some(next) = self.redirect(&node, &error) {
                asks = error.kind() == ErrorKind::Server(ServerErrorKind::Ask);
                node = next.map_err(Failed::Unsent)?;
                continue;
            }
            if leads_astray(&error) {
                node.give_up(&line);
                self.fleet.go_astray();
            }
            node.ring();
            return Err(Failed::Told(error));
        }
        Err(Failed::Unsent(LinkError::away(Why::ClusterDown, Sent::No)))
    }

    /// Where an error of the server that was asked points to, in a cluster.
    fn redirect(&self, asked: &Kept, error: &RedisError) -> Option<Result<Arc<Kept>, LinkError>> {
        if self.fleet.settings().topology != Topology::Cluster {
            return None;
        }
        let (address, slot) = error.redirect_node()?;
        let is_tls = self.fleet.settings().addresses().iter().any(|address| address.is_tls);
        let (host, port) = address.rsplit_once(':')?;
        // Servers that do not know their own names mean the one that was asked.
        let host = if host.is_empty() { &asked.address().host } else { host };
        let address = Address { host: host.to_owned(), port: port.parse().ok()?, is_tls };
        Some(if error.kind() == ErrorKind::Server(ServerErrorKind::Ask) {
            self.fleet.at(&address)
        } else {
            self.fleet.moved(slot, &address)
        })
    }

    /// Waits for a call as long as calls may take. That it took longer is trouble.
    async fn in_time(
        &self,
        call: impl Future<Output = Result<Value, Failed>>,
    ) -> Result<Value, LinkError> {
        match timeout(self.fleet.settings().timeout, call).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Failed::Unsent(error))) => Err(error),
            Ok(Err(Failed::Told(error))) => Err(LinkError::of(&error)),
            Err(_) if self.waits.load(Ordering::Relaxed) => {
                Err(LinkError::away(Why::ClusterDown, Sent::No))
            }
            Err(_) => {
                if let Ok(node) = self.fleet.owner(self.slot) {
                    node.ring();
                }
                Err(LinkError::away(Why::Timeout, Sent::Perhaps))
            }
        }
    }
}

/// Whether a line is broken, or leads to a server that is not asked again.
fn leads_astray(error: &RedisError) -> bool {
    let LinkError::Away(Away { why, .. }) = LinkError::of(error) else { return false };
    matches!(why, Why::Lost | Why::Unreachable | Why::ReadOnly | Why::NoMaster)
}

fn is_on_the_way(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::TryAgain)
}

fn is_unknown(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

fn is_lost(answer: &Result<Value, Failed>) -> bool {
    let Err(Failed::Told(error)) = answer else { return false };
    let LinkError::Away(away) = LinkError::of(error) else { return false };
    away.why == Why::Lost
}
