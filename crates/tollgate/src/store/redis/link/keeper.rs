//! Keeps the lines to one server: makes them, probes them, and says how the server does.

use std::{ops::Deref, sync::Arc, time::Duration};

use rand::RngExt as _;
use redis::Cmd;
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    error::{Away, LinkError, Sent, Why},
    inspect,
    node::{Health, Line, Node},
    settings::Topology,
    slot::TAGS,
};

/// How often a server that nobody complains about is probed.
const IDLE: Duration = Duration::from_millis(250);

/// After so many looks it is looked how full the memory is.
const LOOKS: u32 = 4;

/// The shortest and the longest pause between two tries to reach a server that is away.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(300));

/// A server that is looked after until this is dropped.
pub(super) struct Kept {
    node: Arc<Node>,
    task: JoinHandle<()>,
}

impl Kept {
    /// Begins to look after a server; `news` is rung whenever it does otherwise than before.
    pub(super) fn new(node: Node, news: Arc<Notify>) -> Self {
        let node = Arc::new(node);
        let task = tokio::spawn(keep(Arc::clone(&node), news));
        Self { node, task }
    }

    /// Whether it is this very one, and not another at the same address.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.node, &other.node)
    }
}

impl Deref for Kept {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(node: Arc<Node>, news: Arc<Notify>) {
    let (mut pause, mut looks) = (PAUSES.0, 0_u32);
    loop {
        looks = looks.wrapping_add(1);
        let health = match look(&node, looks.is_multiple_of(LOOKS)).await {
            Ok(()) => Health::Up,
            Err(LinkError::Away(away)) => Health::Away(away.why),
            Err(LinkError::Refused(sentence) | LinkError::Failed(sentence)) => {
                Health::Away(Why::Refused(sentence))
            }
        };
        let is_up = health == Health::Up;
        if node.set_health(health) {
            news.notify_one();
        }
        if is_up {
            pause = PAUSES.0;
            let _ = timeout(IDLE, node.rung()).await;
        } else {
            // Not all nodes at once, when the server is there again.
            let part = rand::rng().random_range(0.5..1.0);
            sleep(pause.mul_f64(part)).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}

/// Sees that every line is there and that what it leads to takes writes. A line that is merely
/// broken is made anew before anything is said of the server.
async fn look(node: &Node, is_thorough: bool) -> Result<(), LinkError> {
    for number in 0..node.lines() {
        let probed = match node.line(number) {
            Some(line) => probe(node, &line).await,
            None => Err(LinkError::away(Why::Lost, Sent::No)),
        };
        match probed {
            Err(LinkError::Away(Away { why: Why::Lost, .. })) => {
                let line = node.make(number).await?;
                probe(node, &line).await?;
                greet(node, &line, number).await.inspect_err(|_| node.give_up(&line))?;
            }
            probed => probed?,
        }
    }
    let Some(line) = node.line(0) else { return Ok(()) };
    if is_thorough {
        inspect::memory(node, &line).await?;
    }
    inspect::evicted(node, &line).await
}

/// Looks at what a new line leads to.
async fn greet(node: &Node, line: &Line, number: usize) -> Result<(), LinkError> {
    inspect::is_master(node, line).await?;
    // Every line leads to the same server.
    if number == 0 { inspect::server(node, line).await } else { Ok(()) }
}

/// A write, since a replica, a full memory and a broken disk answer everything else. A line that
/// does not carry it is given up.
async fn probe(node: &Node, line: &Line) -> Result<(), LinkError> {
    let error = match timeout(node.settings().timeout, line.ask(&write(node))).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) if error.redirect_node().is_some() => return redirected(node),
        Ok(Err(error)) => LinkError::of(&error),
        Err(_) => LinkError::away(Why::Timeout, Sent::Perhaps),
    };
    node.give_up(line);
    Err(error)
}

/// A node of a cluster answers, and the map will be put right by whoever asks for more.
fn redirected(node: &Node) -> Result<(), LinkError> {
    match node.settings().topology {
        Topology::Cluster => Ok(()),
        Topology::Single | Topology::Sentinel(_) => Err(LinkError::refused(
            "it is a node of a cluster; say so by `cluster = true` in the store's settings",
        )),
    }
}

fn write(node: &Node) -> Cmd {
    // Where none of the tags lies, nothing is written by anybody.
    if node.tag() >= TAGS {
        return redis::cmd("PING");
    }
    let mut write = redis::cmd("SET");
    let key = format!("{}:{{{}}}:probe", node.settings().prefix, node.tag());
    write.arg(key).arg(1).arg("PX").arg(1000);
    write
}
