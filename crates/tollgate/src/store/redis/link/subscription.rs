//! What is published, heard over a connection that is made anew when it is lost.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt as _;
use redis::aio::PubSub;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{error::LinkError, lines::Lines, state::State};

/// How many messages may wait for whoever listens; more are held back at the server.
const WAITING: usize = 1024;

/// How long until it is tried again where a subscription fails while Redis is there.
const PAUSE: Duration = Duration::from_millis(100);

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
    pub(super) fn start(lines: Arc<Lines>, channels: &[&str]) -> Self {
        let channels = channels.iter().map(|channel| (*channel).to_owned()).collect();
        let (tell, heard) = mpsc::channel(WAITING);
        Self { heard, task: tokio::spawn(listen(lines, channels, tell)) }
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

async fn listen(lines: Arc<Lines>, channels: Vec<String>, tell: mpsc::Sender<Heard>) {
    let mut state = lines.board().watch();
    loop {
        if state.wait_for(|state| *state == State::Up).await.is_err() {
            return;
        }
        if let Ok(ear) = open(&lines, &channels).await {
            if tell.send(Heard::Begun).await.is_err() {
                return;
            }
            tokio::select! {
                () = pass_on(ear, &tell) => {}
                // A connection to a server that was away is not trusted: it may hear nothing.
                () = is_away(state.clone()) => {}
            }
        } else {
            sleep(PAUSE).await;
        }
    }
}

async fn open(lines: &Lines, channels: &[String]) -> Result<PubSub, LinkError> {
    let mut ear = lines.ear().await?;
    let subscribed = timeout(lines.settings().connect_timeout, ear.subscribe(channels)).await;
    match subscribed {
        Ok(Ok(())) => Ok(ear),
        Ok(Err(error)) => Err(LinkError::of(&error)),
        Err(_) => Err(LinkError::away(super::Why::Timeout, super::Sent::No)),
    }
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

async fn is_away(mut state: watch::Receiver<State>) {
    let _ = state.wait_for(|state| *state != State::Up).await;
}
