//! A cluster: three masters, each with a replica.

use crate::{Error, Options, Port, Program, Server, until};

/// How many masters it has; each has one replica.
pub const MASTERS: usize = 3;

const SLOTS: usize = 16_384;

/// Six servers that are one cluster: first the masters, then their replicas in the same order.
#[derive(Debug)]
pub struct Cluster {
    options: Options,
    nodes: Vec<Server>,
    /// Where the nodes talk to each other.
    buses: Vec<Port>,
}

impl Cluster {
    /// Starts one, and waits until it serves all slots and every replica has its master's data.
    /// A node that does not answer the others for `node_timeout_ms` is replaced.
    ///
    /// # Errors
    /// When that does not come about.
    pub async fn start(program: Program, node_timeout_ms: u32) -> Result<Self, Error> {
        let mut nodes = Vec::new();
        let mut buses = Vec::new();
        // A replica that was cut off from its master for a moment may follow it all the same:
        // nobody waits for long in a test.
        let options = Options::of(program)
            .set("cluster-enabled", "yes")
            .set("cluster-node-timeout", &node_timeout_ms.to_string())
            .set("cluster-replica-validity-factor", "0")
            .set("repl-diskless-sync-delay", "0");
        for _ in 0..2 * MASTERS {
            let (node, bus) = start(&options).await?;
            nodes.push(node);
            buses.push(bus);
        }
        let cluster = Self { options, nodes, buses };
        cluster.join().await?;
        Ok(cluster)
    }

    /// Starts another master, which has no slots, and waits until all know it; its place among
    /// the nodes.
    ///
    /// # Errors
    /// When that does not come about.
    pub async fn grow(&mut self) -> Result<usize, Error> {
        let (node, bus) = start(&self.options).await?;
        meet(&self.nodes[0], &node, &bus).await?;
        self.nodes.push(node);
        self.buses.push(bus);
        let known = format!("cluster_known_nodes:{}", self.nodes.len());
        self.each("knows all others", &["CLUSTER", "INFO"], &known).await?;
        self.each("serves all slots", &["CLUSTER", "INFO"], "cluster_state:ok").await?;
        Ok(self.nodes.len() - 1)
    }

    /// The nodes.
    pub fn nodes(&self) -> &[Server] {
        &self.nodes
    }

    /// The nodes, to kill and restart them.
    pub fn nodes_mut(&mut self) -> &mut [Server] {
        &mut self.nodes
    }

    /// Where its nodes listen.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Server::url).collect()
    }

    /// Which node, by its place among the nodes, is the master of a slot, as `asked` sees it.
    pub async fn master_of(&self, slot: u16, asked: usize) -> Option<usize> {
        let nodes = self.nodes.get(asked)?.text(&["CLUSTER", "NODES"]).await;
        let has_slot = |line: &&str| {
            let ranges = line.split(' ').skip(8).filter_map(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                Some(first.parse().ok()?..=last.parse::<u16>().ok()?)
            });
            line.contains("master") && ranges.into_iter().any(|range| range.contains(&slot))
        };
        let line = nodes.lines().find(has_slot)?;
        let address = line.split(' ').nth(1)?.split('@').next()?;
        let port = address.rsplit(':').next()?.parse().ok()?;
        self.nodes.iter().position(|node| node.port() == port)
    }

    /// The name by which nodes know one of them.
    pub async fn id(&self, node: usize) -> String {
        self.nodes[node].text(&["CLUSTER", "MYID"]).await
    }

    async fn join(&self) -> Result<(), Error> {
        for (number, node) in self.nodes.iter().enumerate() {
            // No two are equal, so nobody has to give way later.
            let epoch = (number + 1).to_string();
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await?;
            let first = number * SLOTS / MASTERS;
            let last = (number + 1) * SLOTS / MASTERS - 1;
            if number < MASTERS {
                let (first, last) = (first.to_string(), last.to_string());
                node.command(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await?;
            }
        }
        let first = &self.nodes[0];
        for (node, bus) in self.nodes.iter().zip(&self.buses).skip(1) {
            meet(first, node, bus).await?;
        }
        self.each("knows all others", &["CLUSTER", "INFO"], "cluster_known_nodes:6").await?;
        for (number, replica) in self.nodes[MASTERS..].iter().enumerate() {
            let master = self.id(number).await;
            until("a node accepts its master", async || {
                replica.command(&["CLUSTER", "REPLICATE", &master]).await.ok()
            })
            .await?;
        }
        self.each("serves all slots", &["CLUSTER", "INFO"], "cluster_state:ok").await?;
        for replica in &self.nodes[MASTERS..] {
            says(replica, "a replica follows", &["INFO", "replication"], "master_link_status:up")
                .await?;
        }
        Ok(())
    }

    /// Waits until every node says so.
    async fn each(&self, what: &str, words: &[&str], says_so: &str) -> Result<(), Error> {
        for node in &self.nodes {
            says(node, what, words, says_so).await?;
        }
        Ok(())
    }
}

/// A node, and where it talks to the others.
async fn start(options: &Options) -> Result<(Server, Port), Error> {
    let bus = Port::take()?;
    let options = options.clone().set("cluster-port", &bus.number().to_string());
    Ok((options.start().await?, bus))
}

/// Has a node introduce itself to another, and so to all.
async fn meet(first: &Server, node: &Server, bus: &Port) -> Result<(), Error> {
    let (port, bus) = (node.port().to_string(), bus.number().to_string());
    first.command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await.map(drop)
}

/// Waits until a server's answer has some text in it.
pub(crate) async fn says(
    node: &Server,
    what: &str,
    words: &[&str],
    says_so: &str,
) -> Result<(), Error> {
    let what = format!("the server at port {} {what}", node.port());
    until(&what, async || node.text(words).await.contains(says_so).then_some(())).await
}
