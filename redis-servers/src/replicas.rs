//! A master, its replica, and the sentinels that put one in the place of the other.

use crate::{Error, Options, Program, Server, cluster::says, until};

/// How many sentinels watch; two of them agree on what happens.
const SENTINELS: usize = 3;

/// Two servers and three sentinels.
#[derive(Debug)]
pub struct Replicas {
    servers: Vec<Server>,
    sentinels: Vec<Server>,
}

/// What the sentinels call the master.
const NAME: &str = "mymaster";

impl Replicas {
    /// Starts them, and waits until the replica follows and every sentinel knows all of them. A
    /// master that does not answer for `down_after_ms` is replaced.
    ///
    /// # Errors
    /// When that does not come about.
    pub async fn start(program: Program, down_after_ms: u32) -> Result<Self, Error> {
        let options = || Options::of(program).set("repl-diskless-sync-delay", "0");
        let master = options().start().await?;
        let port = master.port();
        let follows = options().set("replicaof", &format!("127.0.0.1 {port}"));
        let replica = follows.start().await?;
        says(&replica, "follows", &["INFO", "replication"], "master_link_status:up").await?;
        let mut sentinels = Vec::new();
        for _ in 0..SENTINELS {
            let down_after = down_after_ms.to_string();
            let own = |name: &str, value: &str| format!("{name} {NAME} {value}");
            let sentinel = Options::sentinel(program)
                .set("sentinel monitor", &format!("{NAME} 127.0.0.1 {port} 2"))
                .set(&own("sentinel down-after-milliseconds", &down_after), "")
                .set(&own("sentinel failover-timeout", "2000"), "");
            sentinels.push(sentinel.start().await?);
        }
        let replicas = Self { servers: vec![master, replica], sentinels };
        replicas.know_each_other().await?;
        Ok(replicas)
    }

    /// What the sentinels call the master.
    pub fn name(&self) -> &'static str {
        NAME
    }

    /// Where the sentinels listen.
    pub fn sentinels(&self) -> Vec<String> {
        self.sentinels.iter().map(Server::url).collect()
    }

    /// One of the sentinels, by its place.
    pub fn sentinel(&self, number: usize) -> &Server {
        &self.sentinels[number]
    }

    /// The servers: first the one that was the master in the beginning.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The servers, to kill and restart them.
    pub fn servers_mut(&mut self) -> &mut [Server] {
        &mut self.servers
    }

    /// Has the sentinels put the replica in the master's place, without a reason.
    ///
    /// # Errors
    /// When they refuse.
    pub async fn fail_over(&self) -> Result<(), Error> {
        self.sentinels[0].command(&["SENTINEL", "FAILOVER", NAME]).await.map(drop)
    }

    /// Waits until a server, by its place, takes writes.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn is_master(&self, number: usize) -> Result<(), Error> {
        says(&self.servers[number], "is the master", &["INFO", "replication"], "role:master").await
    }

    async fn know_each_other(&self) -> Result<(), Error> {
        let known = format!("slaves=1,sentinels={SENTINELS}");
        for sentinel in &self.sentinels {
            until("every sentinel knows the replica and the others", async || {
                let told = sentinel.text(&["INFO", "sentinel"]).await;
                told.contains(&known).then_some(())
            })
            .await?;
        }
        Ok(())
    }
}
