//! What is published, heard over a connection that is made anew when it is lost.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt as _;
use redis::aio::PubSub;
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    error::{LinkError, Sent, Why},
    fleet::Fleet,
    keeper::Kept,
    node::Health,
};

/// How many messages may wait for whoever listens; more are held back at the server.
const WAITING: usize = 1024;

/// How long until it is tried again where nobody is there to listen to.
const PAUSE: Duration = Duration::from_millis(50);

/// Something that was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// From now on everything is heard. What was published before may have been missed.
    Begun,
    /// A message.
    Message {
        /// On which channel.
        channel: String,
        /// What it says.
        message: Bytes,
    },
}

/// A stream of what is published. It ends when it is dropped.
#[derive(Debug)]
pub struct Subscription {
    heard: mpsc::Receiver<Heard>,
    task: JoinHandle<()>,
}

impl Subscription {
    pub(super) fn start(fleet: Arc<Fleet>, channels: &[&str]) -> Self {
        let channels: Vec<String> = channels.iter().map(|channel| (*channel).to_owned()).collect();
        let (tell, heard) = mpsc::channel(WAITING);
        let task = tokio::spawn(async move {
            while !tell.is_closed() {
                let _ = listen(&fleet, &channels, &tell).await;
                sleep(PAUSE).await;
            }
        });
        Self { heard, task }
    }

    /// What is heard next.
    pub async fn next(&mut self) -> Option<Heard> {
        self.heard.recv().await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Listens to one server, until the connection breaks or that server is no longer to be trusted.
async fn listen(
    fleet: &Fleet,
    channels: &[String],
    tell: &mpsc::Sender<Heard>,
) -> Result<(), LinkError> {
    let unreachable = || LinkError::away(Why::Unreachable, Sent::No);
    let node = fleet.anyone().ok_or_else(unreachable)?;
    let mut ear = node.ear().await?;
    let limit = fleet.settings().connect_timeout;
    let subscribed = timeout(limit, ear.subscribe(channels)).await;
    subscribed.map_err(|_| unreachable())?.map_err(|error| LinkError::of(&error))?;
    if tell.send(Heard::Begun).await.is_ok() {
        tokio::select! {
            () = pass_on(ear, tell) => {}
            () = is_left(fleet, &node) => {}
        }
    }
    Ok(())
}

/// Until the connection ends or nobody listens.
async fn pass_on(mut ear: PubSub, tell: &mpsc::Sender<Heard>) {
    let mut messages = ear.on_message();
    while let Some(message) = messages.next().await {
        let heard = Heard::Message {
            channel: message.get_channel_name().to_owned(),
            message: Bytes::copy_from_slice(message.get_payload_bytes()),
        };
        if tell.send(heard).await.is_err() {
            return;
        }
    }
}

/// Until a server is away, whose connections may hear nothing, or another one is in its place.
async fn is_left(fleet: &Fleet, node: &Kept) {
    let mut health = node.health();
    let mut state = fleet.board().watch();
    while *health.borrow_and_update() == Health::Up
        && fleet.map().at(node.address()).is_some_and(|known| known.is(node))
    {
        tokio::select! {
            changed = health.changed() => if changed.is_err() { return },
            changed = state.changed() => if changed.is_err() { return },
            () = sleep(PAUSE * 4) => {}
        }
    }
}
