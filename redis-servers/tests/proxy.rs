//! The proxy does to clients what it is told.

#![allow(clippy::unwrap_used, reason = "a test that cannot start has failed")]

use std::time::Duration;

use redis::{Client, RedisError, Value, aio::MultiplexedConnection};
use redis_servers::{Mode, Proxy, Server, until};

/// So long nothing comes where nothing is to come.
const MOMENT: Duration = Duration::from_millis(100);

async fn connect(proxy: &Proxy) -> Result<MultiplexedConnection, RedisError> {
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    Client::open(proxy.url())?.get_multiplexed_async_connection_with_config(&config).await
}

async fn add(connection: &mut MultiplexedConnection) -> Result<i64, RedisError> {
    redis::cmd("INCR").arg("counter").query_async(connection).await
}

async fn pair() -> (Server, Proxy) {
    let server = Server::start().await.unwrap();
    let proxy = Proxy::before(server.port()).await.unwrap();
    (server, proxy)
}

#[tokio::test]
async fn commands_and_answers_of_many_pass_in_order() {
    let (_server, proxy) = pair().await;
    let connection = connect(&proxy).await.unwrap();
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..200_i64 {
        let mut connection = connection.clone();
        asked.spawn(async move {
            let text = "x".repeat(usize::try_from(number * 37).unwrap());
            let echo: String =
                redis::cmd("ECHO").arg(&text).query_async(&mut connection).await.unwrap();
            assert_eq!(echo, text);
        });
    }
    while let Some(done) = asked.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn what_is_stalled_passes_later_and_is_not_lost() {
    let (_server, proxy) = pair().await;
    let mut connection = connect(&proxy).await.unwrap();
    assert_eq!(add(&mut connection).await, Ok(1));
    proxy.set(Mode::Stall);
    let mut late = std::pin::pin!(async { add(&mut connection.clone()).await });
    assert!(tokio::time::timeout(MOMENT, &mut late).await.is_err());
    proxy.set(Mode::Pass);
    assert_eq!(late.await, Ok(2));
}

#[tokio::test]
async fn delayed_answers_overlap() {
    let (_server, proxy) = pair().await;
    let connection = connect(&proxy).await.unwrap();
    proxy.set(Mode::Delay(Duration::from_millis(200)));
    let mut early = std::pin::pin!(async { add(&mut connection.clone()).await });
    assert!(tokio::time::timeout(MOMENT, &mut early).await.is_err());
    let mut other = connection.clone();
    let both = tokio::join!(early, add(&mut other));
    assert_eq!(both, (Ok(1), Ok(2)));
}

#[tokio::test]
async fn what_it_says_in_the_servers_place_is_not_executed() {
    let (server, proxy) = pair().await;
    let mut connection = connect(&proxy).await.unwrap();
    for (mode, code) in
        [(Mode::Loading, "LOADING"), (Mode::ReadOnly, "READONLY"), (Mode::Moved, "MOVED")]
    {
        proxy.set(mode);
        assert_eq!(add(&mut connection).await.unwrap_err().code(), Some(code));
    }
    proxy.set(Mode::NoScript);
    assert_eq!(add(&mut connection).await, Ok(1), "only scripts are unknown");
    let script = redis::cmd("EVALSHA").arg("0").arg(0).query_async::<Value>(&mut connection).await;
    assert_eq!(script.unwrap_err().code(), Some("NOSCRIPT"));
    assert_eq!(server.text(&["GET", "counter"]).await, "1");
}

#[tokio::test]
async fn what_was_executed_can_lose_its_answer() {
    let (server, proxy) = pair().await;
    let mut connection = connect(&proxy).await.unwrap();
    proxy.set(Mode::LoseAnswers);
    assert_eq!(add(&mut connection).await, Ok(1), "only scripts lose theirs");
    let mut script = redis::cmd("EVAL");
    script.arg("return redis.call('INCR', KEYS[1])").arg(1).arg("counter");
    assert!(script.query_async::<Value>(&mut connection).await.is_err());
    assert_eq!(server.text(&["GET", "counter"]).await, "2");
}

#[tokio::test]
async fn connections_are_cut_and_refused_and_made_again() {
    let (_server, proxy) = pair().await;
    let mut connection = connect(&proxy).await.unwrap();
    assert_eq!(add(&mut connection).await, Ok(1));
    proxy.cut();
    until("the connection breaks", async || add(&mut connection).await.err()).await.unwrap();
    let mut connection =
        until("a new one is made", async || connect(&proxy).await.ok()).await.unwrap();
    proxy.set(Mode::Refuse);
    until("the connection breaks", async || add(&mut connection).await.err()).await.unwrap();
    let refused = until("none is made", async || connect(&proxy).await.err()).await.unwrap();
    assert!(refused.is_connection_refusal(), "{refused}");
    proxy.set(Mode::Pass);
    let again = until("a new one is made", async || connect(&proxy).await.ok()).await;
    assert!(add(&mut again.unwrap()).await.is_ok());
}
