//! Finds who serves: the one that is named, the master that sentinels know, the masters of a
//! cluster.

use redis::{Client, Cmd, Value};
use tokio::time::timeout;

use super::{
    error::{LinkError, Sent, Why},
    fleet::Fleet,
    map::{self, Range},
    settings::{Address, LinkSettings, Topology},
    slot::SLOTS,
};

const NO_SENTINEL: &str =
    "it is no sentinel; name sentinels, or take `sentinel` out of the store's settings";
const NO_CLUSTER: &str = "it is no node of a cluster; take `cluster` out of the store's settings";

/// Who has which slots.
///
/// # Errors
/// When nobody knows.
pub(super) async fn find(fleet: &Fleet) -> Result<Vec<Range>, LinkError> {
    let settings = fleet.settings();
    match &settings.topology {
        Topology::Single => {
            Ok(settings.addresses().first().cloned().into_iter().map(all).collect())
        }
        Topology::Sentinel(name) => master(fleet, name).await.map(|address| vec![all(address)]),
        Topology::Cluster => slots(fleet).await,
    }
}

/// Everything lies at one address.
fn all(address: Address) -> Range {
    Range { first: 0, last: SLOTS as u16 - 1, address }
}

/// Asks one sentinel after another, and keeps to the first that knows.
async fn master(fleet: &Fleet, name: &str) -> Result<Address, LinkError> {
    let settings = fleet.settings();
    let mut command = redis::cmd("SENTINEL");
    command.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    let mut error = LinkError::away(Why::NoMaster, Sent::No);
    for sentinel in settings.addresses() {
        match ask(settings, settings.sentinel(sentinel)?, &command, NO_SENTINEL).await {
            Ok(answer) => {
                if let Some(address) = read_master(&answer, sentinel.is_tls) {
                    return Ok(address);
                }
            }
            Err(refused @ LinkError::Refused(_)) => error = refused,
            Err(LinkError::Away(_)) => {}
        }
    }
    Err(error)
}

/// A host and a port; servers are reached as their sentinels are.
fn read_master(answer: &Value, is_tls: bool) -> Option<Address> {
    let Value::Array(address) = answer else { return None };
    let [Value::BulkString(host), Value::BulkString(port)] = &address[..] else { return None };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    Some(Address { host: text(host)?, port: text(port)?.parse().ok()?, is_tls })
}

/// Asks servers that are known, beginning with another one each time, since one that is cut off
/// knows only how it was; then those that are named.
async fn slots(fleet: &Fleet) -> Result<Vec<Range>, LinkError> {
    let settings = fleet.settings();
    let mut command = redis::cmd("CLUSTER");
    command.arg("SLOTS");
    if let Some(node) = fleet.anyone() {
        let answer = async { node.take().await.ok()?.ask(&command).await.ok() };
        let answer = timeout(settings.timeout, answer).await.ok().flatten();
        let ranges = answer.and_then(|answer| map::read(&answer, node.address()));
        if let Some(ranges) = ranges.filter(|ranges| !ranges.is_empty()) {
            return Ok(ranges);
        }
    }
    let mut error = LinkError::away(Why::Unreachable, Sent::No);
    let addresses = settings.addresses();
    let first = fleet.turn();
    for step in 0..addresses.len() {
        let address = &addresses[first.wrapping_add(step) % addresses.len()];
        match ask(settings, settings.client(address)?, &command, NO_CLUSTER).await {
            Ok(answer) => match map::read(&answer, address) {
                Some(ranges) if !ranges.is_empty() => return Ok(ranges),
                _ => error = LinkError::away(Why::ClusterDown, Sent::No),
            },
            Err(other) => error = other,
        }
    }
    Err(error)
}

/// Asks one thing over a connection of its own. Where a server does not know the question, `not`
/// says what it is not.
async fn ask(
    settings: &LinkSettings,
    client: Client,
    command: &Cmd,
    not: &str,
) -> Result<Value, LinkError> {
    let asking = async {
        let mut connection = client.get_multiplexed_async_connection().await?;
        command.query_async::<Value>(&mut connection).await
    };
    match timeout(settings.connect_timeout, asking).await {
        Ok(Err(error)) if error.code() == Some("ERR") => Err(LinkError::refused(not)),
        Ok(answer) => answer.map_err(|error| LinkError::of(&error)),
        Err(_) => Err(LinkError::away(Why::Timeout, Sent::No)),
    }
}
