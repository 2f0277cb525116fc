//! Finds who serves: the one that is named, the master that sentinels know, the masters of a
//! cluster.

use redis::{Client, Cmd, Value};
use tokio::time::timeout;

use super::{
    error::{LinkError, Sent, Why},
    fleet::Fleet,
    map::{self, Range},
    sentinels,
    settings::{Address, LinkSettings, Topology},
    slot::SLOTS,
};

pub(super) const NO_SENTINEL: &str =
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
        Topology::Sentinel(name) => {
            sentinels::master(settings, name).await.map(|address| vec![all(address)])
        }
        Topology::Cluster => slots(fleet).await,
    }
}

/// Everything lies at one address.
fn all(address: Address) -> Range {
    Range { first: 0, last: SLOTS as u16 - 1, address }
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
    let [answer] = ask_all(settings, client, [command.clone()], not).await?;
    Ok(answer)
}

/// Asks some things over a connection of its own. Of the first it must know the answer, and where
/// it does not know the question, `not` says what it is not.
pub(super) async fn ask_all<const N: usize>(
    settings: &LinkSettings,
    client: Client,
    commands: [Cmd; N],
    not: &str,
) -> Result<[Value; N], LinkError> {
    let asking = async {
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut answers = [const { Value::Nil }; N];
        for (number, command) in commands.iter().enumerate() {
            match command.query_async::<Value>(&mut connection).await {
                Ok(answer) => answers[number] = answer,
                Err(error) if number == 0 => return Err(error),
                Err(_) => {}
            }
        }
        Ok(answers)
    };
    match timeout(settings.connect_timeout, asking).await {
        Ok(Err(error)) if error.code() == Some("ERR") => Err(LinkError::refused(not)),
        Ok(answer) => answer.map_err(|error| LinkError::of(&error)),
        Err(_) => Err(LinkError::away(Why::Timeout, Sent::No)),
    }
}
