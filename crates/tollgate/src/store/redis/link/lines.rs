//! The connections of a link, each of which carries many calls at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use redis::{
    AsyncConnectionConfig, Client, Cmd, RedisError, Value,
    aio::{MultiplexedConnection, PubSub},
};
use tokio::{sync::Notify, time::timeout};

use super::{
    error::{LinkError, Sent, Why},
    settings::LinkSettings,
    state::Board,
};

/// How many calls may be on their way over one line; more wait for their turn.
const ON_THE_WAY: usize = 1024;

/// The lines, as far as they are there, and what is known of the server at their other end.
#[derive(Debug)]
pub(super) struct Lines {
    settings: LinkSettings,
    client: Client,
    lines: Box<[Line]>,
    next: AtomicUsize,
    /// Rung when a line is there again.
    made: Notify,
    board: Board,
}

#[derive(Debug, Default)]
struct Line(ArcSwapOption<MultiplexedConnection>);

/// A line that was there when it was asked for.
#[derive(Clone)]
pub(super) struct Used {
    number: usize,
    connection: Arc<MultiplexedConnection>,
}

impl Lines {
    pub(super) fn new(settings: &LinkSettings) -> Result<Self, LinkError> {
        let address = settings.addresses().first().cloned();
        let address = address.ok_or_else(|| LinkError::refused("no address is named"))?;
        let client = Client::open(address).map_err(|error| LinkError::of(&error))?;
        Ok(Self {
            settings: settings.clone(),
            client,
            lines: (0..settings.max_connections.max(1)).map(|_| Line::default()).collect(),
            next: AtomicUsize::new(0),
            made: Notify::new(),
            board: Board::new(settings.clock.clone()),
        })
    }

    pub(super) fn settings(&self) -> &LinkSettings {
        &self.settings
    }

    pub(super) fn board(&self) -> &Board {
        &self.board
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// A line that is there, each in its turn. Waits for one where Redis is not known to be away.
    pub(super) async fn take(&self) -> Result<Used, LinkError> {
        loop {
            let made = self.made.notified();
            if let Some(why) = self.board.away() {
                return Err(LinkError::away(why, Sent::No));
            }
            if let Some(used) = self.any() {
                return Ok(used);
            }
            made.await;
        }
    }

    fn any(&self) -> Option<Used> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        (0..self.len()).find_map(|step| self.get(first.wrapping_add(step) % self.len()))
    }

    /// A line by its number, if it is there.
    pub(super) fn get(&self, number: usize) -> Option<Used> {
        let connection = self.lines.get(number)?.0.load_full()?;
        Some(Used { number, connection })
    }

    /// Makes a line that is not there.
    pub(super) async fn make(&self, number: usize) -> Result<Used, LinkError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_concurrency_limit(ON_THE_WAY);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let connection = within(self.settings.connect_timeout, connecting).await?;
        let connection = Arc::new(connection);
        if let Some(line) = self.lines.get(number) {
            line.0.store(Some(Arc::clone(&connection)));
        }
        self.made.notify_waiters();
        Ok(Used { number, connection })
    }

    /// Gives a line up, unless another one is in its place already.
    pub(super) fn give_up(&self, used: &Used) {
        if let Some(line) = self.lines.get(used.number) {
            let _ = line.0.compare_and_swap(&used.connection, None);
        }
    }

    /// Lets whoever waits for a line see that it is away.
    pub(super) fn set_away(&self, why: Why) {
        self.board.set_away(why);
        self.made.notify_waiters();
    }

    /// A connection for a subscription.
    pub(super) async fn ear(&self) -> Result<PubSub, LinkError> {
        within(self.settings.connect_timeout, self.client.get_async_pubsub()).await
    }
}

impl Used {
    /// Sends a command and waits for its answer, however long that takes.
    pub(super) async fn ask(&self, command: &Cmd) -> Result<Value, RedisError> {
        let mut connection = MultiplexedConnection::clone(&self.connection);
        connection.send_packed_command(command).await.and_then(Value::extract_error)
    }
}

/// What nobody has been sent anything by yet: no failure has done anything.
async fn within<T>(
    limit: Duration,
    connecting: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, LinkError> {
    match timeout(limit, connecting).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(match LinkError::of(&error) {
            LinkError::Away(away) => LinkError::away(away.why, Sent::No),
            refused @ LinkError::Refused(_) => refused,
        }),
        Err(_) => Err(LinkError::away(Why::Timeout, Sent::No)),
    }
}
