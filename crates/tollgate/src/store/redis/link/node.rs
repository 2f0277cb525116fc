//! One server and the lines to it, each of which carries many calls at once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use arc_swap::ArcSwapOption;
use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, RedisError, Value,
    aio::{MultiplexedConnection, PubSub},
};
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

use super::{
    error::{LinkError, Sent, Why},
    eviction::Eviction,
    settings::{Address, LinkSettings},
};

/// How many calls may be on their way over one line; more wait for their turn.
const ON_THE_WAY: usize = 1024;

/// A server, as far as this link knows it.
pub(super) struct Node {
    settings: LinkSettings,
    address: Address,
    client: Client,
    lines: Box<[ArcSwapOption<MultiplexedConnection>]>,
    next: AtomicUsize,
    /// Rung when a line is there again, and when it is known that none will be soon.
    news: Notify,
    /// Rung by calls that saw something that should be looked at.
    trouble: Notify,
    health: watch::Sender<Health>,
    /// A tag that lies there, to try a write under.
    tag: AtomicUsize,
    eviction: Eviction,
}

/// How a server does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Health {
    /// Nobody knows yet.
    New,
    /// It answers and takes writes.
    Up,
    /// It does not.
    Away(Why),
}

/// A line that was there when it was asked for.
pub(super) struct Line {
    number: usize,
    connection: Arc<MultiplexedConnection>,
}

impl Node {
    pub(super) fn new(
        settings: &LinkSettings,
        address: Address,
        eviction: Eviction,
    ) -> Result<Self, LinkError> {
        let client = settings.client(&address)?;
        Ok(Self {
            settings: settings.clone(),
            address,
            client,
            lines: (0..settings.max_connections.max(1)).map(|_| ArcSwapOption::empty()).collect(),
            next: AtomicUsize::new(0),
            news: Notify::new(),
            trouble: Notify::new(),
            health: watch::Sender::new(Health::New),
            tag: AtomicUsize::new(0),
            eviction,
        })
    }

    pub(super) fn settings(&self) -> &LinkSettings {
        &self.settings
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn eviction(&self) -> &Eviction {
        &self.eviction
    }

    pub(super) fn lines(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Says how it does; whether that is news.
    pub(super) fn set_health(&self, health: Health) -> bool {
        let is_news = self.health.send_if_modified(|known| {
            let is_news = *known != health;
            *known = health;
            is_news
        });
        self.news.notify_waiters();
        is_news
    }

    /// A tag that lies there, to try a write under.
    pub(super) fn tag(&self) -> usize {
        self.tag.load(Ordering::Relaxed)
    }

    pub(super) fn set_tag(&self, tag: usize) {
        self.tag.store(tag, Ordering::Relaxed);
    }

    /// Has it looked at, at once.
    pub(super) fn ring(&self) {
        self.trouble.notify_one();
    }

    /// Until somebody rings.
    pub(super) async fn rung(&self) {
        self.trouble.notified().await;
    }

    /// A line that is there, each in its turn. Waits for one while the server is not known to be
    /// away.
    pub(super) async fn take(&self) -> Result<Line, LinkError> {
        loop {
            let news = self.news.notified();
            if let Health::Away(why) = &*self.health.borrow() {
                return Err(LinkError::away(why.clone(), Sent::No));
            }
            let first = self.next.fetch_add(1, Ordering::Relaxed);
            let mut turns = (0..self.lines()).map(|step| first.wrapping_add(step) % self.lines());
            if let Some(line) = turns.find_map(|number| self.line(number)) {
                return Ok(line);
            }
            news.await;
        }
    }

    /// A line by its number, if it is there.
    pub(super) fn line(&self, number: usize) -> Option<Line> {
        let connection = self.lines.get(number)?.load_full()?;
        Some(Line { number, connection })
    }

    /// Makes a line that is not there.
    pub(super) async fn make(&self, number: usize) -> Result<Line, LinkError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_concurrency_limit(ON_THE_WAY);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let connection = Arc::new(self.within(connecting).await?);
        if let Some(line) = self.lines.get(number) {
            line.store(Some(Arc::clone(&connection)));
        }
        self.news.notify_waiters();
        Ok(Line { number, connection })
    }

    /// Gives a line up, unless another one is in its place already.
    pub(super) fn give_up(&self, line: &Line) {
        if let Some(place) = self.lines.get(line.number) {
            let _ = place.compare_and_swap(&line.connection, None);
        }
    }

    /// A connection for a subscription.
    pub(super) async fn ear(&self) -> Result<PubSub, LinkError> {
        self.within(self.client.get_async_pubsub()).await
    }

    /// Connects in time. Nobody has been sent anything yet: no failure has done anything.
    async fn within<T>(
        &self,
        connecting: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, LinkError> {
        match timeout(self.settings.connect_timeout, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(match LinkError::of(&error) {
                LinkError::Away(away) => LinkError::away(away.why, Sent::No),
                refused @ (LinkError::Refused(_) | LinkError::Failed(_)) => refused,
            }),
            Err(_) => Err(LinkError::away(Why::Timeout, Sent::No)),
        }
    }
}

impl Line {
    /// Sends a command and waits for its answer, however long that takes.
    pub(super) async fn ask(&self, command: &Cmd) -> Result<Value, RedisError> {
        let mut connection = MultiplexedConnection::clone(&self.connection);
        connection.send_packed_command(command).await.and_then(Value::extract_error)
    }

    /// Sends a command for a slot that is on its way to this server.
    pub(super) async fn ask_there(&self, command: &Cmd) -> Result<Value, RedisError> {
        let mut connection = MultiplexedConnection::clone(&self.connection);
        let mut both = Pipeline::with_capacity(2);
        both.add_command(redis::cmd("ASKING")).add_command(command.clone());
        let mut answers = connection.send_packed_commands(&both, 0, 2).await?;
        answers.pop().unwrap_or(Value::Nil).extract_error()
    }
}
